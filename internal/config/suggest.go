package config

import (
	"slices"
	"strings"
)

// suggest says which name was probably meant, or else which there are.
func suggest(name string, names []string) string {
	if len(name) <= 40 {
		best := slices.MinFunc(names, func(a, b string) int { return distance(name, a) - distance(name, b) })
		if distance(name, best) <= 1+len(best)/4 {
			return "; did you mean " + best + "?"
		}
	}
	return "; expected one of " + strings.Join(names, ", ")
}

// distance is the number of letters to insert, drop, change or swap to make a into b.
func distance(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}
