package texts

import (
	"encoding/base64"
	"testing"
)

// FuzzBase64 compares encoding and decoding with encoding/base64.
func FuzzBase64(f *testing.F) {
	for _, text := range []string{"", "a", "ab", "abc", "abcd", `{"o":"list_users"}`, "\xff\xfe\xfd", "____", "-_8", "A", "====", "a b"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if got, want := EncodeBase64(text), base64.RawURLEncoding.EncodeToString([]byte(text)); got != want {
			t.Fatalf("%q is encoded as %q, want %q", text, got, want)
		}
		got, ok := DecodeBase64(text)
		want, err := base64.RawURLEncoding.DecodeString(text)
		for _, c := range text {
			if c == '\r' || c == '\n' { // encoding/base64 skips them
				return
			}
		}
		if ok != (err == nil) || ok && got != string(want) {
			t.Fatalf("%q is decoded as %q, %v, want %q, %v", text, got, ok, want, err)
		}
	})
}
