package links

import (
	"strings"
	"testing"
)

func TestNextLink_EachHeaderForm_FindsTheTarget(t *testing.T) {
	for _, c := range []struct {
		name   string
		values []string
		want   string
	}{
		{"none", nil, ""},
		{"two headers", []string{`<https://a/self>; rel="self"`, `<https://a/next>; rel="next"`}, "https://a/next"},
		{"self after next", []string{`<https://a/next>; rel="next"`, `<https://a/self>; rel="self"`}, "https://a/next"},
		{"one header with commas", []string{`<https://a/self?x=1,2>; rel="self", <https://a/next?x=1,2&y=%22>; rel="next"`}, "https://a/next?x=1,2&y=%22"},
		{"without quotes", []string{`<https://a/next>;rel=next`}, "https://a/next"},
		{"several relations and other parameters", []string{`<https://a/next>; title="a, \"b\"; rel=self"; REL="last Next"`}, "https://a/next"},
		{"no next", []string{`<https://a/self>; rel="self"`}, ""},
		{"a relation name that ends in next", []string{`<https://a/x>; rel="x-next"`}, ""},
		{"broken", []string{`<https://a/next; rel="next"`}, ""},
		// The forms of RFC 8288.
		{"whitespace everywhere", []string{"  <https://a/next>  ;\trel  =  \"next\"  "}, "https://a/next"},
		{"empty list elements", []string{`, , <https://a/self>; rel="self",, <https://a/next>; rel="next" ,`}, "https://a/next"},
		{"empty parameters", []string{`<https://a/next>;; rel="next";`}, "https://a/next"},
		{"a relative target", []string{`</api/v1/users?after=x>; rel="next"`}, "/api/v1/users?after=x"},
		{"upper case", []string{`<https://a/next>; Rel=NEXT`}, "https://a/next"},
		{"two rel parameters: the first counts", []string{`<https://a/x>; rel="self"; rel="next"`, `<https://a/y>; rel="next"; rel="self"`}, "https://a/y"},
		{"a title that looks like a link", []string{`<https://a/self>; title="<https://a/x>; rel=next, "; rel="self", <https://a/next>; rel="next"`}, "https://a/next"},
		{"an escaped quote before a comma", []string{`<https://a/self>; title="\",<https://a/x>;rel=next"; rel="self", <https://a/next>; rel="next"`}, "https://a/next"},
		{"a parameter without value", []string{`<https://a/next>; crossorigin; rel="next"`}, "https://a/next"},
		{"an extended parameter is a different one", []string{`<https://a/x>; rel*=UTF-8''next`}, ""},
		{"semicolons in the target", []string{`<https://a/next;v=1?x=a;b>; rel="next"`}, "https://a/next;v=1?x=a;b"},
		{"no parameters", []string{`<https://a/x>`, `<https://a/next>; rel="next"`}, "https://a/next"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := NextLink(c.values); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func FuzzNextLink(f *testing.F) {
	f.Add(`<https://a/self?x=1,2>; rel="self", <https://a/next>; rel="next"`)
	f.Add(`<`)
	f.Add(`<>;rel="\`)
	f.Fuzz(func(t *testing.T, header string) {
		if link := NextLink([]string{header}); link != "" && !strings.Contains(header, "<"+link+">") {
			t.Fatalf("%q is not in %q", link, header)
		}
	})
}
