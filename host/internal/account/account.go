// Package account reads the account that a connection's credential belongs to, for the audit.
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
	maxWait  = 5 * time.Second // longest time that a write waits for the account
	maxAge   = time.Minute     // after this time, an account that could not be read is requested again
	maxBytes = 256             // size of an account's id, and of its name
)

// Source is what reading a connection's account needs.
type Source struct {
	Spec       *abi.Account // from the manifest; nil if the module has none
	Secret     string       // the reference of the token or private key
	Client     string       // the id of an OAuth client, which is an account itself
	Credential credential.Source
	// Exchange sends a signed request.
	Exchange func(context.Context, abi.Endpoint, abi.Request) (*egress.Response, *abi.SendError)
}

// Reader reads the account of one connection and caches it. The zero value is ready to use. It is safe for concurrent
// use.
type Reader struct {
	once  sync.Once
	lock  chan struct{} // holds an element while the account is read
	known *audit.Account
	token secrets.Value // the token that account belongs to
	asked time.Time
}

// Read returns the account. It asks the service once per token, and again if that failed. It never fails: an account
// that could not be read has a reason in Absent.
func (r *Reader) Read(ctx context.Context, s Source) *audit.Account {
	static, ok := s.Credential.(credential.Static)
	if !ok {
		return &audit.Account{Secret: secrets.Name(s.Secret), ID: s.Client}
	}
	r.once.Do(func() { r.lock = make(chan struct{}, 1) })
	select {
	case r.lock <- struct{}{}:
		defer func() { <-r.lock }()
	case <-ctx.Done():
		return &audit.Account{Secret: secrets.Name(s.Secret), Absent: "the call's time ended while another call read the account"}
	}
	token, err := static.Refresh(ctx)
	if r.known != nil && r.token.Equal(token) && (r.known.Absent == "" || time.Since(r.asked) < maxAge) {
		return r.known
	}
	found := &audit.Account{Secret: secrets.Name(s.Secret)}
	if s.Spec == nil {
		found.Absent = "the module's manifest has no account endpoint"
	} else if err == nil {
		err = s.read(ctx, found)
	}
	if err != nil {
		found.Absent = err.Error()
	}
	if ctx.Err() == nil { // if the caller gave up, nothing is known about the account
		r.known, r.token, r.asked = found, token, time.Now()
	}
	return found
}

// read requests the account from the service.
func (s Source) read(ctx context.Context, found *audit.Account) error {
	wait := maxWait
	if deadline, ok := ctx.Deadline(); ok { // leave most of the remaining time for the write
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
		return fmt.Errorf("%s: wanted a body, found status %d without one", endpoint.Endpoint, resp.Status)
	}
	defer resp.Body.Release()
	body := resp.Body.Bytes()
	if resp.Status != http.StatusOK || !gjson.ValidBytes(body) {
		return fmt.Errorf("%s: found status %d", endpoint.Endpoint, resp.Status)
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
		return fmt.Errorf("%s: the response has no %s", endpoint.Endpoint, s.Spec.ID)
	}
	return nil
}
