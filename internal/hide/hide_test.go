package hide

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
)

var secrets = Members{Remove: []string{"secret", "a.b", "x.y.z"}}

func TestFrom_MembersAtAnyPlace_AreRemoved(t *testing.T) {
	for in, want := range map[string]string{
		`{"secret":1}`:                            `{}`,
		` { "secret" : "s" } `:                    ` {  } `,
		`{"secret":1,"id":2}`:                     `{"id":2}`,
		`{"id":2,"secret":1}`:                     `{"id":2}`,
		`{"id":2 , "secret":1 , "n":3}`:           `{"id":2 , "n":3}`,
		`{"secret":1,"secret":2,"id":3}`:          `{"id":3}`,
		`{"secret":1,"secret":2}`:                 `{}`,
		`{"id":1,"secret":1,"secret":2}`:          `{"id":1}`,
		`{"s\u0065cret":1,"id":"\"secret\":1"}`:   `{"id":"\"secret\":1"}`,
		`{"Secret":1}`:                            `{"Secret":1}`,
		`[{"secret":{"secret":[1,"]"]}},{"i":1}]`: `[{},{"i":1}]`,
		`{"p":{"q":[[{"secret":1,"r":2}]]}}`:      `{"p":{"q":[[{"r":2}]]}}`,
		`{"a":{"b":1,"c":2},"b":3}`:               `{"a":{"c":2},"b":3}`,
		`{"a":[{"b":1},[{"b":2,"c":3}]]}`:         `{"a":[{},[{"c":3}]]}`,
		`{"a":{"c":{"b":1}}}`:                     `{"a":{"c":{"b":1}}}`,
		`{"x":{"x":{"y":{"z":1,"w":2}}}}`:         `{"x":{"x":{"y":{"w":2}}}}`,
		`{"x":{"y":{"x":{"y":{"z":1}}}}}`:         `{"x":{"y":{"x":{"y":{}}}}}`,
		`{"a":{"a":{"b":1}}}`:                     `{"a":{"a":{}}}`,
		`"secret"`:                                `"secret"`,
		`[]`:                                      `[]`,
		`12`:                                      `12`,
		`{"n":1e400,"m":-0.0,"t":true,"u":null}`:  `{"n":1e400,"m":-0.0,"t":true,"u":null}`,
	} {
		if got, noted, err := secrets.From([]byte(in)); string(got) != want || noted || err != nil {
			t.Errorf("%s: %s %v %v, want %s", in, got, noted, err, want)
		}
	}
}

func TestFrom_OfNoJSON_IsAnError(t *testing.T) {
	for _, in := range []string{``, `{"secret":1`, `<html>secret</html>`, `{"secret":1} {"secret":2}`, `{"secret":1,}`} {
		if got, _, err := secrets.From([]byte(in)); !errors.Is(err, ErrSyntax) || got != nil {
			t.Errorf("%q: %q %v", in, got, err)
		}
	}
}

func TestFrom_ValueThatIsKnown_IsKept(t *testing.T) {
	m := Members{Remove: []string{"id"}, Keep: func(text string) bool { return text == "k\"1" }}
	in := `[{"id":"k\"1"},{"id":"k2"},{"id":7},{"id":{"id":"k\"1"}}]`
	if got, _, err := m.From([]byte(in)); string(got) != `[{"id":"k\"1"},{},{},{}]` || err != nil {
		t.Errorf("%s %v", got, err)
	}
}

func TestFrom_NotedMembers_Stay(t *testing.T) {
	m := Members{Remove: []string{"secret"}, Note: []string{"link.url"}}
	for in, want := range map[string]bool{`{"link":{"url":"u"}}`: true, `[{"x":{"link":[{"url":1}]}}]`: true, `{"url":"u"}`: false, `{"link":"url"}`: false} {
		if got, noted, err := m.From([]byte(in)); string(got) != in || noted != want || err != nil {
			t.Errorf("%s: %s %v %v", in, got, noted, err)
		}
	}
}

// without is a slow model of From.
func without(v any, place []string, paths [][]string) any {
	switch v := v.(type) {
	case map[string]any:
		for name, m := range v {
			at := append(slices.Clone(place), name)
			if slices.ContainsFunc(paths, func(p []string) bool { return len(at) >= len(p) && slices.Equal(at[len(at)-len(p):], p) }) {
				delete(v, name)
			} else {
				v[name] = without(m, at, paths)
			}
		}
	case []any:
		for i, e := range v {
			v[i] = without(e, place, paths)
		}
	}
	return v
}

// FuzzFrom compares what is left with a model, and what a reader of any strictness finds.
func FuzzFrom(f *testing.F) {
	for _, s := range []string{`{"secret":1,"a":{"b":[1,{"c":"\u0022"}]}}`, `[{"a":[{"b":1}]},{"x":{"y":{"z":{}}}}]`, `{"secret":1,"secret":2}`, `{"a":1,"secret":"\\"}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, _, err := secrets.From([]byte(text))
		if !json.Valid([]byte(text)) {
			if err == nil {
				t.Fatalf("%q was accepted", text)
			}
			return
		}
		if err != nil || !json.Valid(got) {
			t.Fatalf("%q: %q %v", text, got, err)
		}
		decode := func(b []byte) (v any) {
			dec := json.NewDecoder(bytes.NewReader(b))
			dec.UseNumber()
			_ = dec.Decode(&v)
			return v
		}
		var paths [][]string
		for _, p := range secrets.Remove {
			paths = append(paths, strings.Split(p, "."))
		}
		if want := without(decode([]byte(text)), nil, paths); !reflect.DeepEqual(decode(got), want) {
			t.Fatalf("%q: %q, want %v", text, got, want)
		}
	})
}

func BenchmarkFrom(b *testing.B) {
	page := []byte("[" + strings.TrimSuffix(strings.Repeat(`{"client_id":"0oa1","name":"an application","client_secret":"hunter2","grants":["a","b"]},`, 2000), ",") + "]")
	m := Members{Remove: []string{"client_secret", "registration_access_token"}}
	copied := make([]byte, len(page))
	b.SetBytes(int64(len(page)))
	for b.Loop() {
		copy(copied, page)
		if left, _, err := m.From(copied); err != nil || len(left) == len(page) {
			b.Fatal(err)
		}
	}
}
