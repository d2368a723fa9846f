package strictjson

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestDuplicateKey_OfObjects_IsFound(t *testing.T) {
	for text, want := range map[string]string{
		`{"a":1,"b":1}`: "", `{"a":1,"a":1}`: "a", `{"a":1,"\u0061":1}`: "a", `[{"a":{"b":1}},{"a":{"c":1,"b":2,"c":3}}]`: "c",
		`{"a":"a","b":"a"}`: "", `[1,2]`: "", `"a:b:c"`: "",
	} {
		if got, twice := DuplicateKey([]byte(text)); got != want || twice != (want != "") {
			t.Errorf("%s: %q, %v", text, got, twice)
		}
	}
}

func TestDepth_OfText_IgnoresStrings(t *testing.T) {
	for text, want := range map[string]int{`1`: 0, `{}`: 1, `[[],{"a":[1]}]`: 3, `"[[[["`: 0, `{"[\"[":"\\"}`: 1} {
		if got := Depth([]byte(text)); got != want {
			t.Errorf("%s: %d, want %d", text, got, want)
		}
	}
}

func TestWideNumber_OverALimit_IsFound(t *testing.T) {
	long := strings.Repeat("9", MaxNumber)
	for text, want := range map[string]string{
		`1`: "", `-1.5e-300`: "", `1e400`: "", `1e401`: "1e401", `[1,-1E-401]`: "-1E-401", `{"a":1e+0401}`: "1e+0401", `1e99999999999999999999`: "1e99999999999999999999",
		long: "", `[` + long + `9]`: long, `"1e999"`: "", `{"1e999":"\"1e999"}`: "", `[1e1,1e999,1e998]`: "1e999", `0.` + long: `0.` + long[2:],
	} {
		if got, found := WideNumber([]byte(text)); got != want || found != (want != "") {
			t.Errorf("%s: %q, %v, want %q", text, got, found, want)
		}
	}
}

// FuzzChecks compares the scans with a parser.
func FuzzChecks(f *testing.F) {
	for _, s := range []string{`{"a":[1,"[",-2.5e3],"b":{"c":null}}`, `[]`, `"\\\""`, `1e999`, `{"a":"a","b":{"a":1},"\u0061":2}`, "{\"\xff\":1,\"\xfe\":1}", `[{"":1},{"":[{"":1,"":2}]}]`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if !json.Valid([]byte(text)) {
			return
		}
		dec := json.NewDecoder(strings.NewReader(text))
		dec.UseNumber()
		var v any
		if err := dec.Decode(&v); err != nil {
			return
		}
		values, depth, isWide := measure(v)
		key, twice := DuplicateKey([]byte(text))
		if wantKey, want := duplicateToken(text); twice != want || key != wantKey {
			t.Errorf("%q: key %q twice: %v, want %q, %v", text, key, twice, wantKey, want)
		}
		if _, found := WideNumber([]byte(text)); isWide && !found {
			t.Errorf("%q has a wide number", text)
		}
		if _, twice := DuplicateKey([]byte(text)); !twice && Depth([]byte(text)) != depth {
			t.Errorf("%q: depth %d, want %d", text, Depth([]byte(text)), depth)
		}
		if Values([]byte(text)) < values {
			t.Errorf("%q: %d values, want at least %d", text, Values([]byte(text)), values)
		}
	})
}

// duplicateToken is DuplicateKey by the tokens of encoding/json.
func duplicateToken(text string) (key string, twice bool) {
	type level struct {
		members map[string]bool // nil in an array
		value   bool            // the next string is a value
	}
	var stack []level
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	for {
		t, err := dec.Token()
		if err != nil {
			return "", false
		}
		top := len(stack) - 1
		switch t := t.(type) {
		case json.Delim:
			if t == '}' || t == ']' {
				if stack = stack[:top]; top > 0 {
					stack[top-1].value = false
				}
				continue
			}
			l := level{}
			if t == '{' {
				l.members = map[string]bool{}
			}
			stack = append(stack, l)
			continue
		case string:
			if top >= 0 && stack[top].members != nil && !stack[top].value {
				if stack[top].members[t] {
					return t, true
				}
				stack[top].members[t], stack[top].value = true, true
				continue
			}
		}
		if top >= 0 {
			stack[top].value = false
		}
	}
}

func measure(v any) (values, depth int, isWide bool) {
	var parts []any
	switch v := v.(type) {
	case json.Number:
		return 1, 0, wide([]byte(v))
	case []any:
		parts, depth = v, 1
	case map[string]any:
		depth, values = 1, len(v)
		for _, m := range v {
			parts = append(parts, m)
		}
	}
	values++
	for _, p := range parts {
		n, d, w := measure(p)
		values, depth, isWide = values+n, max(depth, d+1), isWide || w
	}
	return values, depth, isWide
}
