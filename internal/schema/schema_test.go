package schema

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

func TestCompile_OfABadSchema_SaysWhyInOneLine(t *testing.T) {
	for text, want := range map[string]string{
		``:                                      "not JSON",
		`{"type":"strng"}`:                      `strng`,
		`{"$ref":"https://example.com/schema"}`: `$ref`,
		`{"minLength":-1}`:                      `minLength`,
	} {
		_, err := Compile(json.RawMessage(text))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want %q in one line", text, err, want)
		}
	}
}

func TestFirst_OfAViolation_SaysWhereWhatAndTheNearest(t *testing.T) {
	s, err := Compile(json.RawMessage(`{"type":"object","properties":{"state":{"enum":["open","closed"]},"size":{"maximum":100000000000},"when":{"type":"string","format":"date-time"}}}`))
	if err != nil {
		t.Fatal(err)
	}
	for value, want := range map[string]string{
		`{"state":"opn"}`:       `at state: want one of open, closed, found "opn" (did you mean open?)`,
		`{"state":5}`:           `at state: want one of open, closed, found 5`,
		`{"size":100000000001}`: `at size: maximum: got 100000000001, want 100000000000`,
		`{"when":"soon"}`:       `at when: "soon" is not a valid time: write it as in RFC 3339, such as 2026-01-31T09:00:00Z`,
		`[]`:                    `got array, want object`,
	} {
		v, err := jsonschema.UnmarshalJSON(strings.NewReader(value))
		if err != nil {
			t.Fatal(err)
		}
		wrong, ok := errors.AsType[*jsonschema.ValidationError](s.Validate(v))
		if !ok || First(wrong) != want {
			t.Errorf("%s: %s\nwant %s", value, First(wrong), want)
		}
	}
}
