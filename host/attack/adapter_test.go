package attack

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"sync"
	"testing"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/abi/conformance"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/hosttest"
)

// kitMemory is the limit for all calls of the attacks together.
var kitMemory = host.NewProcessMemory(2 << 30)

// ours adapts this project's host to the kit.
type ours struct{}

func (ours) Load(ctx context.Context, wasm []byte) (conformance.Module, error) {
	m, err := host.Load(ctx, wasm, host.LoadOptions{ProcessMemory: kitMemory})
	if err != nil {
		return nil, err
	}
	return module{m}, nil
}

type module struct{ *host.Module }

func (m module) Connect(ctx context.Context, c conformance.Connection) (conformance.Session, error) {
	opts := host.ConnectOptions{Secrets: hosttest.Secret(c.Token), Dial: dialLoopback, Logger: slog.New(slog.NewJSONHandler(c.Log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Limits: host.Limits{CallTimeout: c.Limits.CallTimeout, Requests: c.Limits.Requests, BodyBytes: c.Limits.BodyBytes, HeldBytes: c.Limits.HeldBytes, ResultBytes: c.Limits.ResultBytes,
			Records: c.Limits.Records, MemoryBytes: c.Limits.MemoryBytes, Concurrency: c.Limits.Concurrency, LogBytes: c.Limits.LogBytes}}
	if testing.Short() {
		opts.Sleep = hosttest.ShortSleep // repeats after a broken answer come at once
	}
	if len(c.RootCAs) > 0 {
		opts.RootCAs = x509.NewCertPool()
		if !opts.RootCAs.AppendCertsFromPEM(c.RootCAs) {
			return nil, errors.New("RootCAs has no certificate")
		}
	}
	if c.Resolve != nil {
		opts.Lookup = resolver(c.Resolve)
	}
	conn, err := m.Module.Connect(ctx, host.Config{Name: "attacked", Kind: m.Manifest().Kind, BaseURL: c.BaseURL, TokenSecretRef: "env:X", Grants: c.Grants,
		AllowPrivateNetwork: c.AllowPrivateNetwork}, opts)
	if err != nil {
		return nil, err
	}
	return session{conn, opts.Logger}, nil
}

// dialLoopback dials only loopback addresses, so that attacks stay on this machine.
func dialLoopback(ctx context.Context, network, address string) (net.Conn, error) {
	if h, _, err := net.SplitHostPort(address); err != nil || !net.ParseIP(h).IsLoopback() {
		return nil, errors.New("attacks dial only loopback addresses")
	}
	return new(net.Dialer).DialContext(ctx, network, address)
}

// resolver returns a lookup that gives the answers for a name in order, and then repeats the last.
func resolver(answers map[string][][]string) func(context.Context, string) ([]net.IPAddr, error) {
	var mu sync.Mutex
	asked := map[string]int{}
	return func(_ context.Context, name string) ([]net.IPAddr, error) {
		mu.Lock()
		defer mu.Unlock()
		all := answers[name]
		if len(all) == 0 {
			return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
		}
		n := min(asked[name], len(all)-1)
		asked[name]++
		var found []net.IPAddr
		for _, a := range all[n] {
			found = append(found, net.IPAddr{IP: net.ParseIP(a)})
		}
		return found, nil
	}
}

// session is a Session that logs the warnings of pages, like a program that runs sources.
type session struct {
	*host.Connection
	log *slog.Logger
}

func (s session) Invoke(ctx context.Context, op string, input json.RawMessage) (*abi.Result, error) {
	res, _ := s.Connection.Invoke(ctx, op, input) // the result contains the error
	return res, nil
}

func (s session) Source(ctx context.Context, op string, config, checkpoint json.RawMessage) (*conformance.Page, error) {
	page := &conformance.Page{Outcome: abi.Succeeded}
	for p, err := range s.SourcePages(ctx, host.SourceOptions{Operation: op, Config: config, Checkpoint: checkpoint, NoPrefetch: true}) {
		if err != nil {
			return failed(err)
		}
		for _, w := range p.Warnings {
			s.log.Warn(w)
		}
		for r := range p.Records() {
			page.Records = append(page.Records, append(json.RawMessage(nil), r.JSON...))
		}
		break
	}
	return page, nil
}

func (s session) Table(ctx context.Context, op string, input json.RawMessage) (*conformance.Page, error) {
	rows, err := s.Connection.Table(ctx, op, input, host.TableOptions{})
	if err != nil {
		return failed(err)
	}
	page := &conformance.Page{Outcome: abi.Succeeded}
	for row, err := range rows.All() {
		if err != nil {
			return failed(err)
		}
		page.Records = append(page.Records, append(json.RawMessage(nil), row.Record...))
	}
	return page, nil
}

func failed(err error) (*conformance.Page, error) {
	var o host.OutcomeError
	if !errors.As(err, &o) {
		return nil, err
	}
	return &conformance.Page{Outcome: o.Outcome, Code: o.Detail.Code}, nil
}
