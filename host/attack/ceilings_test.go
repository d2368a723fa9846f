package attack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/abi/conformance"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/hosttest"
	"github.com/mach5/okta-connector/host/journal"
)

// end removes an object.
const end = `{"endpoint":"DELETE /api/v1/users/{id}","path":{"id":"00u1"}}`

// ceilings returns the attacks that try to write more than the ceilings of a connection allow.
func ceilings() []conformance.Attack {
	limited := func(writes, destructive int) func(*stage) error {
		return func(s *stage) error {
			s.config.MaxWritesPerMinute, s.config.MaxDestructivePerHour = writes, destructive
			return s.journal()
		}
	}
	both := []string{create, update, another, create}
	return []conformance.Attack{
		act("more writes than a ceiling allows", "ceilings", "ceilings", limited(2, 0), func(ctx context.Context, s *stage) error {
			for range 3 {
				s.try(ctx, both, nil, host.InvokeOptions{})
			}
			return s.sent(2)
		}),
		act("more writes, by another connection to the same org", "ceilings", "ceilings", limited(2, 0), func(ctx context.Context, s *stage) error {
			s.try(ctx, both, nil, host.InvokeOptions{})
			return s.again(ctx, func(other *stage) error {
				other.try(ctx, both, nil, host.InvokeOptions{})
				return s.sent(2)
			})
		}),
		act("more writes, while the local clock goes back", "ceilings", "ceilings", limited(2, 0), func(ctx context.Context, s *stage) error {
			for i := range 4 {
				s.now.Set(planned.Add(-time.Duration(i) * 10 * time.Second))
				s.try(ctx, both, nil, host.InvokeOptions{})
			}
			return s.sent(2)
		}),
		act("more writes, each with a key of its own", "ceilings", "ceilings", limited(2, 0), func(ctx context.Context, s *stage) error {
			for i := range 4 {
				s.try(ctx, []string{create}, nil, host.InvokeOptions{IdempotencyKey: fmt.Sprint("k", i)})
			}
			return s.sent(2)
		}),
		act("more destructive writes than an hour allows", "ceilings", "destructive ceilings", limited(0, 2), func(ctx context.Context, s *stage) error {
			for range 3 {
				s.do(ctx, "end", end)
			}
			return s.sent(2)
		}),
		act("destructive writes as privileged ones", "ceilings", "destructive ceilings", limited(0, 2), func(ctx context.Context, s *stage) error {
			for range 3 {
				s.do(ctx, "crown", end)
			}
			return s.sent(2)
		}),
		act("destructive writes that count as writes too", "ceilings", "destructive ceilings", limited(2, 9), func(ctx context.Context, s *stage) error {
			for range 3 {
				s.do(ctx, "end", end)
			}
			return s.sent(2)
		}),
		act("a write that cannot be counted", "ceilings", "counted writes", func(s *stage) error {
			err := limited(5, 5)(s)
			s.opts.Journal = unable{s.opts.Journal}
			return err
		}, func(ctx context.Context, s *stage) error {
			s.try(ctx, both, nil, host.InvokeOptions{})
			return s.sent(0)
		}),
	}
}

// unable is a journal that counts nothing, because its disk is full.
type unable struct{ journal.Journal }

func (unable) Take(context.Context, string, []string, []journal.Ceiling, time.Time) (time.Duration, journal.Ceiling, error) {
	return 0, journal.Ceiling{}, errors.New("no space left on device")
}

// do invokes an operation of the actor with requests, and returns the result.
func (s *stage) do(ctx context.Context, op string, requests ...string) *abi.Result {
	res, _ := s.Invoke(ctx, op, json.RawMessage(`{"do":"send","emit":{},"requests":[`+strings.Join(requests, ",")+`]}`))
	return res
}

// again runs a function with another connection of the same configuration.
func (s *stage) again(ctx context.Context, run func(*stage) error) error {
	m, err := actor()
	if err != nil {
		return err
	}
	c, err := hosttest.Open(m, s.Connection.Config(), s.opts)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close(context.WithoutCancel(ctx)) }()
	return run(&stage{Connection: c, now: s.now, seen: s.seen})
}

// plansOf returns the attacks of a module that is asked for a plan.
func plansOf() []conformance.Attack {
	return []conformance.Attack{
		act("a plan with a key that a run has later", "plans", "plans", (*stage).journal, func(ctx context.Context, s *stage) error {
			s.try(ctx, []string{create}, nil, host.InvokeOptions{Plan: true, IdempotencyKey: "k"})
			if err := s.sent(0); err != nil {
				return err
			}
			if res := s.try(ctx, []string{create}, nil, host.InvokeOptions{IdempotencyKey: "k"}); res.Outcome != abi.Succeeded || res.Meta.Replayed {
				return fmt.Errorf("the plan took the key: %s", res.Outcome)
			}
			return s.sent(1)
		}),
		act("a module that knows that it plans", "plans", "plans", nil, func(ctx context.Context, s *stage) error {
			for _, text := range []string{`{"outcome":"succeeded"}`, `{"outcome":"unchanged"}`, `{"outcome":"failed","error":{"code":"x","message":"x"}}`} {
				input, _ := json.Marshal(map[string]any{"do": "emit and say", "requests": []json.RawMessage{json.RawMessage(create)}, "emits": []any{}, "text": text}) // always encodes
				if res, _ := s.Invoke(ctx, "write", input, host.InvokeOptions{Plan: true}); res.Plan == nil || len(res.Plan.Writes) != 1 {
					return fmt.Errorf("with %s, the plan is %+v", text, res.Plan)
				}
			}
			return s.sent(0)
		}),
		act("a plan of what is not granted", "plans", "class grants", func(s *stage) error {
			s.config.Grants = []abi.Class{abi.Read, abi.Write}
			return nil
		}, func(ctx context.Context, s *stage) error {
			res, _ := s.Invoke(ctx, "end", json.RawMessage(`{"do":"send","emit":{},"requests":[`+end+`]}`), host.InvokeOptions{Plan: true})
			if res.Outcome != abi.Denied || res.Plan != nil {
				return fmt.Errorf("it ended as %s", res.Outcome)
			}
			return s.sent(0)
		}),
		act("bodies of a plan over held_bytes", "plans", "memory of plans", func(s *stage) error {
			s.opts.Limits.HeldBytes = 400 << 10
			return nil
		}, func(ctx context.Context, s *stage) error {
			large := `{"endpoint":"POST /api/v1/users","body":{"name":"` + strings.Repeat("x", 100<<10) + `"}}`
			input := `{"do":"hold","requests":[` + large + strings.Repeat(`,`+large, 8) + `]}` // the input itself has at most 1 MiB
			res, _ := s.Invoke(ctx, "write", json.RawMessage(input), host.InvokeOptions{Plan: true})
			if res.Plan == nil || len(res.Plan.Writes) == 0 || len(res.Plan.Writes) > 4 { // their bodies are masked here
				return fmt.Errorf("the plan is %.300v, and only 400 KiB of bodies may be held", res.Plan)
			}
			return s.sent(0)
		}),
		act("a plan that asks for approval", "plans", "plans", func(s *stage) error {
			s.approve(func(host.ApprovalRequest) error { s.config.Name = "asked"; return nil })
			return nil
		}, func(ctx context.Context, s *stage) error {
			s.try(ctx, []string{create}, []string{create}, host.InvokeOptions{Plan: true})
			if s.config.Name == "asked" {
				return errors.New("a person was asked to approve a plan")
			}
			return s.sent(0)
		}),
	}
}

// ceilingsMutations are the checks of ceilings and plans.
var ceilingsMutations = []mutation{
	{"destructive ceilings", "privileged and destructive writes", []edit{swap("host/internal/gate/ceiling.go", `return []string{"write", string(abi.Destructive)}`,
		"if DOWN {\n\t\t\treturn []string{\"write\"}\n\t\t}\n\t\treturn []string{\"write\", string(abi.Destructive)}")}, ""},
	{"counted writes", "no write that is not counted", []edit{neverIn("host/internal/gate/ceiling.go", "case err != nil:\n\t\treturn fmt.Errorf(\"the write was not sent", "err != nil")}, ""},
	{"memory of plans", "bodies are charged", []edit{neverIn("host/gate.go", "err := c.answers.Budget.Take(int64(len(w.Body) + len(w.Target))); err != nil", "err != nil")}, ""},
}
