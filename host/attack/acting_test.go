package attack

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/abi/conformance"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/audit"
	"github.com/mach5/okta-connector/host/checkpoint"
	"github.com/mach5/okta-connector/host/hosttest"
	"github.com/mach5/okta-connector/host/journal"
	"github.com/mach5/okta-connector/host/sink/filesink"
	"github.com/mach5/okta-connector/host/sink/sinktest"
)

// actor is a module that sends the requests of its input, and other ones when an hour has passed.
var actor = sync.OnceValues(func() (*host.Module, error) {
	op := abi.Operation{Name: "write", Summary: "does what its input says", Class: abi.Write, Surfaces: []abi.Surface{abi.Axon}, Idempotency: abi.Safe,
		InputSchema: json.RawMessage(`{"type":"object","properties":{"password":{"x-sensitive":true},"answer":{"x-sensitive":true},"do":{},"emit":{},"requests":{"x-sensitive":true},"from":{},"approved":{"x-sensitive":true}}}`)}
	for _, e := range []string{"GET /api/v1/users/{id}", "POST /api/v1/users", "PUT /api/v1/users/{id}"} {
		op.Endpoints = append(op.Endpoints, abi.Endpoint{Endpoint: e, Bucket: e})
	}
	op.Endpoints[2].Headers = []abi.RequestHeader{{Name: "If-Match"}}
	read := op
	read.Name, read.Class, read.Endpoints = "read", abi.Read, op.Endpoints[:1]
	remove := op
	remove.Name, remove.Class, remove.Endpoints = "end", abi.Destructive, []abi.Endpoint{{Endpoint: "DELETE /api/v1/users/{id}", Bucket: "x"}}
	crown := remove
	crown.Name, crown.Class = "crown", abi.Privileged
	manifest, err := json.Marshal(abi.Manifest{ABI: abi.Version, Minor: abi.Minor, Kind: "actor", Version: "0", ConfigSchema: json.RawMessage(`{"type":"object"}`),
		Auth: []abi.Auth{{Type: abi.AuthToken, Header: "Authorization", Prefix: "Bearer"}}, Operations: []abi.Operation{op, read, remove, crown}})
	if err != nil {
		return nil, err
	}
	return hosttest.Package("./host/testdata/hostile", manifest, host.LoadOptions{}).Open()
})

// stage is a connection of the actor, and what it did.
type stage struct {
	*host.Connection
	dir    string
	seen   *hosttest.Recorder
	config host.Config
	opts   host.ConnectOptions
	now    *hosttest.Clock
	close  []func()
}

var planned = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// act makes an attack with an actor. change may set options that need the stage's folder.
func act(name, family, wall string, change func(*stage) error, run func(context.Context, *stage) error) conformance.Attack {
	return conformance.NewAttack(family, name, wall, func(ctx context.Context) error {
		dir, err := os.MkdirTemp("", "attack")
		if err != nil {
			return err
		}
		s := &stage{dir: dir, now: hosttest.NewClock(planned), seen: &hosttest.Recorder{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"id":"00u1"}`) })}}
		defer func() {
			for _, f := range slices.Backward(s.close) {
				f()
			}
			_ = os.RemoveAll(dir)
		}()
		m, err := actor()
		if err != nil {
			return err
		}
		server := httptest.NewServer(s.seen)
		s.close = append(s.close, server.Close)
		s.config, s.opts = host.Config{Name: "actor", BaseURL: server.URL, Grants: abi.Classes()}, host.ConnectOptions{Now: s.now.Now}
		if change != nil {
			if err := change(s); err != nil {
				return err
			}
		}
		if s.Connection, err = hosttest.Open(m, s.config, s.opts); err != nil {
			return err
		}
		s.close = append(s.close, func() { _ = s.Connection.Close(context.Background()) })
		return run(ctx, s)
	})
}

// approve sets an approver that advances the clock, so that the module shows its other side.
func (s *stage) approve(decide func(host.ApprovalRequest) error) {
	s.config.Approve = []abi.Class{abi.Write}
	s.opts.Approver = host.ApproverFunc(func(_ context.Context, r host.ApprovalRequest) (string, error) {
		s.now.Set(planned.Add(time.Hour))
		return "grace", decide(r)
	})
}

func (s *stage) journal() error {
	j, err := journal.Open(filepath.Join(s.dir, "journal"), journal.Options{})
	s.opts.Journal = j
	return err
}

// try invokes the actor's write.
func (s *stage) try(ctx context.Context, requests, then []string, o host.InvokeOptions) *abi.Result {
	res, _ := s.Invoke(ctx, "write", json.RawMessage(`{"do":"send","emit":{},"password":"hunter2-hunter2","answer":"blue-as-the-sea","requests":[`+strings.Join(requests, ",")+`],"from":"2026-01-01T00:30","approved":[`+
		strings.Join(then, ",")+`]}`), o)
	return res
}

// sent returns an error unless so many requests arrived.
func (s *stage) sent(n int) error {
	if got := s.seen.URIs(); len(got) != n {
		return fmt.Errorf("%d requests arrived, want %d: %q", len(got), n, got)
	}
	return nil
}

// Requests of the actor.
const (
	create  = `{"endpoint":"POST /api/v1/users","body":{"name":"a","password":"hunter2-hunter2"}}`
	update  = `{"endpoint":"PUT /api/v1/users/{id}","path":{"id":"00u1"},"body":{"title":"x"}}`
	another = `{"endpoint":"PUT /api/v1/users/{id}","path":{"id":"00u2"},"body":{"title":"x"}}`
	altered = `{"endpoint":"PUT /api/v1/users/{id}","path":{"id":"00u1"},"body":{"title":"y"}}`
	forced  = `{"endpoint":"PUT /api/v1/users/{id}","path":{"id":"00u1"},"headers":{"If-Match":"one"},"body":{"title":"x"}}`
)

// acting returns the attacks on what an invoke may write, and on what is kept of it.
func acting() []conformance.Attack {
	all := []conformance.Attack{
		act("a module that writes in a plan", "plans", "plans", nil, func(ctx context.Context, s *stage) error {
			res := s.try(ctx, []string{create, update}, nil, host.InvokeOptions{Plan: true})
			if res.Outcome != abi.Planned || len(res.Plan.Writes) != 2 {
				return errors.Join(s.sent(0), fmt.Errorf("the plan ended as %s", res.Outcome))
			}
			return s.sent(0)
		}),
		act("a module that plans without end", "plans", "size of plans", nil, func(ctx context.Context, s *stage) error {
			res := s.try(ctx, slices.Repeat([]string{update}, 150), nil, host.InvokeOptions{Plan: true})
			if res.Plan != nil && len(res.Plan.Writes) > 100 {
				return fmt.Errorf("the plan has %d writes", len(res.Plan.Writes))
			}
			return s.sent(0)
		}),
		act("a refused approval", "approval", "approval", func(s *stage) error {
			s.approve(func(host.ApprovalRequest) error { return errors.New("no") })
			return nil
		}, func(ctx context.Context, s *stage) error {
			s.try(ctx, []string{create}, []string{create}, host.InvokeOptions{})
			return s.sent(0)
		}),
		act("a sensitive value in what an approver sees", "approval", "masks", func(s *stage) error {
			s.approve(func(r host.ApprovalRequest) error {
				text, err := json.Marshal(r)
				if bytes.Contains(text, []byte("hunter2-hunter2")) {
					s.config.Name = "shown"
				}
				return err
			})
			return nil
		}, func(ctx context.Context, s *stage) error {
			s.try(ctx, []string{create}, []string{create}, host.InvokeOptions{})
			if s.config.Name == "shown" {
				return errors.New("the approver saw the password")
			}
			return nil
		}),
		act("a second run with the same key", "journal", "keys", (*stage).journal, func(ctx context.Context, s *stage) error {
			for range 3 {
				s.try(ctx, []string{create}, nil, host.InvokeOptions{IdempotencyKey: "k"})
			}
			return s.sent(1)
		}),
		act("another input with the same key", "journal", "keys", (*stage).journal, func(ctx context.Context, s *stage) error {
			s.try(ctx, []string{create}, nil, host.InvokeOptions{IdempotencyKey: "k"})
			res := s.try(ctx, []string{update}, nil, host.InvokeOptions{IdempotencyKey: "k"})
			if res.Outcome != abi.Rejected {
				return fmt.Errorf("it ended as %s", res.Outcome)
			}
			return s.sent(1)
		}),
		act("a journal that cannot be written", "journal", "journal first", func(s *stage) error {
			err := s.journal()
			s.opts.Journal = fullDisk{s.opts.Journal}
			return err
		}, func(ctx context.Context, s *stage) error {
			s.try(ctx, []string{create}, nil, host.InvokeOptions{IdempotencyKey: "k"})
			return s.sent(0)
		}),
		act("an audit that cannot be written", "audit", "audit first", func(s *stage) error {
			s.opts.Auditor = fullAudit{}
			return nil
		}, func(ctx context.Context, s *stage) error {
			s.try(ctx, []string{create}, nil, host.InvokeOptions{})
			return s.sent(0)
		}),
		act("what is stored of an invoke", "channels", "stored secrets", func(s *stage) error {
			a, err := audit.Open(filepath.Join(s.dir, "audit"))
			s.opts.Auditor = a
			return errors.Join(err, s.journal())
		}, func(ctx context.Context, s *stage) error {
			s.try(ctx, []string{create}, nil, host.InvokeOptions{IdempotencyKey: "k"})
			return filepath.WalkDir(s.dir, func(path string, e fs.DirEntry, err error) error {
				if err != nil || e.IsDir() {
					return err
				}
				text, err := os.ReadFile(path)
				if bytes.Contains(text, []byte("hunter2-hunter2")) || bytes.Contains(text, []byte(hosttest.Token)) {
					return fmt.Errorf("%s has a password or the token", e.Name())
				}
				return err
			})
		}),
		act("the modes of the files that an invoke makes", "channels", "file modes", func(s *stage) error {
			a, err := audit.Open(filepath.Join(s.dir, "audit"))
			s.opts.Auditor = a
			return errors.Join(err, s.journal())
		}, func(ctx context.Context, s *stage) error {
			s.try(ctx, []string{create}, nil, host.InvokeOptions{IdempotencyKey: "k"})
			return private(s.dir)
		}),
		act("the modes of records and checkpoints", "channels", "file modes", nil, func(ctx context.Context, s *stage) error {
			out, err := filesink.Open(filepath.Join(s.dir, "records"), filesink.Options{})
			if err != nil {
				return err
			}
			cp, err := checkpoint.Open(filepath.Join(s.dir, "checkpoint"), checkpoint.Identity{})
			if err == nil {
				err = cp.Save(json.RawMessage(`{"v":1}`))
				err = errors.Join(err, cp.Close())
			}
			return errors.Join(err, out.Write(ctx, sinktest.Numbered(0, 1)), out.Close(), private(s.dir))
		}),
	}
	for name, then := range map[string][]string{
		"another object": {another}, "another body": {altered}, "one more write": {update, another}, "another precondition": {forced}, "the same write twice": {update, update},
	} {
		all = append(all, act("after the approval, "+name, "approval", "approved writes", func(s *stage) error {
			s.approve(func(host.ApprovalRequest) error { return nil })
			return nil
		}, func(ctx context.Context, s *stage) error {
			s.try(ctx, []string{update}, then, host.InvokeOptions{})
			want := 0
			if then[0] == update {
				want = 1
			}
			return s.sent(want)
		}))
	}
	return all
}

// private returns an error if a file in a folder can be read by other users.
func private(dir string) error {
	return filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			return fmt.Errorf("%s has the mode %v", e.Name(), info.Mode().Perm())
		}
		return err
	})
}

// fullDisk is a journal whose disk is full.
type fullDisk struct{ journal.Journal }

func (f fullDisk) Claim(ctx context.Context, scope, key, fingerprint string) (journal.Claim, error) {
	c, err := f.Journal.Claim(ctx, scope, key, fingerprint)
	return fullClaim{c}, err
}

type fullClaim struct{ journal.Claim }

func (fullClaim) Writing(context.Context, time.Time, journal.Target) error {
	return errors.New("no space left on device")
}

// fullAudit is an audit whose disk is full.
type fullAudit struct{}

func (fullAudit) Audit(context.Context, audit.Record) error {
	return errors.New("no space left on device")
}
