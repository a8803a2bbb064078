package interop

import (
	"strings"
	"unicode/utf8"
)

// screen is what a DEC VT52 shows, the simplest of the terminals that ncurses knows: what a program has printed
// becomes what a person would read.
type screen struct {
	cells    [][]rune
	row, col int
	rest     []byte // the beginning of a sequence whose end has not come yet
}

func newScreen(rows, cols int) *screen {
	s := &screen{cells: make([][]rune, rows)}
	for i := range s.cells {
		s.cells[i] = blank(cols)
	}
	return s
}

func blank(n int) []rune { return []rune(strings.Repeat(" ", n)) }

// print takes what a program writes.
func (s *screen) print(text string) {
	b := append(s.rest, text...)
	for len(b) > 0 {
		n := s.step(b)
		if n == 0 {
			break
		}
		b = b[n:]
	}
	s.rest = append([]byte(nil), b...)
}

// step takes one sequence or character and gives its length, 0 if it is not all there.
func (s *screen) step(b []byte) int {
	switch b[0] {
	case 27:
		return s.escape(b)
	case '\r':
		s.col = 0
	case '\n':
		s.down()
	case '\b':
		s.move(s.row, s.col-1)
	case '\t':
		s.move(s.row, s.col/8*8+8)
	default:
		if b[0] < ' ' {
			break
		}
		if !utf8.FullRune(b) {
			return 0
		}
		r, n := utf8.DecodeRune(b)
		s.cells[s.row][s.col] = r
		s.move(s.row, s.col+1)
		return n
	}
	return 1
}

func (s *screen) escape(b []byte) int {
	if len(b) < 2 || b[1] == 'Y' && len(b) < 4 {
		return 0
	}
	switch b[1] {
	case 'A':
		s.move(s.row-1, s.col)
	case 'B':
		s.move(s.row+1, s.col)
	case 'C':
		s.move(s.row, s.col+1)
	case 'D':
		s.move(s.row, s.col-1)
	case 'H':
		s.move(0, 0)
	case 'I':
		s.up()
	case 'J':
		for i := s.row + 1; i < len(s.cells); i++ {
			s.cells[i] = blank(len(s.cells[i]))
		}
		s.clearLine()
	case 'K':
		s.clearLine()
	case 'Y':
		s.move(int(b[2])-' ', int(b[3])-' ')
		return 4
	}
	return 2
}

func (s *screen) move(row, col int) {
	s.row = min(max(row, 0), len(s.cells)-1)
	s.col = min(max(col, 0), len(s.cells[0])-1)
}

func (s *screen) clearLine() {
	line := s.cells[s.row]
	copy(line[s.col:], blank(len(line)-s.col))
}

func (s *screen) down() {
	if s.row < len(s.cells)-1 {
		s.row++
		return
	}
	s.cells = append(s.cells[1:], blank(len(s.cells[0])))
}

func (s *screen) up() {
	if s.row > 0 {
		s.row--
		return
	}
	s.cells = append([][]rune{blank(len(s.cells[0]))}, s.cells[:len(s.cells)-1]...)
}

func (s *screen) String() string {
	var b strings.Builder
	for _, line := range s.cells {
		b.WriteString(strings.TrimRight(string(line), " "))
		b.WriteByte('\n')
	}
	return b.String()
}
