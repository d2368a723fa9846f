// Package nearest suggests a name for a misspelt one.
package nearest

import "strings"

// Of returns the name with the fewest edits to s, or "" if none is near: at most one edit in a short name, and a
// third of the letters in a long one. Case does not count as an edit.
func Of(s string, names []string) string {
	for _, n := range names {
		if strings.EqualFold(s, n) {
			return n
		}
	}
	best, bestDistance := "", max(1, len(s)/3)+1
	for _, n := range names {
		if d := distance(s, n); d < bestDistance {
			best, bestDistance = n, d
		}
	}
	return best
}

// distance returns the number of edits between two strings: a byte inserted, deleted or replaced, or two neighbours
// swapped.
func distance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before, last, row = last, row, before
		row[0] = i + 1
		for j := range len(b) {
			cost := 0
			if a[i] != b[j] {
				cost = 1
			}
			row[j+1] = min(last[j]+cost, last[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
	}
	return row[len(b)]
}
