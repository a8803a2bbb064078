package codec

// The tables of ITU-T G.722, by its section 6.

// decisionLow is the lower bound of a quantizer interval of the lower band (Q6).
var decisionLow = [...]int32{
	0, 35, 72, 110, 150, 190, 233, 276, 323, 370, 422, 473, 530, 587, 650, 714, 786, 858, 940, 1023,
	1121, 1219, 1339, 1458, 1612, 1765, 1980, 2195, 2557, 2919,
}

// restoredBy4 is the difference that the upper four bits of a code stand for (QM4).
var restoredBy4 = [...]int32{
	0, -20456, -12896, -8968, -6288, -4240, -2584, -1200, 20456, 12896, 8968, 6288, 4240, 2584, 1200, 0,
}

// restoredBy6 is the one that all six stand for (QM6).
var restoredBy6 = [...]int32{
	-136, -136, -136, -136, -24808, -21904, -19008, -16704, -14984, -13512, -12280, -11192, -10232, -9360, -8576, -7856,
	-7192, -6576, -6000, -5456, -4944, -4464, -4008, -3576, -3168, -2776, -2400, -2032, -1688, -1360, -1040, -728,
	24808, 21904, 19008, 16704, 14984, 13512, 12280, 11192, 10232, 9360, 8576, 7856, 7192, 6576, 6000, 5456,
	4944, 4464, 4008, 3576, 3168, 2776, 2400, 2032, 1688, 1360, 1040, 728, 432, 136, -432, -136,
}

// restoredBy2 is the difference of the higher band (QM2).
var restoredBy2 = [...]int32{-7408, -1616, 7408, 1616}

// scaleLow is how a code moves the logarithm of the lower band's scale (WL by RL42).
var scaleLow = [...]int32{
	-60, 3042, 1198, 538, 334, 172, 58, -30, 3042, 1198, 538, 334, 172, 58, -30, -60,
}

// antilog is 2048 times two to the power of 32nds (ILB).
var antilog = [...]int32{
	2048, 2093, 2139, 2186, 2233, 2282, 2332, 2383, 2435, 2489, 2543, 2599, 2656, 2714, 2774, 2834,
	2896, 2960, 3025, 3091, 3158, 3228, 3298, 3371, 3444, 3520, 3597, 3676, 3756, 3838, 3922, 4008,
}

// mirror are the first twelve coefficients of the filter that parts the bands.
var mirror = [12]int32{3, -11, 12, 32, -210, 951, 3876, -805, 362, -156, 53, -11}
