package records

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/mach5/okta-connector/abi"
)

func TestKeysOf_Records_AreTheirKeys(t *testing.T) {
	many := "[" + strings.Repeat(`{"id":"x"},`, abi.MaxKeys) + `{"id":"x"}]`
	long := `[{"id":"` + strings.Repeat("x", abi.MaxKeyBytes+1) + `"}]`
	for _, c := range []struct {
		name, body, at, key string
		want, err           string
	}{
		{"strings and numbers", `[{"id":"00g1"},{"id":7}]`, "", "", `["00g1" "7"]`, ""},
		{"another key", `[{"client_id":"0oa1","id":"x"}]`, "", "client_id", `["0oa1"]`, ""},
		{"a link in the body", `{"roles":[],"_links":{"next":{"href":"https://a/b?after=c"}}}`, "_links.next", "href", `["https://a/b?after=c"]`, ""},
		{"no records", `[]`, "", "", `[]`, ""},
		{"a record without key", `[{"id":"a"},{"name":"b"}]`, "", "", "", "record 1 has no string or number at id"},
		{"a key that is an object", `[{"id":{}}]`, "", "", "", "record 0 has"},
		{"an empty key", `[{"id":""}]`, "", "", "", "record 0 has"},
		{"too many", many, "", "", "", "abi.MaxKeys"},
		{"too long", long, "", "", "", "abi.MaxKeyBytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			spans, err := Split([]byte(c.body), c.at, nil)
			if err != nil {
				t.Fatal(err)
			}
			got, err := KeysOf(t.Context(), []byte(c.body), spans, c.key)
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Errorf("error %v, want %q", err, c.err)
				}
				return
			}
			if err != nil || fmt.Sprintf("%q", got) != c.want {
				t.Errorf("%q %v, want %s", got, err, c.want)
			}
		})
	}
}

func TestWithoutKey_RecordOfAnyForm_IsFound(t *testing.T) {
	for _, c := range []struct {
		body, key string
		want      int
	}{
		{`[{"id":"a"},{"id":7},{"id":-1}]`, "id", -1},
		{`[]`, "id", -1},
		{`[{"i\u0064":"a"}]`, "id", -1},
		{`[{"a":{"b":"x"}},{"a":{"c":"x"}}]`, "a.b", 1},
		{`[{"id":"a"},{"name":"b"}]`, "id", 1},
		{`[{"id":""}]`, "id", 0},
		{`[{"id":null}]`, "id", 0},
		{`[{"id":true}]`, "id", 0},
		{`[{"id":{}}]`, "id", 0},
	} {
		member := c.key
		if strings.Contains(member, ".") {
			member = ""
		}
		spans, places, err := SplitKeys([]byte(c.body), "", member, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := WithoutKey(t.Context(), []byte(c.body), spans, places, c.key); err != nil || got != c.want {
			t.Errorf("%s: record %d, want %d", c.body, got, c.want)
		}
	}
}

func TestMembers_Object_AreItsNames(t *testing.T) {
	for record, want := range map[string]string{
		` {"a":1,"b":{"c":2}}`: "a, b",
		`{}`:                   "no members",
		`[1]`:                  "no members",
		`{"a":1,"b":1,"c":1,"d":1,"e":1,"f":1,"g":1,"h":1,"i":1,"j":1,"k":1,"l":1,"m":1}`: "a, b, c, d, e, f, g, h, i, j, k, l, …",
	} {
		if got := Members([]byte(record)); got != want {
			t.Errorf("%s: %q, want %q", record, got, want)
		}
	}
}

func TestWithout_Members_OmitsThem(t *testing.T) {
	for _, c := range []struct {
		name, body string
		omit       []string
		want       []string
	}{
		{"nothing to leave out", `[{"a":1},{"b":2}]`, nil, []string{`{"a":1}`, `{"b":2}`}},
		{"no record has it", `[{"a":1},{"b":2}]`, []string{"secret"}, []string{`{"a":1}`, `{"b":2}`}},
		{"one has it", `[{"a":1}, {"secret":"s","b":2},{"c":3}]`, []string{"secret"}, []string{`{"a":1}`, `{"b":2}`, `{"c":3}`}},
		{"twice", `[{"secret":1,"a":1,"secret":2}]`, []string{"secret"}, []string{`{"a":1}`}},
		{"spelled with an escape", `[{"secre\u0074":1,"a":1}]`, []string{"secret"}, []string{`{"a":1}`}},
		{"further in", `[{"x":{"secret":1,"y":2}}]`, []string{"x.secret"}, []string{`{"x":{"y":2}}`}},
		{"all that there is", `[{"secret":1}]`, []string{"secret"}, []string{`{}`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			body := []byte(c.body)
			spans, err := Split(body, "", nil)
			if err != nil {
				t.Fatal(err)
			}
			body, spans, err = Without(context.Background(), Unlimited{}, body, spans, c.omit)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, s := range spans {
				got = append(got, string(body[s.Start:s.End]))
			}
			if fmt.Sprint(got) != fmt.Sprint(c.want) {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

// An emit goes over records for as long as a body has them: the deadline ends it on the way.
func TestEmit_CanceledContext_Ends(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	body := []byte(`[{"id":"1","a":1},{"id":"2","a":1}]`)
	spans, err := Split(body, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := Without(ctx, Unlimited{}, body, spans, []string{"a"}); !errors.Is(err, context.Canceled) {
		t.Errorf("omit: %v", err)
	}
	if _, _, err := Without(ctx, Unlimited{}, body, spans, []string{"none"}); !errors.Is(err, context.Canceled) {
		t.Errorf("omit of what is not there: %v", err)
	}
	if _, err := Wrap(ctx, Unlimited{}, body, spans, abi.EmitOptions{Kind: "x"}); !errors.Is(err, context.Canceled) {
		t.Errorf("envelopes: %v", err)
	}
	if _, err := KeysOf(ctx, body, spans, "id"); !errors.Is(err, context.Canceled) {
		t.Errorf("keys: %v", err)
	}
}
