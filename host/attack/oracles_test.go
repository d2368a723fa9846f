package attack

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/abi/conformance"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/hosttest"
)

// oracles returns the attacks that learn something from how the host answers.
func oracles() []conformance.Attack {
	return []conformance.Attack{
		act("which inputs an operation without a grant takes", "oracles", "grants before inputs", func(s *stage) error {
			s.config.Grants = []abi.Class{abi.Read}
			return nil
		}, func(ctx context.Context, s *stage) error {
			var first *abi.Result
			for _, input := range []string{`{"do":"send","requests":[]}`, `{"unknown":1}`, `[]`, `{"a":1e999999}`, `{`, `{"do":"x","do":"y"}`} {
				res, _ := s.Invoke(ctx, "write", json.RawMessage(input))
				if first == nil {
					first = res
				}
				if res.Outcome != abi.Denied || res.Error.Message != first.Error.Message {
					return fmt.Errorf("%s: %s %s", input, res.Outcome, res.Error.Message)
				}
			}
			return s.sent(0)
		}),
		act("what a run with the same key did", "oracles", "keys", (*stage).journal, func(ctx context.Context, s *stage) error {
			s.try(ctx, []string{create}, nil, host.InvokeOptions{IdempotencyKey: "k"})
			res := s.try(ctx, []string{another}, nil, host.InvokeOptions{IdempotencyKey: "k"})
			text, err := json.Marshal(res)
			if err != nil || bytes.Contains(text, []byte("00u1")) {
				return errors.Join(err, fmt.Errorf("the other input's result shows in %s", text))
			}
			return s.sent(1)
		}),
		conformance.NewAttack("oracles", "which ports of a private network are open", "answers about private addresses", func(ctx context.Context) error {
			m, err := actor()
			if err != nil {
				return err
			}
			open, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				return err
			}
			defer func() { _ = open.Close() }()
			_, port, _ := net.SplitHostPort(open.Addr().String())
			var texts []string
			for _, p := range []string{port, "1"} {
				c, err := hosttest.Open(m, host.Config{Name: "actor", BaseURL: "https://internal.example:" + p}, host.ConnectOptions{Lookup: func(context.Context, string) ([]net.IPAddr, error) {
					return []net.IPAddr{{IP: net.ParseIP("127.0.0.1")}}, nil
				}})
				if err != nil {
					return err
				}
				res, _ := c.Invoke(ctx, "read", json.RawMessage(`{"do":"send","emit":{},"requests":[{"endpoint":"GET /api/v1/users/{id}","path":{"id":"1"}}]}`))
				var out struct {
					Answers []struct{ Response json.RawMessage } `json:"answers"`
				}
				if err := errors.Join(json.Unmarshal(res.Output, &out), c.Close(ctx)); err != nil || len(out.Answers) != 1 {
					return fmt.Errorf("%d answers, %w", len(out.Answers), err)
				}
				texts = append(texts, strings.ReplaceAll(string(out.Answers[0].Response), ":"+p, ""))
			}
			if texts[0] != texts[1] {
				return fmt.Errorf("an open port differs from a closed one: %q", texts)
			}
			return nil
		}),
		conformance.NewAttack("oracles", "how much memory other calls hold", "what others hold", func(context.Context) error {
			var texts []string
			for _, held := range []int64{100, 900} {
				p := host.NewProcessMemory(1000)
				if err := p.Take(held); err != nil {
					return err
				}
				texts = append(texts, fmt.Sprint(p.Take(950)))
			}
			if texts[0] != texts[1] {
				return fmt.Errorf("a module sees what other calls hold: %q, %q", texts[0], texts[1])
			}
			return nil
		}),
	}
}

// oracleMutations are the checks of what an answer tells, besides those in hostMutations.
var oracleMutations = []mutation{
	{"grants before inputs", "the grant comes first", []edit{never("host/run.go", "!slices.ContainsFunc(op.Classes(), c.granted)")}, ""},
}
