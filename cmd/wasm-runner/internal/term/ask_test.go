package term

import (
	"errors"
	"strings"
	"testing"
)

// TestReadKeys_EachKey_EndsOrCorrectsTheLine types keys as a terminal without line editing passes them on.
func TestReadKeys_EachKey_EndsOrCorrectsTheLine(t *testing.T) {
	for keys, want := range map[string]struct {
		text string
		err  error
	}{
		"abc\r": {"abc", nil}, "abc\nnext": {"abc", nil}, "\r": {"", nil},
		"\x04": {"", ErrNoAnswer}, "ab\x04c\r": {"abc", nil}, "abc": {"", ErrNoAnswer}, "": {"", ErrNoAnswer},
		"ab\x03": {"", errInterrupted}, "ax\x7fb\r": {"ab", nil}, "\x08a\r": {"a", nil}, "wrong\x15right\r": {"right", nil},
		strings.Repeat("x", maxAnswer+1): {"", errLong},
	} {
		if text, err := readKeys(strings.NewReader(keys)); text != want.text || !errors.Is(err, want.err) {
			t.Errorf("%.20q: %q, %v, want %q, %v", keys, text, err, want.text, want.err)
		}
	}
}
