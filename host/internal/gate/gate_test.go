package gate

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host/internal/redact"
	"github.com/mach5/okta-connector/host/journal"
	"github.com/mach5/okta-connector/host/records"
)

// write returns a write of an object.
func write(id string) abi.PlannedWrite {
	return abi.PlannedWrite{Endpoint: "PUT /things/{id}", Target: "/things/" + id, Body: json.RawMessage(`{"a":1}`)}
}

func TestAllow_WithoutApproval_AllowsAll(t *testing.T) {
	var g Gate
	if err := g.Allow(write("1")); err != nil {
		t.Error(err)
	}
}

func TestAllow_Approved_AllowsEachOnceInOrder(t *testing.T) {
	g := Gate{Approved: []abi.PlannedWrite{write("1"), write("2"), write("3")}}
	for _, c := range []struct {
		id      string
		allowed bool
	}{{"1", true}, {"1", false}, {"3", true}, {"2", false}, {"3", false}} {
		if err := g.Allow(write(c.id)); (err == nil) != c.allowed {
			t.Errorf("write %s: %v, want allowed %v", c.id, err, c.allowed)
		}
	}
}

func TestAllow_OfAnotherFirstWrite_SaysThatTheObjectChanged(t *testing.T) {
	change := map[string]func(*abi.PlannedWrite){
		"endpoint": func(w *abi.PlannedWrite) { w.Endpoint = "DELETE /things/{id}" },
		"target":   func(w *abi.PlannedWrite) { w.Target += "?force=true" },
		"body":     func(w *abi.PlannedWrite) { w.Body = json.RawMessage(`{"a":2}`) },
		"If-Match": func(w *abi.PlannedWrite) { w.IfMatch = "x" },
	}
	for name, f := range change {
		g := Gate{Approved: []abi.PlannedWrite{write("1")}}
		w := write("1")
		f(&w)
		if err := g.Allow(w); !errors.Is(err, ErrChanged) {
			t.Errorf("another %s: %v", name, err)
		}
	}
	g := Gate{Approved: []abi.PlannedWrite{}} // nothing was approved
	if err := g.Allow(write("1")); !errors.Is(err, ErrChanged) {
		t.Error(err)
	}
}

func TestAllow_OfARepeat_NeedsARefusal(t *testing.T) {
	g := Gate{Approved: []abi.PlannedWrite{write("1")}}
	if err := g.Allow(write("1")); err != nil {
		t.Fatal(err)
	}
	for range maxRepeats {
		g.Refused = true
		if err := g.Allow(write("1")); err != nil {
			t.Fatal(err)
		}
	}
	if g.Allow(write("1")) == nil {
		t.Errorf("over %d repeats were allowed", maxRepeats)
	}
}

func TestIfMatch_InAnySpelling_IsFound(t *testing.T) {
	if got := IfMatch(map[string]string{"if-match": "x"}); got != "x" {
		t.Error(got)
	}
}

func TestStates_OfListsAndObjects_FindTheLatest(t *testing.T) {
	one, list := &abi.Endpoint{Endpoint: "GET /things/{id}", Sensitive: []string{"secret"}}, &abi.Endpoint{Endpoint: "GET /things"}
	var s States
	s.Keep(records.Unlimited{}, one, []byte(`{"id":"1","v":1,"secret":"s"}`))
	s.Keep(records.Unlimited{}, list, []byte(`[{"id":"2","v":1},{"id":"1","v":2}]`))
	s.Keep(records.Unlimited{}, one, []byte(`no JSON`))
	s.About(abi.Endpoint{Endpoint: "PUT /things/{id}"}, &abi.Request{Path: map[string]string{"id": "1"}, Body: json.RawMessage(`{"id":"2"}`)})
	s.About(abi.Endpoint{Endpoint: "PUT /things/{id}"}, &abi.Request{Path: map[string]string{"id": "3"}}) // a later write
	state, related := s.Now(context.Background())
	if string(state) != `{"id":"1","v":2}` || len(related) != 1 || string(related[0]) != `{"id":"2","v":1}` {
		t.Errorf("%s %s", state, related)
	}
	var hidden States
	hidden.Keep(records.Unlimited{}, one, []byte(`{"id":"1","v":1,"secret":"s"}`))
	if state, _ := hidden.Now(context.Background()); strings.Contains(string(state), "secret") || !strings.Contains(string(state), `"v":1`) {
		t.Errorf("%s", state)
	}
}

func TestStates_OfManyResponses_AreBounded(t *testing.T) {
	var s States
	held := &memory{most: 2 * maxStates}
	big := []byte(`{"id":"1","a":"` + strings.Repeat("x", MaxState-100) + `"}`)
	for range 100 {
		s.Keep(held, &abi.Endpoint{Endpoint: "GET /things/{id}"}, big)
	}
	total := 0
	for _, r := range s.read {
		total += len(r.body)
	}
	if total > maxStates || total != s.bytes {
		t.Errorf("%d bytes are kept, %d counted, %d allowed", total, s.bytes, maxStates)
	}
	if held.held != int64(total) {
		t.Errorf("%d bytes are charged for %d", held.held, total)
	}
	var none States
	if none.Keep(&memory{most: 10}, &abi.Endpoint{Endpoint: "GET /things/{id}"}, big); len(none.read) != 0 {
		t.Error("a response is kept without memory")
	}
}

// memory is a records.Memory with a limit.
type memory struct{ held, most int64 }

func (m *memory) Take(n int64) error {
	if m.held+n > m.most {
		return errors.New("no memory")
	}
	m.held += n
	return nil
}

func (m *memory) Give(n int64) { m.held -= n }

func TestOtherObject_ComparesBlanksAndIDs(t *testing.T) {
	at := func(endpoint, path, id string) journal.Target {
		return journal.Target{Endpoint: endpoint, Path: path, Body: id}
	}
	was := at("PUT /a/{id}/b/{other}", "/a/1/b/2", "7")
	for name, c := range map[string]struct {
		now  journal.Target
		want bool
	}{
		"the same":             {was, false},
		"another blank":        {at("PUT /a/{id}/b/{other}", "/a/1/b/3", "7"), true},
		"another body":         {at("PUT /a/{id}/b/{other}", "/a/1/b/2", "8"), true},
		"another endpoint":     {at("DELETE /a/{id}", "/a/1", ""), false},
		"another endpoint's":   {at("DELETE /a/{id}", "/a/9", ""), true},
		"nothing is known":     {at("", "", ""), false},
		"a path that is short": {at("PUT /a/{id}/b/{other}", "/a", "7"), false},
	} {
		if got := OtherObject(was, c.now); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestTargetOf_SensitiveBlanks_AreHashed(t *testing.T) {
	op := &abi.Operation{InputSchema: json.RawMessage(`{"type":"object","properties":{"password":{"type":"string","x-sensitive":true}}}`)}
	values := redact.Of(op, json.RawMessage(`{"password":"hunter2hunter2"}`))
	target := TargetOf(abi.PlannedWrite{Endpoint: "PUT /things/{id}", Target: "/things/hunter2hunter2?x=1"}, values)
	if strings.Contains(target.Path, "hunter2") || strings.Contains(target.Path, "?") || !strings.HasPrefix(target.Path, "/things/") {
		t.Errorf("%+v", target)
	}
}

func TestKinds_OfClasses_AreTheirCeilings(t *testing.T) {
	for class, want := range map[abi.Class]int{abi.Write: 1, abi.Destructive: 2, abi.Privileged: 2} {
		if got := Kinds(class); len(got) != want {
			t.Errorf("%s: %v", class, got)
		}
	}
}
