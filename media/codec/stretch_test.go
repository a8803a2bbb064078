package codec

import "testing"

// TestStretch makes a tone of 200 Hz a period longer or shorter: it stays that tone, without a step.
func TestStretch(t *testing.T) {
	t.Parallel()
	tone := sine(200, 8000)[:800]
	longer := Stretch(append([]int16(nil), tone...), 160, 8000)
	if len(longer) != len(tone)+40 {
		t.Errorf("800 samples became %d, want 840", len(longer))
	}
	shorter := append([]int16(nil), tone...)
	shorter = shorter[:Shrink(shorter, 8000)]
	if len(shorter) != len(tone)-40 {
		t.Errorf("800 samples became %d, want 760", len(shorter))
	}
	for _, changed := range [][]int16{longer, shorter} {
		for i := range changed[1:] {
			if step := int(changed[i+1]) - int(changed[i]); step > 1700 || step < -1700 { // 1570 in the tone itself
				t.Fatalf("there is a step of %d at %d", step, i)
			}
		}
	}
	noise := loud()[:160]
	if n := Shrink(noise, 8000); n != 160 {
		t.Errorf("noise is shortened to %d", n)
	}
	if got := Stretch(make([]int16, 160), 0, 8000); len(got) != 160 {
		t.Errorf("silence is stretched to %d", len(got))
	}
}
