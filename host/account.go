package host

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
	"github.com/mach5/okta-connector/host/secrets"
)

const (
	accountTime = 5 * time.Second // how long a write waits at most until it is known whose credential is used
	accountAge  = time.Minute     // when an account that could not be read is asked for again
	maxAccount  = 256             // of its id and name each, in bytes
)

// accounts remembers whose credential a connection has.
type accounts struct {
	mu    sync.Mutex
	known *audit.Account
	token secrets.Value // whose it is
	asked time.Time     // when that was
}

// account is whose credential the connection has, for the audit: read once, where the manifest says how. It never fails:
// what could not be read says why. It is safe for concurrent use.
func (c *Connection) account(ctx context.Context) *audit.Account {
	a := &c.owner
	a.mu.Lock()
	defer a.mu.Unlock()
	token, err := c.credential.Refresh(ctx)
	if a.known != nil && a.token == token && (a.known.Absent == "" || time.Since(a.asked) < accountAge) {
		return a.known
	}
	found := &audit.Account{Secret: c.config.TokenSecretRef}
	if spec := c.module.manifest.Account; spec == nil {
		found.Absent = "the module does not say how to read it"
	} else if err == nil {
		err = c.readAccount(ctx, spec, found)
	}
	if err != nil {
		found.Absent = err.Error()
	}
	if ctx.Err() == nil { // else a caller who gave up says nothing of the account
		a.known, a.token, a.asked = found, token, time.Now()
	}
	return found
}

func (c *Connection) readAccount(ctx context.Context, spec *abi.Account, found *audit.Account) error {
	most := accountTime
	if deadline, ok := ctx.Deadline(); ok { // most of what is left is the write's
		most = min(most, time.Until(deadline)/4)
	}
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	resp, failed := (&call{conn: c}).exchange(ctx, spec.Endpoint, abi.Request{Endpoint: spec.Endpoint.Endpoint}, true)
	if failed != nil {
		return fmt.Errorf("%s: %s", spec.Endpoint.Endpoint, failed.Message)
	}
	if resp.Body == nil {
		return fmt.Errorf("%s answered %d and nothing else", spec.Endpoint.Endpoint, resp.Status)
	}
	defer resp.Body.Release()
	body := resp.Body.Bytes()
	if resp.Status != http.StatusOK || !gjson.ValidBytes(body) {
		return fmt.Errorf("%s answered %d", spec.Endpoint.Endpoint, resp.Status)
	}
	text := func(path string) string {
		v := gjson.GetBytes(body, path)
		if path == "" || v.Type != gjson.String || c.credential.Shows(v.Str) {
			return ""
		}
		if len(v.Str) > maxAccount {
			return strings.ToValidUTF8(v.Str[:maxAccount], "") + "…"
		}
		return strings.Clone(v.Str) // the body goes back to where it came from
	}
	if found.ID, found.Name = text(spec.ID), text(spec.Name); found.ID == "" {
		return fmt.Errorf("%s answered without %s", spec.Endpoint.Endpoint, spec.ID)
	}
	return nil
}
