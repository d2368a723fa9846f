// Package excerpt shortens foreign text for messages.
package excerpt

import "unicode/utf8"

// most is the length of an excerpt, in bytes without the ellipsis.
const most = 80

// Of returns a text of at most 80 bytes as it is, and the beginning of a longer one with an ellipsis. It does not cut a character.
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
