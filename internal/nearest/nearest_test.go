package nearest

import "testing"

func TestOf_MisspeltNames_SuggestsTheNearest(t *testing.T) {
	names := []string{"id", "type", "login", "status", "base_url", "token_secret_ref", "lookup_user"}
	for in, want := range map[string]string{
		"lgoin": "login", "statsu": "status", "base_ulr": "base_url", "lookup_usr": "lookup_user", "token_secret_reference": "token_secret_ref",
		"tpye": "type", "ids": "id", "nope": "", "x": "", "": "", "secret": "", "héllo": "", "LOGIN": "login", "Lookup_User": "lookup_user",
	} {
		if got := Of(in, names); got != want {
			t.Errorf("Of(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestDistance_OfWords_CountsEdits(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"a", "", 1}, {"", "ab", 2}, {"ab", "ba", 1}, {"abc", "abd", 1}, {"abcd", "acbd", 1}, {"kitten", "sitting", 3}, {"same", "same", 0}} {
		if got := distance(c.a, c.b); got != c.want || distance(c.b, c.a) != c.want {
			t.Errorf("distance(%q, %q) = %d, want %d", c.a, c.b, got, c.want)
		}
	}
}
