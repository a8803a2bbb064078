package codec

// Framer cuts a stream of samples into frames of one length.
type Framer struct{ kept []int16 }

// Add takes samples.
func (f *Framer) Add(samples []int16) { f.kept = append(f.kept, samples...) }

// Len is how many samples wait.
func (f *Framer) Len() int { return len(f.kept) }

// Next takes a frame of n samples into frame, if there are as many.
func (f *Framer) Next(frame []int16, n int) ([]int16, bool) {
	if n <= 0 || len(f.kept) < n {
		return frame, false
	}
	frame = append(frame, f.kept[:n]...)
	f.kept = f.kept[:copy(f.kept, f.kept[n:])]
	return frame, true
}

// Clear drops what waits.
func (f *Framer) Clear() { f.kept = f.kept[:0] }
