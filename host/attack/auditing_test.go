package attack

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"

	"github.com/mach5/okta-connector/abi/conformance"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/audit"
)

// audited opens an audit file for a stage.
func audited(s *stage) error {
	a, err := audit.Open(filepath.Join(s.dir, "audit"))
	s.opts.Auditor = a
	return err
}

// lines returns the lines of a stage's audit file.
func (s *stage) lines() ([][]byte, error) {
	text, err := os.ReadFile(filepath.Join(s.dir, "audit"))
	return slices.Collect(bytes.Lines(text)), err
}

// breaks returns how often lines break the chain, or have another fault.
func breaks(lines [][]byte) (n int, err error) {
	c := audit.NewChain()
	c.Open()
	for l, err := range audit.Lines(bytes.NewReader(bytes.Join(lines, nil))) {
		if err != nil {
			return 0, err
		}
		c.Next(l)
	}
	return c.Breaks + c.Foreign, nil
}

// failing is an audit that fails after so many records.
type failing struct {
	audit.Auditor
	left atomic.Int64
}

func (f *failing) Audit(ctx context.Context, r audit.Record) error {
	if f.left.Add(-1) < 0 {
		return errors.New("no space left on device")
	}
	return f.Auditor.Audit(ctx, r)
}

// auditing returns the attacks on the audit.
func auditing() []conformance.Attack {
	all := []conformance.Attack{
		act("a second invoke, whose record cannot be written", "audit", "audit first", func(s *stage) error {
			err := audited(s)
			f := &failing{Auditor: s.opts.Auditor}
			f.left.Store(2)
			s.opts.Auditor = f
			return err
		}, func(ctx context.Context, s *stage) error {
			for range 3 {
				s.try(ctx, []string{create}, nil, host.InvokeOptions{})
			}
			return s.sent(1)
		}),
		act("a record of the module's own in an input", "audit", "lines of the audit", audited, func(ctx context.Context, s *stage) error {
			forged, _ := json.Marshal("x\n{\"time\":\"2026-01-01T00:00:00Z\",\"operation\":\"write\",\"outcome\":\"succeeded\"}\n\u2028\r") // a string always encodes
			_, _ = s.Invoke(ctx, "write", json.RawMessage(`{"do":"send","emit":`+string(forged)+`,"requests":[`+create+`]}`))
			input, _ := json.Marshal(map[string]any{"do": "say", "text": `{"outcome":"failed","error":{"code":"x","message":` + string(forged) + `}}`})
			_, _ = s.Invoke(ctx, "write", input)
			lines, err := s.lines()
			if err != nil {
				return err
			}
			if n, err := breaks(lines); err != nil || n > 0 || len(lines) != 3 {
				return fmt.Errorf("%d lines, %d faults, %v, want 3 lines", len(lines), n, err)
			}
			return nil
		}),
		act("sensitive members of an object before and after", "audit", "states of the audit", func(s *stage) error {
			s.seen.Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				_, _ = fmt.Fprint(w, `{"id":"00u1","password":"hunter2-hunter2","title":"visible"}`)
			})
			return audited(s)
		}, func(ctx context.Context, s *stage) error {
			s.try(ctx, []string{`{"endpoint":"GET /api/v1/users/{id}","path":{"id":"00u1"}}`, update}, nil, host.InvokeOptions{})
			lines, err := s.lines()
			text := bytes.Join(lines, nil)
			if err != nil || !bytes.Contains(text, []byte("visible")) {
				return errors.Join(err, fmt.Errorf("the audit has no state: %.300s", text))
			}
			if bytes.Contains(text, []byte("hunter2-hunter2")) {
				return errors.New("the audit has the password")
			}
			return nil
		}),
	}
	for name, change := range map[string]func(lines [][]byte) [][]byte{
		"that is changed":    func(l [][]byte) [][]byte { l[2] = bytes.Replace(l[2], []byte("actor"), []byte("actOr"), 1); return l },
		"that is removed":    func(l [][]byte) [][]byte { return slices.Delete(l, 2, 3) },
		"that is moved":      func(l [][]byte) [][]byte { l[1], l[3] = l[3], l[1]; return l },
		"that is repeated":   func(l [][]byte) [][]byte { return slices.Insert(l, 3, l[2]) },
		"of another program": func(l [][]byte) [][]byte { return slices.Insert(l, 3, []byte("{\"operation\":\"write\"}\n")) },
		"without the chain": func(l [][]byte) [][]byte {
			l[3] = append([]byte(`{"time"`), l[3][bytes.Index(l[3], []byte(`"time"`))+6:]...)
			return l
		},
		"cut by its author":   func(l [][]byte) [][]byte { l[2] = append(l[2][:len(l[2])/2:len(l[2])/2], '\n'); return l },
		"with a second value": func(l [][]byte) [][]byte { l[2] = append(bytes.TrimSpace(l[2]), " {}\n"...); return l },
	} {
		all = append(all, act("a record "+name, "audit", "audit chain", audited, func(ctx context.Context, s *stage) error {
			for range 3 {
				s.try(ctx, []string{create}, nil, host.InvokeOptions{})
			}
			lines, err := s.lines()
			if err != nil || len(lines) != 6 {
				return fmt.Errorf("%d lines, %w", len(lines), err)
			}
			if n, err := breaks(lines); n > 0 || err != nil {
				return fmt.Errorf("the chain has %d breaks before, %w", n, err)
			}
			if n, err := breaks(change(lines)); n == 0 || err != nil {
				return errors.Join(errors.New("nobody sees that a record was changed"), err)
			}
			return nil
		}))
	}
	return all
}

// auditMutations are the checks of the audit, besides those in hostMutations.
var auditMutations = []mutation{
	{"states of the audit", "they are masked", []edit{drop("host/audit/state.go", "object = redact.Of(op, input).State(object)")}, ""},
	{"audit chain", "each line names the one before", []edit{always("host/audit/read.go", "*l.Prev == before")}, ""},
}
