package jsonval_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/mach5/okta-connector/guest/jsonval"
)

func TestGet_EachType_ReturnsItsValue(t *testing.T) {
	v, err := jsonval.Parse(` {"a": {"b":[1, "x\u00e9\ud83d\ude00\n", null,true]}, "n":-12, "dup":1, "dup":2, "e":{}, "f":[] } `)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for e := range v.At("a", "b").Elements() {
		got = append(got, e.Raw())
	}
	if want := []string{"1", `"x\u00e9\ud83d\ude00\n"`, "null", "true"}; !reflect.DeepEqual(got, want) {
		t.Errorf("elements %q, want %q", got, want)
	}
	for e := range v.At("a", "b").Elements() {
		if e.Kind() == jsonval.String && e.Str() != "xé😀\n" {
			t.Errorf("string %q", e.Str())
		}
	}
	if n := v.Get("n").Int(); n != -12 {
		t.Errorf("n = %d", n)
	}
	if n := v.Get("dup").Int(); n != 2 {
		t.Errorf("the last of two members of one name must count, got %d", n)
	}
	if v.At("a", "nope", "x").Exists() || v.At("n", "x").Exists() {
		t.Error("an absent member exists")
	}
}

func TestEqual_DifferentSpellings_ComparesMeaning(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{`{"a":1,"b":[1,2]}`, ` { "b" : [1, 2.0], "a":1e0}`, true},
		{`{"a":1}`, `{"a":1,"b":null}`, false},
		{`"\u0041"`, `"A"`, true},
		{`9007199254740993`, `9007199254740992`, false},
		{`[1,2]`, `[2,1]`, false},
		{`[1]`, `[1,1]`, false},
		{`null`, `false`, false},
	} {
		a, _ := jsonval.Parse(c.a)
		b, _ := jsonval.Parse(c.b)
		if a.Equal(b) != c.want || b.Equal(a) != c.want {
			t.Errorf("Equal(%s, %s) is not %v", c.a, c.b, c.want)
		}
	}
}

func TestParse_TooDeep_Fails(t *testing.T) {
	deep := strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000)
	if _, err := jsonval.Parse(deep); err != jsonval.ErrDepth {
		t.Errorf("10,000 levels: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{`{"a":[1,2,{"b":"c\u0000"}],"d":-0.1e+5}`, `"\ud800"`, `[`, `{"a"}`, `01`, "\"\x01\"", `tru`, `{"a":1,}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		v, err := jsonval.Parse(s)
		if err == jsonval.ErrDepth {
			return
		}
		if ok := json.Valid([]byte(s)); ok != (err == nil) {
			t.Fatalf("Parse(%q): %v, encoding/json says valid=%v", s, err, ok)
		}
		if err != nil {
			return
		}
		var judge any
		if json.Unmarshal([]byte(s), &judge) != nil {
			return
		}
		if str, ok := judge.(string); ok && utf8.ValidString(s) && v.Str() != str {
			t.Fatalf("Str of %q is %q, want %q", s, v.Str(), str)
		}
		if m, ok := judge.(map[string]any); ok && utf8.ValidString(s) {
			for k, member := range m {
				raw := v.Get(k).Raw()
				var got any
				if err := json.Unmarshal([]byte(raw), &got); err != nil || !reflect.DeepEqual(got, member) {
					t.Fatalf("Get(%q) of %q is %q (%v), want %v", k, s, raw, err, member)
				}
			}
		}
		if !v.Equal(v) || !v.Contains(v) {
			t.Fatalf("%q is not equal to itself", s)
		}
	})
}

func FuzzQuote(f *testing.F) {
	f.Add("a\"\\\n\x00é\xff😀")
	f.Fuzz(func(t *testing.T, s string) {
		var got string
		if err := json.Unmarshal([]byte(jsonval.Quote(s)), &got); err != nil {
			t.Fatalf("Quote(%q): %v", s, err)
		}
		if want := strings.ToValidUTF8(s, "\ufffd"); utf8.ValidString(s) && got != want {
			t.Fatalf("Quote(%q) decodes to %q", s, got)
		}
	})
}

func TestWriter_EachMethod_WritesValidJSON(t *testing.T) {
	var w jsonval.Writer
	if w.String() != "{}" {
		t.Errorf("empty: %s", w.String())
	}
	w.Str("a", "x\"").Int("n", 1).Bool("b", false).BoolIf("c", false).StrIf("d", "").Raw("r", "[1]").Strs("s", []string{"p", "q"}).IntIf("i", 0)
	if got, want := w.String(), `{"a":"x\"","n":1,"b":false,"r":[1],"s":["p","q"]}`; got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}
