package records_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/tidwall/gjson"

	"github.com/mach5/okta-connector/host/records"
)

func TestSplit_AnyBody_FindsItsRecords(t *testing.T) {
	for _, c := range []struct {
		name, body, path string
		want             []string
		err              error
	}{
		{"an array", ` [ {"a":1} , 2,"x" ] `, "", []string{`{"a":1}`, `2`, `"x"`}, nil},
		{"an empty array", `[]`, "", nil, nil},
		{"an object is one record", ` {"a":[1,2]} `, "", []string{`{"a":[1,2]}`}, nil},
		{"an array inside", `{"x":{"roles":[0]},"roles":[{"id":"1"},{"id":"2"}],"y":[3]}`, "roles", []string{`{"id":"1"}`, `{"id":"2"}`}, nil},
		{"a longer path", `{"a":{"b":[1]}}`, "a.b", []string{"1"}, nil},
		{"null is no records", `{"roles":null}`, "roles", nil, nil},
		{"nothing at the path", `{"roles":[]}`, "value", nil, records.ErrPath},
		{"a number at the path", `{"roles":7}`, "roles", nil, records.ErrPath},
		{"the key twice", `{"roles":[],"roles":[1]}`, "roles", nil, records.ErrSyntax},
		{"cut off", `[{"a":1},{"a":`, "", nil, records.ErrSyntax},
		{"more behind it", `[] []`, "", nil, records.ErrSyntax},
		{"a comma too many", `[1,]`, "", nil, records.ErrSyntax},
		{"a page of HTML", `<html></html>`, "", nil, records.ErrSyntax},
		{"a control character in a string", "[\"0123456789\x01\"]", "", nil, records.ErrSyntax},
		{"nothing", ``, "", nil, records.ErrSyntax},
		{"too deep", strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000), "", nil, records.ErrDepth},
	} {
		t.Run(c.name, func(t *testing.T) {
			spans, err := records.Split([]byte(c.body), c.path, nil)
			if !errors.Is(err, c.err) {
				t.Fatalf("error %v, want %v", err, c.err)
			}
			var got []string
			for _, s := range spans {
				got = append(got, c.body[s.Start:s.End])
			}
			if !reflect.DeepEqual(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestSplitAs_OtherShape_IsAnError(t *testing.T) {
	for _, c := range []struct {
		want       records.Want
		body, path string
		fails      string // empty is none
	}{
		{records.Array, `[]`, "", ""},
		{records.Array, `[{"a":1},{}]`, "", ""},
		{records.Array, `{"roles":[{"id":"1"}]}`, "roles", ""},
		{records.Array, `{"errorCode":"E0000009"}`, "", "wanted a list, found an object"},
		{records.Array, `null`, "", "wanted a list, found null"},
		{records.Array, `"x"`, "", "wanted a list, found a string"},
		{records.Array, `{"roles":null}`, "roles", "wanted a list, found null"},
		{records.Array, `{"errorCode":"E0000009"}`, "roles", "wanted a list, found nothing at the path"},
		{records.Array, `[{"a":1}, 7]`, "", "record 1 of the list is a number, and no object"},
		{records.Array, `[null]`, "", "record 0 of the list is null, and no object"},
		{records.Array, `[[{}]]`, "", "record 0 of the list is an array, and no object"},
		{records.Object, ` {"id":1}`, "", ""},
		{records.Object, `[{"id":1}]`, "", "wanted an object, found an array"},
		{records.Object, `null`, "", "wanted an object, found null"},
		{records.Object, `true`, "", "wanted an object, found a boolean"},
		{records.Anything, `[1]`, "", ""},
		{records.Anything, `null`, "", ""},
	} {
		_, _, err := records.SplitAs(c.want, []byte(c.body), c.path, "", nil)
		if c.fails == "" && err != nil || c.fails != "" && (!errors.Is(err, records.ErrShape) || !strings.HasSuffix(err.Error(), c.fails)) {
			t.Errorf("%d %s at %q: %v, want %q", c.want, c.body, c.path, err, c.fails)
		}
	}
}

func TestSplitKeys_Records_HavePlacesOfKeys(t *testing.T) {
	for body, want := range map[string][]string{
		`[{"uuid":"1","x":{"uuid":"no"}},{"x":{"uuid":"no"},"uuid":2},{"x":["uuid"]},7,[{"uuid":"no"}]]`: {`"1"`, `2`, "", "", ""},
		`[{"uuid":"first","uuid":"second"}]`:     {`"first"`},
		`{"uuid":"of the only one"}`:             {`"of the only one"`},
		`[{"x":"\"uuid\":\"no\"","uuid" : "y"}]`: {`"y"`},
	} {
		_, keys, err := records.SplitKeys([]byte(body), "", "uuid", nil)
		if err != nil || len(keys) != len(want) {
			t.Fatalf("%s: %v, %v", body, keys, err)
		}
		for i, k := range keys {
			if got := body[k.Start:k.End]; got != want[i] {
				t.Errorf("%s: key %d is %q, want %q", body, i, got, want[i])
			}
		}
	}
	_, keys, err := records.SplitKeys([]byte(`{"uuid":"no","roles":[{"uuid":"1"}]}`), "roles", "uuid", nil)
	if err != nil || len(keys) != 1 || keys[0] != (records.Span{Start: 30, End: 33}) {
		t.Errorf("behind a path: %v, %v", keys, err)
	}
}

func TestLine_LineBreaks_KeepsTheValue(t *testing.T) {
	record := []byte("{\n  \"a\": \"x\\ny\",\r\n \"b\": 1.0\n}")
	before := string(record)
	records.Line(record)
	if bytes.ContainsAny(record, "\r\n") {
		t.Errorf("still several lines: %q", record)
	}
	var a, b any
	if json.Unmarshal([]byte(before), &a) != nil || json.Unmarshal(record, &b) != nil || !reflect.DeepEqual(a, b) {
		t.Errorf("%q is not the value of %q", record, before)
	}
}

func FuzzSplit(f *testing.F) {
	for _, s := range []string{`[{"a":"\u0041\\\"bcdefghijk"},-1.5e+3,null]`, `{"a":{"b":[1]}}`, "[\"\x7f\xff\"]", `[01]`, `["\x"]`, `[1}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		spans, err := records.Split(body, "", nil)
		if errors.Is(err, records.ErrDepth) {
			return
		}
		valid := json.Valid(body)
		if errors.Is(err, records.ErrSyntax) == valid {
			t.Fatalf("Split(%q): %v, encoding/json says valid=%v", body, err, valid)
		}
		if err != nil {
			return
		}
		var want []json.RawMessage
		if json.Unmarshal(body, &want) != nil {
			want = []json.RawMessage{bytes.TrimSpace(body)}
		}
		if bytes.Equal(bytes.TrimSpace(body), []byte("null")) {
			want = nil
		}
		if len(spans) != len(want) {
			t.Fatalf("Split(%q): %d records, want %d", body, len(spans), len(want))
		}
		again, keys, err := records.SplitKeys(body, "", "a", nil)
		if err != nil || !reflect.DeepEqual(again, spans) || len(keys) != len(spans) {
			t.Fatalf("SplitKeys(%q): %v, %d keys, %v", body, again, len(keys), err)
		}
		for i, s := range spans {
			var object map[string]json.RawMessage
			_ = json.Unmarshal(body[s.Start:s.End], &object)
			if k := keys[i]; k != (records.Span{}) {
				if got := gjson.GetBytes(body[s.Start:s.End], "a").Raw; got != string(body[k.Start:k.End]) {
					t.Fatalf("key %d of %q: %q, gjson finds %q", i, body, body[k.Start:k.End], got)
				}
			} else if _, has := object["a"]; has && !bytes.Contains(body, []byte(`\u`)) {
				t.Fatalf("key %d of %q is missing", i, body)
			}
			if !bytes.Equal(body[s.Start:s.End], want[i]) {
				t.Fatalf("record %d of %q: %q, want %q", i, body, body[s.Start:s.End], want[i])
			}
		}
	})
}

// BenchmarkSplit compares one pass that checks and splits with gjson's two.
func BenchmarkSplit(b *testing.B) {
	event := `{"uuid":"%d","published":"2026-01-02T03:04:05.678Z","actor":{"id":"00u1","displayName":"Ada \"A\" Lovelace"},"n":[1,2.5,true,null],"pad":"` +
		strings.Repeat("lorem ipsum ", 150) + `"}`
	var page []string
	for i := range 1000 {
		page = append(page, fmt.Sprintf(event, i))
	}
	body := []byte("[" + strings.Join(page, ",") + "]")
	b.Run("records", func(b *testing.B) {
		b.SetBytes(int64(len(body)))
		var spans []records.Span
		for b.Loop() {
			spans, _ = records.Split(body, "", spans[:0])
		}
		if len(spans) != 1000 {
			b.Fatal(len(spans))
		}
	})
	b.Run("gjson", func(b *testing.B) {
		b.SetBytes(int64(len(body)))
		for b.Loop() {
			n := 0
			if gjson.ValidBytes(body) {
				gjson.ParseBytes(body).ForEach(func(_, _ gjson.Result) bool { n++; return true })
			}
			if n != 1000 {
				b.Fatal(n)
			}
		}
	})
}
