package host_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host"
)

// pageOf makes the hostile module emit from one response, and returns the page.
func pageOf(t *testing.T, body, emits string, use func(*host.Page)) {
	t.Helper()
	r := newRig(t, host.Limits{}, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) })
	config := json.RawMessage(`{"do":"emit and say","text":"{\"outcome\":\"succeeded\",\"checkpoint\":{\"v\":1},\"caught_up\":true}","emits":` + emits +
		`,"requests":[{"endpoint":"GET /api/v1/logs"}]}`)
	pages := 0
	for page, err := range r.SourcePages(context.Background(), host.SourceOptions{Operation: "read", Config: config}) {
		if err != nil {
			t.Fatal(err)
		}
		pages++
		use(page)
	}
	if pages != 1 {
		t.Errorf("%d pages", pages)
	}
}

// However records are emitted, each is one line, and equals the record that Records returns.
func TestEmit_OfEveryKind_IsNDJSON(t *testing.T) {
	compact := `[{"id":"1","s":1,"o":{"s":2}},{"id":"2","o":{"s":2}},{"id":"3","s":1},{"id":"4","a":[{"s":"}"}]}]`
	bodies := map[string]string{
		"compact": compact,
		"spaced":  strings.ReplaceAll(compact, "},{", "}  ,\r\n {"),
		"pretty":  strings.NewReplacer("},{", "\n},\n{\n", `,"`, ",\n \"").Replace(compact),
	}
	for name, body := range bodies {
		for path, text := range map[string]string{"": body, "a.b": `{"a":{"b":` + body + `},"c":{"id":"9"}}`} {
			for _, c := range []struct {
				emits string
				ids   string
			}{
				{`{}`, "1 2 3 4"}, {`{"omit":["s"]}`, "1 2 3 4"}, {`{"omit":["o.s","s"]}`, "1 2 3 4"}, {`{"omit":["none"]}`, "1 2 3 4"},
				{`{"kind":"user"}`, "1 2 3 4"}, {`{"kind":"user","parent":"p"}`, "p/1 p/2 p/3 p/4"}, {`{"kind":"user","omit":["s"]}`, "1 2 3 4"},
				{`{"limit":2}`, "1 2"}, {`{"skip":1,"limit":2}`, "2 3"}, {`{"skip":3,"omit":["a"]}`, "4"},
				{`{"limit":1},{"skip":1,"limit":1,"omit":["o"]},{"skip":2,"kind":"k"}`, "1 2 3 4"},
			} {
				t.Run(fmt.Sprint(name, path, c.emits), func(t *testing.T) {
					emits := `[` + c.emits + `]`
					if path != "" {
						emits = strings.ReplaceAll(emits, `{`, `{"path":"`+path+`",`)
						emits = strings.ReplaceAll(emits, `,}`, `}`)
					}
					pageOf(t, text, emits, func(p *host.Page) {
						var one []string
						var ids []string
						for rec := range p.Records() {
							var v struct{ ID string }
							if err := json.Unmarshal(rec.JSON, &v); err != nil {
								t.Fatalf("%s: %v", rec.JSON, err)
							}
							one, ids = append(one, string(rec.JSON)), append(ids, v.ID)
						}
						if got := strings.Join(ids, " "); got != c.ids {
							t.Errorf("records %s, want %s", got, c.ids)
						}
						for range 2 { // as received, and as written before
							var b strings.Builder
							n, err := p.WriteTo(&b)
							if err != nil || n != int64(b.Len()) {
								t.Fatal(n, b.Len(), err)
							}
							if got := slices.Collect(strings.Lines(b.String())); !slices.Equal(got, lines(one)) {
								t.Errorf("wrote %q, want %q", got, one)
							}
						}
					})
				})
			}
		}
	}
}

func lines(all []string) []string {
	out := make([]string, len(all))
	for i, s := range all {
		out[i] = s + "\n"
	}
	return out
}

func TestEmit_OfTooManyPaths_IsRefused(t *testing.T) {
	paths := func(n int) string {
		var all []string
		for i := range n {
			all = append(all, fmt.Sprintf(`"p%d"`, i))
		}
		return "[" + strings.Join(all, ",") + "]"
	}
	for _, c := range []struct {
		options string
		ok      bool
	}{
		{`{"omit":` + paths(abi.MaxPaths) + `,"summarise":` + paths(abi.MaxPaths) + `}`, true},
		{`{"omit":` + paths(abi.MaxPaths+1) + `}`, false},
		{`{"summarise":` + paths(abi.MaxPaths+1) + `}`, false},
	} {
		r := newRig(t, host.Limits{}, nil)
		res, err := r.Invoke(context.Background(), "read", json.RawMessage(`{"do":"send","emit":`+c.options+`,"requests":[{"endpoint":"GET /api/v1/logs"}]}`))
		if err != nil {
			t.Fatal(err)
		}
		var got answers
		if err := json.Unmarshal(res.Output, &got); err != nil {
			t.Fatal(err)
		}
		if said := got.Answers[0].Emitted; strings.Contains(said, "abi.MaxPaths") == c.ok {
			t.Errorf("%s: %s", c.options, said)
		}
	}
}

func TestLimits_OfInvalidMemory_AreRefused(t *testing.T) {
	for _, memory := range []int64{-1, 1, 1000, 64<<10 - 1, 1<<32 + 1} {
		if err := load(t, newTiny().bytes(t), host.LoadOptions{NoCache: true, Memory: memory}); err == nil || errors.Is(err, host.ErrRefused) || !strings.Contains(err.Error(), "LoadOptions.Memory") {
			t.Errorf("%d: %v", memory, err)
		}
	}
}

// The bodies of a call are held until it ends, so their total size is limited. The guest must be able to continue
// after the error.
func TestResponses_OfOneCall_AreBoundedTogether(t *testing.T) {
	page := `[{"a":"` + strings.Repeat("x", 900<<10) + `"}]`
	r := newRig(t, host.Limits{HeldBytes: 4 << 20}, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", strconv.Itoa(len(page))) // without it, a buffer that grows needs the memory of two
		_, _ = io.WriteString(w, page)
	})
	get := `{"endpoint":"GET /api/v1/logs"}`
	res, err := r.Invoke(context.Background(), "read", json.RawMessage(`{"do":"hold","requests":[`+strings.Repeat(get+",", 9)+get+`]}`))
	if err != nil {
		t.Fatal(err)
	}
	var got struct{ Answers []abi.Response }
	if err := json.Unmarshal(res.Output, &got); err != nil || len(got.Answers) != 10 {
		t.Fatalf("%v: %s", err, res.Output)
	}
	for i, a := range got.Answers {
		if fits := i < 4; fits != (a.Error == nil) || !fits && (a.Error.Code != abi.SendTooLarge || !strings.Contains(a.Error.Message, "limits.held_bytes")) {
			t.Errorf("response %d: %+v", i, a)
		}
	}
}
