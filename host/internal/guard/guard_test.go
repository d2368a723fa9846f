package guard

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/mach5/okta-connector/abi"
)

var (
	endpoint = &abi.Endpoint{Endpoint: "POST /spaces/{space}/people"}
	ofPath   = abi.Guard{Kind: abi.GuardEmpty, Read: "GET /spaces/{space}/powers", Class: abi.Privileged}
	ofBody   = abi.Guard{Kind: abi.GuardEmpty, Read: "GET /spaces/{space}/groups/{group}/powers", Each: "groups", Blank: "group", Class: abi.Privileged}
)

func TestReads_OfClearBody_FillTheBlanks(t *testing.T) {
	for body, want := range map[string][]string{
		``:                                {},
		`{}`:                              {},
		`{"groups":[]}`:                   {},
		`{"groups":"g1"}`:                 {"g1"},
		`{"groups":["g1","g2","g1"]}`:     {"g1", "g2"},
		`{"\u0067roups":["g\u0031"]}`:     {"g1"},
		`{"x":{"Groups":1},"groups":"a"}`: {"a"},
	} {
		reads, err := Reads(endpoint, ofBody, &abi.Request{Path: map[string]string{"space": "s"}, Body: json.RawMessage(body)})
		var got []string
		for _, r := range reads {
			if got = append(got, r.Path["group"]); r.Path["space"] != "s" || len(r.Path) != 2 || !r.Sign || r.Endpoint != ofBody.Read {
				t.Errorf("%s: %+v", body, r)
			}
		}
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %v %v", body, got, err)
		}
	}
	reads, err := Reads(endpoint, ofPath, &abi.Request{Path: map[string]string{"space": "s", "other": "x"}})
	if err != nil || len(reads) != 1 || len(reads[0].Path) != 1 || reads[0].Path["space"] != "s" {
		t.Errorf("%+v %v", reads, err)
	}
}

func TestReads_OfAmbiguousBody_IsRefused(t *testing.T) {
	for _, body := range []string{`[]`, `null`, `"g"`, `{"groups":null}`, `{"groups":[null]}`, `{"groups":[1]}`, `{"groups":{"0":"g"}}`, `{"groups":""}`, `{"groups":["g "]}`, `{"groups":["g/.."]}`,
		`{"groups":["g\u0000"]}`, `{"groups":[["g"]]}`, `{"groups":[],"groups":["g"]}`, `{"groups":[],"Groups":["g"]}`, `{"group\u017f":["g"]}`} {
		if reads, err := Reads(endpoint, ofBody, &abi.Request{Body: json.RawMessage(body)}); err == nil {
			t.Errorf("%s: %+v", body, reads)
		}
	}
}

func TestHolds_OnlyIfNothingIsThere(t *testing.T) {
	refusing := ofPath
	refusing.Statuses = []int{404}
	noPermission := ofPath
	noPermission.Statuses = []int{401, 403} // a manifest with these is not loaded
	within := ofPath
	within.Path = "items"
	for _, c := range []struct {
		name  string
		guard abi.Guard
		resp  abi.Response
		body  string
		want  bool
	}{
		{"an empty array", ofPath, abi.Response{Status: 200}, ` [] `, true},
		{"null", ofPath, abi.Response{Status: 200}, `null`, true},
		{"something", ofPath, abi.Response{Status: 200}, `[{}]`, false},
		{"an object", ofPath, abi.Response{Status: 200}, `{}`, false},
		{"no body", ofPath, abi.Response{Status: 200}, ``, false},
		{"a success without a body", ofPath, abi.Response{Status: 204}, `[]`, false},
		{"no JSON", ofPath, abi.Response{Status: 200}, `[] []`, false},
		{"more pages", ofPath, abi.Response{Status: 200, Headers: map[string][]string{"link": {`<x>; rel="self"`, `<x>; rel="Next"`}}}, `[]`, false},
		{"one page", ofPath, abi.Response{Status: 200, Headers: map[string][]string{"link": {`<x>; rel="self"`}}}, `[]`, true},
		{"an error", ofPath, abi.Response{Error: &abi.SendError{}}, `[]`, false},
		{"a refusal", ofPath, abi.Response{Status: 403}, `{"code":"E1"}`, false},
		{"a refusal to read", noPermission, abi.Response{Status: 403}, `{"code":"E1"}`, false},
		{"an unknown token", noPermission, abi.Response{Status: 401}, `{"code":"E1"}`, false},
		{"a declared status", refusing, abi.Response{Status: 404}, `{"code":"E1"}`, true},
		{"a declared status of something else", refusing, abi.Response{Status: 404}, `<html>`, false},
		{"another status", refusing, abi.Response{Status: 410}, `{"code":"E1"}`, false},
		{"nothing at the path", within, abi.Response{Status: 200}, `{}`, true},
		{"an empty array at the path", within, abi.Response{Status: 200}, `{"items":[]}`, true},
		{"something at the path", within, abi.Response{Status: 200}, `{"items":[1]}`, false},
		{"a duplicate", within, abi.Response{Status: 200}, `{"items":[],"items":[1]}`, false},
		{"an array for the path", within, abi.Response{Status: 200}, `[]`, false},
		{"another kind", abi.Guard{Kind: "full_moon"}, abi.Response{Status: 200}, `[]`, false},
	} {
		if got := Holds(c.guard, c.resp, []byte(c.body), "code"); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
	if !Holds(refusing, abi.Response{Status: 404}, nil, "") {
		t.Error("a declared status of a service whose errors are unknown")
	}
}

// FuzzReads: a body that passes names only ids that a decoder of any strictness finds.
func FuzzReads(f *testing.F) {
	f.Add(`{"groups":["g1"]}`)
	f.Add(`{"groups":[],"Groups":["g"]}`)
	f.Fuzz(func(t *testing.T, body string) {
		if !json.Valid([]byte(body)) {
			return
		}
		reads, err := Reads(endpoint, ofBody, &abi.Request{Body: json.RawMessage(body)})
		if err != nil {
			return
		}
		var loose struct{ Groups any } // as encoding/json reads it: in any case, and the last one
		_ = json.Unmarshal([]byte(body), &loose)
		all, _ := loose.Groups.([]any)
		if one, ok := loose.Groups.(string); ok {
			all = []any{one}
		}
		for _, v := range all {
			if !slices.ContainsFunc(reads, func(r abi.Request) bool { return r.Path["group"] == v }) {
				t.Errorf("%s: %v is not read", body, v)
			}
		}
	})
}
