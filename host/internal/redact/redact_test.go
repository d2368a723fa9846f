package redact

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/tidwall/gjson"

	"github.com/mach5/okta-connector/abi"
)

var maskedOp = &abi.Operation{InputSchema: json.RawMessage(`{"type":"object","properties":{"user":{},"credentials":{"x-sensitive":true}}}`)}

func TestInput_WithSensitiveFields_IsMasked(t *testing.T) {
	for _, c := range []struct{ name, input, want string }{
		{"a sensitive field", `{"user":"ada", "credentials":{"password":{"value":"hunter22"}}}`, `{"user":"ada","credentials":{"password":{"value":"***"}}}`},
		{"values of all kinds", `{"credentials":{"a":[1,null,{"b":true}],"c":{},"d":[]}}`, `{"credentials":{"a":["***","***",{"b":"***"}],"c":{},"d":[]}}`},
		{"one that is not known", `{"usr":"ada","credential":"hunter22"}`, `{"usr":"***","credential":"***"}`},
		{"a name in escapes", `{"credenti\u0061ls":"hunter22"}`, `{"credenti\u0061ls":"***"}`},
		{"twice", `{"credentials":1,"credentials":"hunter22"}`, `{"credentials":"***","credentials":"***"}`},
		{"nothing", `{}`, `{}`},
		{"no object", `["hunter22"]`, `"***"`},
	} {
		if got := string(Input(maskedOp, json.RawMessage(c.input))); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func TestValues_InTextAndJSON_AreMasked(t *testing.T) {
	s := Of(maskedOp, json.RawMessage(`{"user":"ada","credentials":{"password":"hunter22","answer":"blue\n","pin":1234,"list":["x",null,true]}}`))
	for _, c := range []struct{ raw, output, body string }{
		{`{"a":"hunter22","b":["hunter\u00322"],"c":{"hunter22":1}}`, "", `{"a":"***","b":["***"],"c":{"hunter22":1}}`},
		{`{"a":"it is hunter22!","n":1234,"m":12345,"s":"1234"}`, "", `{"a":"it is ***!","n":"***","m":12345,"s":"***"}`},
		{`{"a":"x","b":"xy","c":"blue\n","d":"blue"}`, "", `{"a":"***","b":"xy","c":"***","d":"blue"}`},
		{` [1.50 , "ada" ] `, `[1.50,"ada"]`, `[1.50,"ada"]`},
		{`"hunter22"`, "", `"***"`},
		{`not json: hunter22`, `"***"`, `"***"`},
		{``, ``, ``},
		// At its path, anything is masked. Elsewhere, nothing shows that a value equals the secret.
		{`{"name":"hunter22","credentials":{"password":"hunter22","provider":"OKTA"}}`,
			`{"name":"hunter22","credentials":{"password":"***","provider":"OKTA"}}`, `{"name":"hunter22","credentials":{"password":"***","provider":"OKTA"}}`},
		{`{"after":[{"credentials":{"password":{},"list":[1,[2]],"pin":null}}],"password":"hunter22"}`,
			`{"after":[{"credentials":{"password":{},"list":["***",["***"]],"pin":"***"}}],"password":"hunter22"}`,
			`{"after":[{"credentials":{"password":{},"list":["*** (not from the input)",["*** (not from the input)"]],"pin":"*** (not from the input)"}}],"password":"***"}`},
		// Another value there is marked, and its structure is shown.
		{`{"credentials":{"password":"mallory","list":["x","y"],"pin":1234}}`, `{"credentials":{"password":"***","list":["***","***"],"pin":"***"}}`,
			`{"credentials":{"password":"*** (not from the input)","list":["***","*** (not from the input)"],"pin":"***"}}`},
		{`{"x":{"credentials":{"password":{"groupIds":["00gAdmins"],"n":null}}}}`, `{"x":{"credentials":{"password":{"groupIds":["***"],"n":"***"}}}}`,
			`{"x":{"credentials":{"password":{"groupIds":["*** (not from the input)"],"n":"*** (not from the input)"}}}}`},
		{`{"credentials":{"password":1234,"pin":"hunter22"}}`, `{"credentials":{"password":"***","pin":"***"}}`,
			`{"credentials":{"password":"*** (not from the input)","pin":"*** (not from the input)"}}`}, // swapped
	} {
		if c.output == "" && c.raw != "" {
			c.output = c.raw
		}
		if got := string(s.JSON(json.RawMessage(c.raw))); got != c.output {
			t.Errorf("the output %s: %s, want %s", c.raw, got, c.output)
		}
		if got := string(s.Body(json.RawMessage(c.raw))); got != c.body {
			t.Errorf("the body %s: %s, want %s", c.raw, got, c.body)
		}
	}
	if got := s.Text("no: hunter22 and x"); got != "no: *** and x" {
		t.Error(got)
	}
}

// FuzzMask masks any body for any input. The result must be JSON with only "***" at the path of a secret. In a body
// without that path, no string or number may be or contain the secret.
func FuzzMask(f *testing.F) {
	f.Add(`{"credentials":{"password":"hunter22"}}`, `{"password":"hunter22","n":[1,2,{"a":"hunter22x"}]}`)
	f.Add(`{"credentials":["a","\u0061",1.0,1e3]}`, `{"a":"a","b":1.0,"c":1e3}`)
	f.Add(`{"credentials":"***"}`, `"***"`)
	f.Fuzz(func(t *testing.T, text, body string) {
		if !json.Valid([]byte(text)) || !gjson.Parse(text).IsObject() {
			return
		}
		shownInput := Input(maskedOp, json.RawMessage(text))
		if !json.Valid(shownInput) {
			t.Fatalf("%q became %q", text, shownInput)
		}
		values := Of(maskedOp, json.RawMessage(text))
		out := values.Body(json.RawMessage(body))
		if len(body) > 0 && json.Valid([]byte(body)) != true {
			if len(values) > 0 && string(out) != `"***"` {
				t.Fatalf("not JSON, and shown: %q", out)
			}
			return
		}
		if json.Valid([]byte(body)) && !json.Valid(out) {
			t.Fatalf("%q became %q", body, out)
		}
		if !json.Valid([]byte(body)) {
			return
		}
		for _, secret := range values {
			there := false
			for _, shown := range [][]byte{out, values.JSON(json.RawMessage(body))} {
				leaves(nil, gjson.ParseBytes(shown), func(place []string, v gjson.Result) {
					if secret.ends(place) && v.Raw != masked && v.Raw != foreign {
						t.Fatalf("%q shows %s at %q of %q", shown, v.Raw, place, text)
					}
				})
			}
			leaves(nil, gjson.Parse(body), func(place []string, v gjson.Result) { there = there || secret.ends(place) && secret.is(v) })
			if there {
				continue
			}
			var walk func(gjson.Result)
			walk = func(v gjson.Result) {
				if v.IsObject() || v.IsArray() {
					v.ForEach(func(_, m gjson.Result) bool { walk(m); return true })
					return
				}
				shown := v.Raw
				if v.Type == gjson.String {
					shown = v.Str
				}
				if v.Raw != masked && v.Raw != foreign && (shown == secret.text || len(secret.text) >= minSearched && strings.Contains(shown, secret.text) && v.Type == gjson.String) {
					t.Fatalf("%q shows %q of %q", out, secret.text, text)
				}
			}
			walk(gjson.ParseBytes(out))
		}
	})
}

func TestFingerprint_OfInputs_DiffersByMeaning(t *testing.T) {
	print := func(input, key string) string {
		t.Helper()
		s, err := Fingerprint(maskedOp, json.RawMessage(input), key)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	same := print(`{"user":"ada","credentials":{"password":"hunter22","n":1}}`, "k")
	if print(` {"credentials":{"n":1,"password":"hunt\u0065r22"}, "user":"ada"}`, "k") != same {
		t.Error("the same input in another spelling has another fingerprint")
	}
	seen := map[string]string{same: "itself"}
	for _, other := range [][2]string{
		{`{"user":"ada","credentials":{"password":"hunter23","n":1}}`, "k"}, // another password
		{`{"user":"ada","credentials":{"password":"hunter22","n":1}}`, "k2"},
		{`{"user":"alan","credentials":{"password":"hunter22","n":1}}`, "k"},
		{`{"user":"ada"}`, "k"}, {`{"user":"ada","credentials":null}`, "k"}, {`{}`, "k"},
		{`{"user":12345678901234567890}`, "k"}, {`{"user":12345678901234567891}`, "k"},
	} {
		p := print(other[0], other[1])
		if seen[p] != "" {
			t.Errorf("%v has the same fingerprint as %s", other, seen[p])
		}
		seen[p] = other[0]
	}
}
