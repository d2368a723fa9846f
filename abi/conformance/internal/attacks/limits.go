package attacks

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/abi/conformance/internal/kit"
	"github.com/mach5/okta-connector/abi/conformance/target"
)

// limitAttacks exceed each limit. The host must enforce it and name it in the error.
func limitAttacks() []kit.Attack {
	var all []kit.Attack
	page := func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "["+strings.Repeat(`{"a":"`+strings.Repeat("x", 1000)+`"},`, 99)+`{}]`)
	}
	emit := kit.Step("records_emit", "{}", "{handle}")
	for _, c := range []struct {
		name   string
		limits target.Limits
		limit  string
		steps  []string
	}{
		{"requests", target.Limits{Requests: 2}, "limits.requests", []string{kit.Send(kit.Logs), kit.Send(kit.Logs), kit.Send(kit.Logs)}},
		{"refused requests count too", target.Limits{Requests: 2}, "limits.requests", []string{kit.Send(`{"endpoint":1}`), kit.Send(`{"endpoint":2}`), kit.Send(`{"endpoint":3}`)}},
		{"bytes of a body", target.Limits{BodyBytes: 5000}, "limits.body_bytes", []string{kit.Send(kit.Logs)}},
		{"bytes of all bodies", target.Limits{HeldBytes: 200_000}, "limits.held_bytes", []string{kit.Send(kit.Logs), kit.Send(kit.Logs), kit.Send(kit.Logs)}},
		{"records", target.Limits{Records: 150}, "limits.records", []string{kit.Send(kit.Logs), emit, kit.Send(kit.Logs), emit}},
		{"bytes of all records", target.Limits{ResultBytes: 150_000}, "limits.result_bytes", []string{kit.Send(kit.Logs), emit, kit.Send(kit.Logs), emit}},
		{"time", target.Limits{CallTimeout: 300 * time.Millisecond}, "limits.call_seconds", []string{kit.Step("spin", "")}},
		{"memory", target.Limits{MemoryBytes: 16 << 20, CallTimeout: 10 * time.Second}, "limits.memory_bytes", []string{kit.Step("eat", "")}},
	} {
		all = append(all, kit.Attack{Family: "limits", Name: c.name, Wall: strings.TrimPrefix(c.limit, "limits.") + " limit", Run: func(a *kit.Attempt) error {
			res, err := a.One(kit.RigOptions{Handler: page, Limits: c.limits}, "read", c.steps...)
			if err != nil {
				return err
			}
			if c.limits.CallTimeout > 0 && res.Took > c.limits.CallTimeout+a.Patience {
				return fmt.Errorf("a call of %v took %v", c.limits.CallTimeout, res.Took)
			}
			return res.NamesLimit(c.limit)
		}})
	}
	const held = "memory that the host holds"
	for _, c := range []struct {
		name, body string
		held       int64
		step       string
	}{
		{"a long kind for each of many records", "[" + strings.Repeat("{},", 199) + "{}]", 8 << 20, growingFor("records_emit", `{"kind":"{{grow}}"}`, "k", 200_000, "{handle}")},
		{"a long parent for each of many records", "[" + strings.Repeat("{},", 199) + "{}]", 8 << 20, growingFor("records_emit", `{"kind":"k","parent":"{{grow}}"}`, "k", 200_000, "{handle}")},
		{"a million empty records", "[" + strings.Repeat("{},", 1<<20-1) + "{}]", 8 << 20, kit.Step("records_emit", `{"limit":1}`, "{handle}")},
		{"members to omit from a large record", `[{"a":1,"b":"` + strings.Repeat("x", 7<<20) + `"}]`, 12 << 20, kit.Step("records_emit", `{"omit":["a"]}`, "{handle}")},
		{"envelopes of large records", `[{"b":"` + strings.Repeat("x", 7<<20) + `"}]`, 12 << 20, kit.Step("records_emit", `{"kind":"k"}`, "{handle}")},
		{"values that are emitted", "{}", 8 << 20, kit.Times(64, growingFor("record_emit", `{"a":"{{grow}}"}`, "x", 500_000))},
	} {
		all = append(all, kit.Attack{Family: "limits", Name: c.name, Wall: held, Run: func(a *kit.Attempt) error {
			res, err := a.One(kit.RigOptions{Handler: func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, c.body) },
				Limits: target.Limits{HeldBytes: c.held, CallTimeout: a.Patience}}, "read", kit.Send(kit.Logs), c.step)
			if err != nil {
				return err
			}
			if res.Outcome == abi.Succeeded && !strings.Contains(res.Text(1), `"error"`) && !(strings.Contains(c.step, "record_emit") && res.Value(1) == 0) {
				return fmt.Errorf("the host held more than %d bytes for it: %s", c.held, kit.Short(string(res.JSON)))
			}
			return nil
		}})
	}
	all = append(all, kit.Attack{Family: "limits", Name: "less memory than the module starts with", Wall: "memory_bytes limit", Run: func(a *kit.Attempt) error {
		r, err := a.NewRig(kit.RigOptions{Limits: target.Limits{MemoryBytes: 1 << 20}})
		if err != nil {
			if strings.Contains(err.Error(), "limits.memory_bytes") {
				return nil
			}
			return err
		}
		res, err := r.Run("read", kit.Send(kit.Get))
		if err != nil {
			return err
		}
		return errors.Join(res.Ended(abi.Failed), res.NamesLimit("limits.memory_bytes"))
	}}, kit.Attack{Family: "limits", Name: "calls at once", Wall: "concurrency limit", Run: func(a *kit.Attempt) error {
		asked, answer := make(chan struct{}), make(chan struct{})
		var once sync.Once
		r, err := a.NewRig(kit.RigOptions{Limits: target.Limits{Concurrency: 1}, Handler: func(w http.ResponseWriter, r *http.Request) {
			once.Do(func() { close(asked) })
			select {
			case <-answer:
			case <-r.Context().Done():
			}
			kit.Honest(w, r)
		}})
		if err != nil {
			return err
		}
		var wg sync.WaitGroup
		var first *kit.Result
		var failed error
		wg.Go(func() { first, failed = r.Run("read", kit.Send(kit.Get)) })
		select { // the only slot is in use
		case <-asked:
		case <-a.Ctx.Done():
		}
		second, err := r.RunWithin(200*time.Millisecond, kit.Send(kit.Get))
		close(answer)
		wg.Wait()
		if err := errors.Join(failed, err); err != nil {
			return err
		}
		return errors.Join(first.Succeeded(), second.Ended(abi.Unavailable), second.NamesLimit("limits.concurrency"))
	}}, kit.Attack{Family: "limits", Name: "bytes of the log", Wall: "log limit", Run: func(a *kit.Attempt) error {
		r, err := a.NewRig(kit.RigOptions{Limits: target.Limits{LogBytes: 4096, Requests: 10_000}})
		if err != nil {
			return err
		}
		// Honest requests, refused ones and bad options: everything that a host may log.
		if _, err := r.Run("read", kit.Times(300, kit.Send(kit.Get)), kit.Times(300, kit.Step("records_emit", "{", 1)), kit.Times(300, kit.Send(`{"endpoint":"GET /svc/v1/none"}`))); err != nil {
			return err
		}
		log := r.Log.String()
		if len(log) > 16<<10 {
			return fmt.Errorf("one call wrote %d bytes to the log", len(log))
		}
		if len(log) > 4096 && !strings.Contains(log, "limits.log_bytes") {
			return fmt.Errorf("the log does not name limits.log_bytes: %s", kit.Short(log))
		}
		return nil
	}}, kit.Attack{Family: "limits", Name: "warnings of a source", Wall: "log limit", Run: func(a *kit.Attempt) error {
		return warns(a, func(r *kit.Rig, input string) error {
			_, err := r.Source(a.Ctx, "read", []byte(input), nil)
			return err
		})
	}}, kit.Attack{Family: "limits", Name: "warnings of a table", Wall: "log limit", Run: func(a *kit.Attempt) error {
		return warns(a, func(r *kit.Rig, input string) error {
			_, err := r.Table(a.Ctx, "read", []byte(input))
			return err
		})
	}}, kit.Attack{Family: "limits", Name: "last words", Wall: "log limit", Run: func(a *kit.Attempt) error {
		r, err := a.NewRig(kit.RigOptions{})
		if err != nil {
			return err
		}
		if _, err := r.Run("read", kit.Times(100, kit.Step("fd_write", strings.Repeat("last words ", 1000), 2)), kit.Step("panic", "")); err != nil {
			return err
		}
		if n := len(r.Log.String()); n > 64<<10 {
			return fmt.Errorf("one call wrote %d bytes to the log", n)
		}
		return nil
	}}, kit.Attack{Family: "limits", Name: "an answer over 1 MiB", Wall: "answer size", Run: func(a *kit.Attempt) error {
		res, err := a.One(kit.RigOptions{}, "read", growing("answer", `{"outcome":"succeeded","output":"{{grow}}"}`, "x", 3<<20))
		if err != nil {
			return err
		}
		return res.Ended(abi.Failed)
	}})
	return all
}

// warns makes a module return many warnings, and fails if the log exceeds its limit.
func warns(a *kit.Attempt, page func(r *kit.Rig, input string) error) error {
	r, err := a.NewRig(kit.RigOptions{Limits: target.Limits{LogBytes: 4096}})
	if err != nil {
		return err
	}
	answer := `{"outcome":"succeeded","checkpoint":{"n":1},"caught_up":true,"warnings":["` + strings.Repeat(strings.Repeat("w", 100)+`","`, 1000) + `"]}`
	if err := page(r, `{"steps":[`+kit.Step("answer", answer)+`]}`); err != nil {
		return err
	}
	if n := len(r.Log.String()); n > 16<<10 {
		return fmt.Errorf("one call wrote %d bytes to the log", n)
	}
	return nil
}

// growing returns a step whose text is expanded in the module, which replaces {{grow}} by n copies of a text.
func growing(do, text, with string, n int) string { return growingFor(do, text, with, n) }

// growingFor is growing with arguments.
func growingFor(do, text, with string, n int, args ...string) string {
	step := map[string]any{"do": do, "text": text, "with": with, "grow": n}
	if len(args) > 0 {
		step["args"] = args
	}
	return string(kit.Encode(step))
}
