package attacks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/abi/conformance/internal/kit"
	"github.com/mach5/okta-connector/abi/conformance/target"
)

// answerAttacks return invalid results from a module.
func answerAttacks() []kit.Attack {
	var all []kit.Attack
	for what, text := range map[string]string{
		"text that is not JSON":                "hello",
		"an invalid outcome":                   `{"outcome":"fine"}`,
		"an invalid outcome with an error":     `{"outcome":"fine","error":{"code":"x","message":"y"}}`,
		"a cursor of another type":             `{"outcome":"succeeded","output":{},"next_cursor":7}`,
		"a failure without an error":           `{"outcome":"rejected"}`,
		"the outcome of a plan":                `{"outcome":"planned"}`,
		"the outcome of a plan, with an error": `{"outcome":"planned","error":{"code":"x","message":"y"}}`,
		"no outcome":                           `{"output":{}}`,
		"two outputs":                          `{"outcome":"succeeded"}{"outcome":"succeeded"}`,
		"a truncated output":                   `{"outcome":"succeeded","output":{"a":`,
		"an output of wrong types":             `{"outcome":["succeeded"],"output":7}`,
		"a list":                               `[{"outcome":"succeeded"}]`,
		"a list that closes its own bracket":   `{"outcome":"succeeded","list":true,"output":{"a":1]},"x":{}}`,
	} {
		all = append(all, kit.Attack{Family: "answers", Name: what, Wall: "answers", Run: func(a *kit.Attempt) error {
			r, err := a.NewRig(kit.RigOptions{})
			if err != nil {
				return err
			}
			res, err := r.Run("read", kit.Step("answer", text))
			if err != nil {
				return err
			}
			return errors.Join(res.Ended(abi.Failed), r.Serves())
		}})
	}
	add := func(name, wall string, run func(*kit.Attempt) error) {
		all = append(all, kit.Attack{Family: "answers", Name: name, Wall: wall, Run: run})
	}
	for what, s := range map[string]string{
		"an output outside memory":           kit.Step("output_set", "", "0xffffffff0", 64),
		"an output of 1 GiB":                 kit.Step("output_set", "", 64, 1<<30),
		"an output of nearly 2^64 bytes":     kit.Step("output_set", "", 64, "0xffffffffffffffc0"),
		"an output whose end wraps around":   kit.Step("output_set", "", "0xfffffffffffffff0", 32),
		"no output":                          kit.Step("return", "", 0),
		"a return of 1":                      kit.Step("return", "", 1),
		"a return of -1":                     kit.Step("return", "", -2),
		"a return of 1 with an output":       kit.Step("answer", `{"outcome":"succeeded","output":{}}`, 1),
		"an error text instead of an output": kit.Step("error_set", "it is not my fault"),
		"an error text outside memory":       kit.Step("error_set", "", "0xfffffffffffffff0"),
	} {
		add(what, "answers", func(a *kit.Attempt) error {
			r, err := a.NewRig(kit.RigOptions{})
			if err != nil {
				return err
			}
			res, err := r.Run("read", s)
			if err != nil {
				return err
			}
			return errors.Join(res.Ended(abi.Failed), r.Serves())
		})
	}
	add("success after a denied request", "violations fail the call", func(a *kit.Attempt) error {
		res, err := a.One(kit.RigOptions{}, "read", kit.Send(`{"endpoint":"POST /svc/v1/items","body":{}}`), kit.Step("answer", `{"outcome":"succeeded","output":{"done":true}}`))
		if err != nil {
			return err
		}
		return res.Ended(abi.Failed)
	})
	const accepted = "writes that were accepted"
	post := kit.Send(`{"endpoint":"POST /svc/v1/items","body":{},"headers":{"Authorization":"{{auth}}"}}`)
	for what, text := range map[string]string{
		"unchanged after a write":                 `{"outcome":"unchanged"}`,
		"rejected after a write":                  `{"outcome":"rejected","error":{"code":"x","message":"nothing changed"}}`,
		"no result of the ABI, after a write":     `{"outcome":"fine"}`,
		"the outcome of a plan, after a write":    `{"outcome":"planned"}`,
		"an error without one, after a write":     `{"outcome":"rejected"}`,
		"an output that is no JSON after a write": `x`,
	} {
		add(what, accepted, func(a *kit.Attempt) error {
			res, err := a.One(kit.RigOptions{}, "write", post, kit.Step("answer", text))
			if err != nil {
				return err
			}
			return res.Ended(abi.Unknown)
		})
	}
	for what, steps := range map[string][]string{
		"an overstep after a write":           {post, kit.Send(`{"endpoint":"GET /svc/v1/none"}`)},
		"failed, without a word of the write": {post, kit.Step("answer", `{"outcome":"failed","error":{"code":"x","message":"nothing changed"}}`)},
	} {
		add(what, accepted, func(a *kit.Attempt) error {
			res, err := a.One(kit.RigOptions{}, "write", steps...)
			if err != nil {
				return err
			}
			if !res.Meta.Partial {
				return fmt.Errorf("nothing says that a write was accepted: %s", kit.Short(string(res.JSON)))
			}
			return res.Ended(abi.Failed, abi.Unknown)
		})
	}
	refused := []string{`{"outcome":"fine","error":{"code":"x","message":"y"}}`, `{"outcome":"rejected"}`, `{"output":{}}`,
		`{"outcome":"planned","checkpoint":{"n":1},"caught_up":true,"error":{"code":"x","message":"y"}}`}
	for i, what := range []string{"an invalid outcome", "a failure without an error", "no outcome", "the outcome of a plan"} {
		steps := []byte(`{"steps":[` + kit.Step("answer", refused[i]) + `]}`)
		add("a source with "+what, "answers", func(a *kit.Attempt) error {
			r, err := a.NewRig(kit.RigOptions{})
			if err != nil {
				return err
			}
			p, err := r.Source(a.Ctx, "read", steps, nil)
			return failedPage(p, err)
		})
		add("a table with "+what, "answers", func(a *kit.Attempt) error {
			r, err := a.NewRig(kit.RigOptions{})
			if err != nil {
				return err
			}
			p, err := r.Table(a.Ctx, "read", steps)
			return failedPage(p, err)
		})
	}
	overstep := kit.Send(`{"endpoint":"POST /svc/v1/items","body":{}}`) + "," + kit.Step("answer", `{"outcome":"succeeded","checkpoint":{"n":1},"caught_up":true}`)
	add("a source after a denied request", "violations fail the call", func(a *kit.Attempt) error {
		r, err := a.NewRig(kit.RigOptions{})
		if err != nil {
			return err
		}
		p, err := r.Source(a.Ctx, "read", []byte(`{"steps":[`+overstep+`]}`), nil)
		return failedPage(p, err)
	})
	add("a table after a denied request", "violations fail the call", func(a *kit.Attempt) error {
		r, err := a.NewRig(kit.RigOptions{})
		if err != nil {
			return err
		}
		p, err := r.Table(a.Ctx, "read", []byte(`{"steps":[`+overstep+`]}`))
		return failedPage(p, err)
	})
	add("a source that repeats its checkpoint", "cursors", func(a *kit.Attempt) error {
		r, err := a.NewRig(kit.RigOptions{})
		if err != nil {
			return err
		}
		p, err := r.Source(a.Ctx, "read", []byte(`{"steps":[`+kit.Step("answer", `{"outcome":"succeeded","checkpoint":{"n":1}}`)+`]}`), json.RawMessage(`{"n":1}`))
		return failedPage(p, err)
	})
	add("a table that repeats its cursor", "cursors", func(a *kit.Attempt) error {
		r, err := a.NewRig(kit.RigOptions{Limits: target.Limits{CallTimeout: 2 * time.Second}})
		if err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(a.Ctx, 5*time.Second)
		defer cancel()
		p, err := r.Table(ctx, "read", []byte(`{"steps":[`+kit.Send(kit.Get)+`,`+kit.Step("answer", `{"outcome":"succeeded","cursor":"x"}`)+`]}`))
		if n := len(r.Requests()); n > 2 {
			return fmt.Errorf("the page was read %d times", n)
		}
		return failedPage(p, err)
	})
	onward := kit.Step("answer", `{"outcome":"succeeded","cursor":"{{next}}"}`)
	for what, steps := range map[string]string{
		"a table of empty pages without an end":              onward,
		"a table of empty pages without an end, of requests": kit.Send(kit.Get) + "," + onward,
		"a table of the same record without an end":          kit.Send(kit.Get) + "," + kit.Step("records_emit", "{}", "{handle}") + "," + onward,
	} {
		add(what, "endless tables", func(a *kit.Attempt) error {
			r, err := a.NewRig(kit.RigOptions{Limits: target.Limits{CallTimeout: 2 * time.Second}})
			if err != nil {
				return err
			}
			p, err := r.Table(a.Ctx, "read", []byte(`{"steps":[`+steps+`]}`))
			return failedPage(p, err)
		})
	}
	add("a source page without a checkpoint", "cursors", func(a *kit.Attempt) error {
		r, err := a.NewRig(kit.RigOptions{})
		if err != nil {
			return err
		}
		p, err := r.Source(a.Ctx, "read", []byte(`{"steps":[`+kit.Step("answer", `{"outcome":"succeeded","caught_up":true}`)+`]}`), nil)
		return failedPage(p, err)
	})
	add("a trap in the middle of a page", "answers", func(a *kit.Attempt) error {
		r, err := a.NewRig(kit.RigOptions{Handler: func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `[{"id":"1"},{"id":"2"}]`) }})
		if err != nil {
			return err
		}
		p, err := r.Source(a.Ctx, "read", []byte(`{"steps":[`+kit.Send(kit.Logs)+`,`+kit.Step("records_emit", "{}", "{handle}")+`,`+kit.Step("panic", "")+`]}`), nil)
		if err != nil {
			return err
		}
		if p.Outcome != abi.Failed || len(p.Records) > 0 {
			return fmt.Errorf("it ended as %s, with %d records of half a page", p.Outcome, len(p.Records))
		}
		return nil
	})
	return all
}

// failedPage returns an error unless the page failed.
func failedPage(p *target.Page, err error) error {
	if err == nil && p.Outcome != abi.Failed {
		err = fmt.Errorf("it ended as %s", p.Outcome)
	}
	return err
}
