// Package excerpt shortens foreign text for messages.
package excerpt

import "unicode/utf8"

// most is the maximum length of an excerpt without the ellipsis, in bytes.
const most = 80

// Of returns a text of at most 80 bytes unchanged, and the start of a longer one with an ellipsis. It does not split
// a character.
func Of(text string) string {
	if len(text) <= most {
		return text
	}
	end := most
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + "…"
}
