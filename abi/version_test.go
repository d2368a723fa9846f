package abi_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/mach5/okta-connector/abi"
)

// with returns the JSON of a manifest in which from is replaced by to.
func with(t *testing.T, m abi.Manifest, from, to string) []byte {
	t.Helper()
	b, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	changed := strings.Replace(string(b), from, to, 1)
	if changed == string(b) {
		t.Fatalf("no %s in %s", from, b)
	}
	return []byte(changed)
}

func TestParseManifest_UnknownMembers_AreJudgedByMinorVersion(t *testing.T) {
	for name, c := range map[string]struct {
		from, to, want string
	}{
		"of this minor version":                 {`"kind":`, `"kinds":[],"kind":`, `manifest: json: unknown field "kinds"`},
		"in an endpoint":                        {`"bucket":`, `"brake":[],"bucket":`, `unknown field "brake"`},
		"that begins with x-":                   {`"kind":`, `"x-owner":{"a":1},"kind":`, ""},
		"that begins with x-, in an object":     {`"bucket":`, `"x-note":"a","bucket":`, ""},
		"together with one that begins with x-": {`"bucket":`, `"x-note":"a","brake":1,"bucket":`, `unknown field "brake"`},
		"of a later minor version":              {`"minor":1`, `"minor":3,"budgets":{"a":1}`, ""},
		"that are required":                     {`"minor":1,"requires":[`, `"minor":3,"budgets":{},"requires":["budgets",`, ""}, // reported by Missing
		"of a later minor version, broken":      {`"minor":1`, `"minor":3,"budgets":{`, "manifest: "},
	} {
		m, err := abi.ParseManifest(with(t, sound(), c.from, c.to), nil)
		switch {
		case c.want == "" && (err != nil || m.Kind != "crm"):
			t.Errorf("%s: %v", name, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %v, want %q in it", name, err, c.want)
		}
	}
}

// An addition is a member of minor version 2.
func TestParseManifest_WithAnAddition_NeedsMinorVersion2(t *testing.T) {
	for minor, want := range []string{"addition needs minor version 1, but the manifest is of 0", "addition needs minor version 2, but the manifest is of 1", ""} {
		m := sound()
		if minor == 0 {
			m = minor0()
		}
		m.Minor, m.Operations[0].Addition = minor, true
		text, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		parsed, err := abi.ParseManifest(text, nil)
		switch {
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("minor version %d: %v, want %q in it", minor, err, want)
		case want == "" && (err != nil || parsed.Additions() != 1):
			t.Errorf("minor version %d: %v", minor, err)
		}
	}
}

func TestParseManifest_OfALaterMinorVersion_SaysWhatToDo(t *testing.T) {
	_, err := abi.ParseManifest(with(t, sound(), `"minor":1`, `"minor":7`), nil)
	if err != nil {
		t.Error(err)
	}
	m := sound()
	m.Minor = 7
	_, err = abi.ParseManifest(with(t, m, `"GET /log"`, `"QUERY /log"`), nil)
	if err == nil || !strings.HasSuffix(err.Error(), "The module is of minor version 7, and this host of 2: use a newer host") {
		t.Error(err)
	}
	if _, err = abi.ParseManifest(with(t, m, `"type":"token"`, `"type":"passkey"`), nil); err != nil {
		t.Errorf("an auth method that this version does not know: %v", err)
	}
	_, err = abi.ParseManifest(with(t, m, abi.Version, "mach5:connector/v2"), nil)
	if err == nil || err.Error() != `manifest: ABI is "mach5:connector/v2", but this host supports "mach5:connector/v1"` {
		t.Error(err)
	}
}

// Readers differ in which of two members they take, and in whether they ignore case.
func TestParseManifest_WithTwoMeanings_IsAnError(t *testing.T) {
	for name, c := range map[string]struct{ from, to, want string }{
		"a member twice":                     {`"class":"read"`, `"class":"privileged","class":"read"`, `manifest: member "class" is listed twice: remove one`},
		"a member twice, once escaped":       {`"class":"read"`, `"cl\u0061ss":"privileged","class":"read"`, `member "class" is listed twice`},
		"a member of a schema twice":         {`"type":"object"`, `"type":"array","type":"object"`, `member "type" is listed twice`},
		"a member that is ignored twice":     {`"kind":`, `"x-a":{"b":1,"b":2},"kind":`, `member "b" is listed twice`},
		"another case":                       {`"kind":"crm"`, `"Kind":"crm"`, `member "Kind" must be spelled "kind"`},
		"another case besides":               {`"class":"read"`, `"class":"privileged","Class":"read"`, `member "Class" must be spelled "class"`},
		"another letter of the same case":    {`"kind":"crm"`, `"kind":"crm","\u212aind":"erp"`, `must be spelled "kind"`},
		"another case in a rate limit's":     {`"rate_limit_headers":{"limit":`, `"rate_limit_headers":{"Limit":"x","limit":`, `member "Limit" must be spelled "limit"`},
		"text that is not UTF-8":             {`"kind":`, "\"x-a\":\"\xff\",\"kind\":", "it is not UTF-8"},
		"a number beyond doubles":            {`"kind":`, `"x-a":1e999999999,"kind":`, "number 1e999999999: at most 128 characters and exponents up to 400 are allowed"},
		"in a later version, a member twice": {`"minor":1`, `"minor":7,"new":{"a":1,"a":2}`, `member "a" is listed twice`},
		"in a later version, another case":   {`"minor":1`, `"minor":7,"Kind":"erp"`, `member "Kind" must be spelled "kind"`},
	} {
		if m, err := abi.ParseManifest(with(t, sound(), c.from, c.to), nil); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q in it (%+v)", name, err, c.want, m)
		}
	}
	old, err := json.Marshal(minor0())
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{`{"kind":"crm","kind":"erp"}`, `{"kind":"crm","Auth":[{"type":"token","header":"X"}]}`} {
		if _, err := abi.ParseManifest(old, json.RawMessage(part)); err == nil || !strings.Contains(err.Error(), "the defaults for a module of minor version 0: member") {
			t.Errorf("defaults %s: %v", part, err)
		}
	}
}

// A later minor version may give a member another type, and says what to do.
func TestParseManifest_WithAMemberOfAnotherType_SaysWhatWasWanted(t *testing.T) {
	for name, c := range map[string]struct{ from, to, want string }{
		"a list for a text":        {`"kind":"crm"`, `"kind":["crm"]`, `manifest: kind must be a string, found array`},
		"a text for a list":        {`"auth":[{`, `"auth":"token","x-auth":[{`, `manifest: auth must be an array, found string`},
		"a text for a number":      {`"minor":1`, `"minor":"1"`, `manifest: minor must be a whole number, found string`},
		"in an operation":          {`"class":"read"`, `"class":{"a":1}`, `operations.class must be a string, found object`},
		"in a later version":       {`"minor":1,"requires":["keys"],"kind":"crm"`, `"minor":7,"kind":["crm"]`, `manifest: kind must be a string, found array. The module is of minor version 7, and this host of 2: use a newer host`},
		"in another major version": {abi.Version + `","minor":1,"requires":["keys"],"kind":"crm"`, `mach5:connector/v2","minor":1,"kind":["crm"]`, `manifest: ABI is "mach5:connector/v2", but this host supports "mach5:connector/v1"`},
	} {
		if _, err := abi.ParseManifest(with(t, sound(), c.from, c.to), nil); err == nil || !strings.HasSuffix(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	if _, err := abi.ParseManifest([]byte(`[]`), nil); err == nil || err.Error() != "manifest: it must be an object, found array" {
		t.Error(err)
	}
}

func TestManifest_Missing_NamesWhatTheHostLacks(t *testing.T) {
	m := sound()
	m.Requires = []string{abi.FeatureKeys, "budgets", "floats"}
	err := m.Missing(abi.Features())
	if err == nil || err.Error() != "the module requires budgets, floats, which this host (mach5:connector/v1, minor version 2) does not have: use a newer host" {
		t.Error(err)
	}
	m.Requires = abi.Features()
	if err := m.Missing(abi.Features()); err != nil {
		t.Error(err)
	}
}

func TestParseManifest_OfMinor0_IsFilled(t *testing.T) {
	old := minor0()
	old.Operations[0] = sound().Operations[0]
	old.Operations[0].Backfill = nil
	old.Operations = append(old.Operations, sound().Operations[1])
	old.Operations[1].Display, old.Operations[1].Rejections = nil, nil
	old.Operations[1].Endpoints = []abi.Endpoint{{Endpoint: "GET /log", Bucket: "log"}}
	raw, err := json.Marshal(old)
	if err != nil {
		t.Fatal(err)
	}
	const part = `{"kind":"crm","auth":[{"type":"token","header":"Authorization","prefix":"Bearer"}],"request_id_header":"X-Id",
		"views":[{"name":"log","operation":"range"},{"name":"gone","operation":"list_gone"}],
		"operations":[{"name":"poll","backfill":{"operation":"range","time":"at"}},{"name":"gone","backfill":{"operation":"range","time":"at"}}]}`
	m, err := abi.ParseManifest(raw, json.RawMessage(part))
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Auth) != 1 || m.RequestIDHeader != "X-Id" || len(m.Views) != 1 || m.Operations[0].Backfill == nil || m.Operations[0].Class != abi.Read || m.Minor != 0 {
		t.Errorf("got %+v", m)
	}
	for name, part := range map[string]string{"none": "", "of another kind": strings.Replace(part, "crm", "erp", 1)} {
		if m, err := abi.ParseManifest(raw, json.RawMessage(part)); err != nil || m.Auth != nil || m.Views != nil {
			t.Errorf("%s: %v, %+v", name, err, m)
		}
	}
	if m, err := abi.ParseManifest(with(t, sound(), "X-Api-Key", "X-Key"), json.RawMessage(part)); err != nil || m.Auth[0].Header != "X-Key" {
		t.Errorf("minor version 1 is filled: %v", err)
	}
	for name, part := range map[string]string{"that is not one": `[]`, "with an unknown member": `{"kind":"crm","auths":[]}`, "that no host accepts": `{"kind":"crm"}`,
		"with a member that it does not fill":            strings.Replace(part, `"request_id_header"`, `"rate_limit_headers":{"limit":"X-L"},"request_id_header"`, 1),
		"with another member of an operation":            strings.Replace(part, `{"name":"poll",`, `{"name":"poll","summary":"x",`, 1),
		"with another member of an operation's endpoint": strings.Replace(part, `{"name":"poll",`, `{"name":"poll","endpoints":[{"endpoint":"GET /log","bucket":"x"}],`, 1)} {
		if _, err := abi.ParseManifest(raw, json.RawMessage(part)); err == nil {
			t.Errorf("a partial manifest %s: no error", name)
		}
	}
}

// FuzzParseManifest parses any manifest. An accepted one must be valid, and stay valid when it is written and read
// again.
func FuzzParseManifest(f *testing.F) {
	b, _ := json.Marshal(sound())
	f.Add(b)
	b, _ = json.Marshal(minor0())
	f.Add(b)
	f.Fuzz(func(t *testing.T, raw []byte) {
		m, err := abi.ParseManifest(raw, nil)
		if err != nil {
			return
		}
		if err := m.Check(); err != nil {
			t.Fatal(err)
		}
		again, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := abi.ParseManifest(again, nil); err != nil {
			t.Fatalf("%s: %v", again, err)
		}
	})
}
