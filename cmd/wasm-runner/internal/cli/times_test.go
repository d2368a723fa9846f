package cli

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"
)

// appAt returns an app at a fixed time.
func appAt(t *testing.T, now string) *App {
	t.Helper()
	at, err := time.Parse(time.RFC3339, now)
	if err != nil {
		t.Fatal(err)
	}
	a := NewApp(Streams{Stdout: os.Stdout, Stderr: os.Stderr}, os.LookupEnv)
	a.Now = func() time.Time { return at }
	return a
}

const timesSchema = `{"properties":{"since":{"type":"string","format":"date-time"},"name":{"type":"string"},
	"a.b":{"properties":{"at":{"format":"date-time"}}},"all":{"items":{"format":"date-time"}}}}`

func TestAbsoluteTimes_OfAnInput_ConvertsTimesAlone(t *testing.T) {
	a := appAt(t, "2026-11-30T10:20:30Z")
	for in, want := range map[string]string{
		``:                 ``,
		`{}`:               `{}`,
		`["-24h"]`:         `["-24h"]`,
		`{"since":"-24h"}`: `{"since":"2026-11-29T10:20:30Z"}`,
		`{ "name":"-24h",  "since":"2 hours ago"}`:       `{ "name":"-24h",  "since":"2026-11-30T08:20:30Z"}`,
		`{"since":"2026-11-28","name":"today"}`:          `{"since":"2026-11-28T00:00:00Z","name":"today"}`,
		`{"since":"2026-11-28T10:00:00.5+02:00"}`:        `{"since":"2026-11-28T10:00:00.5+02:00"}`,
		`{"since":"2026-11-28T99:00:00Z"}`:               `{"since":"2026-11-28T99:00:00Z"}`, // the host says what is wrong
		`{"since":7,"name":null}`:                        `{"since":7,"name":null}`,
		`{"a.b":{"at":"yesterday","name":"x"}}`:          `{"a.b":{"at":"2026-11-29T00:00:00Z","name":"x"}}`,
		`{"all":["now","2026-01-01T00:00:00Z","today"]}`: `{"all":["2026-11-30T10:20:30Z","2026-01-01T00:00:00Z","2026-11-30T00:00:00Z"]}`,
	} {
		got, err := a.AbsoluteTimes("input", json.RawMessage(timesSchema), json.RawMessage(in))
		if err != nil || string(got) != want {
			t.Errorf("%s: %s, %v, want %s", in, got, err, want)
		}
	}
}

func TestAbsoluteTimes_NoTime_NamesTheForms(t *testing.T) {
	_, err := appAt(t, "2026-11-30T10:20:30Z").AbsoluteTimes("input", json.RawMessage(timesSchema), json.RawMessage(`{"a.b":{"at":"soon"}}`))
	if err == nil || !strings.HasPrefix(err.Error(), "input: a.b.at: want a time such as 2026-01-02T03:04:05Z, ") || !strings.HasSuffix(err.Error(), `found "soon"`) {
		t.Error(err)
	}
}

// FuzzAbsoluteTimes wants JSON to stay JSON, and an input without times to stay as it is.
func FuzzAbsoluteTimes(f *testing.F) {
	f.Add(`{"since":"-24h"}`)
	f.Add(`{"a.b":{"at":"yesterday"},"since":"now","since":"now"}`)
	f.Add(`{"all":["now",["now"],{}]}`)
	f.Fuzz(func(t *testing.T, in string) {
		if !json.Valid([]byte(in)) {
			return
		}
		a := NewApp(Streams{}, os.LookupEnv)
		got, err := a.AbsoluteTimes("input", json.RawMessage(timesSchema), json.RawMessage(in))
		if err == nil && !json.Valid(got) {
			t.Errorf("%s is %s", in, got)
		}
		if got, err := a.AbsoluteTimes("input", json.RawMessage(`{"properties":{"since":{}}}`), json.RawMessage(in)); err != nil || string(got) != in {
			t.Errorf("%s is %s, %v", in, got, err)
		}
	})
}
