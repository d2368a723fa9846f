// Package texts has small text functions, instead of packages that would make a module large.
package texts

import (
	"strings"
	"unicode/utf8"
)

// EscapeQuery escapes the value of a query parameter.
func EscapeQuery(s string) string {
	const plain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
	var b []byte
	for i := range len(s) {
		if strings.IndexByte(plain, s[i]) >= 0 {
			b = append(b, s[i])
		} else {
			b = append(b, '%', "0123456789ABCDEF"[s[i]>>4], "0123456789ABCDEF"[s[i]&15])
		}
	}
	return string(b)
}

// Shorten cuts foreign text to at most 80 bytes, for messages.
//
//go:noinline
func Shorten(s string) string { return ShortenTo(s, 80) }

// ShortenTo cuts text at a character boundary to at most most bytes, and adds an ellipsis.
func ShortenTo(s string, most int) string {
	if len(s) <= most {
		return s
	}
	for most > 0 && !utf8.RuneStart(s[most]) {
		most--
	}
	return s[:most] + "…"
}

// AddSorted inserts a text into sorted texts unless it is there already. It is for short lists: the sort of package
// slices would add 0.6 % to the module (docs/measurements.md).
func AddSorted(sorted []string, text string) []string {
	i := 0
	for i < len(sorted) && sorted[i] < text {
		i++
	}
	if i < len(sorted) && sorted[i] == text {
		return sorted
	}
	sorted = append(sorted, "")
	copy(sorted[i+1:], sorted[i:])
	sorted[i] = text
	return sorted
}

// WholeNumber parses a number of up to 18 digits, without a sign.
func WholeNumber(s string) (n int64, ok bool) {
	if s == "" || len(s) > 18 {
		return 0, false
	}
	return Digits(s, 0, 1<<62)
}

// Digits parses a number without a sign that is at least least and at most most.
//
//go:noinline
func Digits(s string, least, most int64) (n int64, ok bool) {
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = n*10 + int64(s[i]-'0')
	}
	return n, n >= least && n <= most
}

// JSONArray returns a JSON array of the texts of items.
func JSONArray[T any](items []T, text func(T) string) string {
	b := []byte{'['}
	for i, it := range items {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, text(it)...)
	}
	return string(append(b, ']'))
}

// RawArray returns an array of JSON texts, or an empty string if there are none.
func RawArray(items []string) string {
	if len(items) == 0 {
		return ""
	}
	return JSONArray(items, func(s string) string { return s })
}
