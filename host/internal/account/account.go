// Package account reads whose credential a connection has, for the audit.
package account

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/tidwall/gjson"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host/audit"
	"github.com/mach5/okta-connector/host/egress"
	"github.com/mach5/okta-connector/host/internal/credential"
	"github.com/mach5/okta-connector/host/secrets"
)

const (
	maxWait  = 5 * time.Second // a write waits at most this long for the account
	maxAge   = time.Minute     // an account that could not be read is asked for again after this time
	maxBytes = 256             // of an account's id, and of its name
)

// Source says how to read the account of a connection.
type Source struct {
	Spec       *abi.Account // of the manifest; nil if the module does not say how
	Secret     string       // the reference of the token
	Credential *credential.Credential
	// Exchange sends a signed request.
	Exchange func(context.Context, abi.Endpoint, abi.Request) (*egress.Response, *abi.SendError)
}

// Reader reads the account of one connection and remembers it. The zero value is ready. It is safe for concurrent use.
type Reader struct {
	mu    sync.Mutex
	known *audit.Account
	token secrets.Value // of the known account
	asked time.Time
}

// Read returns the account. It asks the service once for each token, and again if it failed. It never fails: the account
// says why it is absent.
func (r *Reader) Read(ctx context.Context, s Source) *audit.Account {
	r.mu.Lock()
	defer r.mu.Unlock()
	token, err := s.Credential.Refresh(ctx)
	if r.known != nil && r.token == token && (r.known.Absent == "" || time.Since(r.asked) < maxAge) {
		return r.known
	}
	found := &audit.Account{Secret: s.Secret}
	if s.Spec == nil {
		found.Absent = "the module does not say how to read it"
	} else if err == nil {
		err = s.read(ctx, found)
	}
	if err != nil {
		found.Absent = err.Error()
	}
	if ctx.Err() == nil { // a caller that gave up says nothing about the account
		r.known, r.token, r.asked = found, token, time.Now()
	}
	return found
}

// read asks the service.
func (s Source) read(ctx context.Context, found *audit.Account) error {
	wait := maxWait
	if deadline, ok := ctx.Deadline(); ok { // most of the remaining time is for the write
		wait = min(wait, time.Until(deadline)/4)
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	endpoint := s.Spec.Endpoint
	resp, failed := s.Exchange(ctx, endpoint, abi.Request{Endpoint: endpoint.Endpoint})
	if failed != nil {
		return fmt.Errorf("%s: %s", endpoint.Endpoint, failed.Message)
	}
	if resp.Body == nil {
		return fmt.Errorf("%s answered %d without a body", endpoint.Endpoint, resp.Status)
	}
	defer resp.Body.Release()
	body := resp.Body.Bytes()
	if resp.Status != http.StatusOK || !gjson.ValidBytes(body) {
		return fmt.Errorf("%s answered %d", endpoint.Endpoint, resp.Status)
	}
	text := func(path string) string {
		v := gjson.GetBytes(body, path)
		if path == "" || v.Type != gjson.String || s.Credential.Shows(v.Str) {
			return ""
		}
		if len(v.Str) > maxBytes {
			return strings.ToValidUTF8(v.Str[:maxBytes], "") + "…"
		}
		return strings.Clone(v.Str) // the body is reused
	}
	if found.ID, found.Name = text(s.Spec.ID), text(s.Spec.Name); found.ID == "" {
		return fmt.Errorf("%s answered without %s", endpoint.Endpoint, s.Spec.ID)
	}
	return nil
}
