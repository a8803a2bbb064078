package interop

import "testing"

func TestScreen(t *testing.T) {
	t.Parallel()
	s := newScreen(3, 10)
	for _, text := range []string{"hello\r\nwo\bor", "ld\x1bY", "! x\x1bK\x1bAy\x1bHH\x1bY\"&last\r\nnext"} {
		s.print(text)
	}
	// The last line feed scrolled.
	if got, want := s.String(), "x\n      last\nnext\n"; got != want {
		t.Errorf("the screen shows\n%s, want\n%s", got, want)
	}
}
