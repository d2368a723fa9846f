package kit

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/abi/conformance/target"
	"github.com/mach5/okta-connector/build/pack"
)

// habits are the conventions of a service that a host reads from the manifest. The attacks are written for the usual
// ones.
type habits struct {
	credential, prefix      string // the request header of the credential, and its scheme
	requestID               string // response headers
	limit, remaining, reset string
	resetForm               string // see abi.RateLimitHabits
	change                  string // the method of a change
	guest                   func() ([]byte, error)
}

const usualChange = "PUT"

var (
	usual = newHabits(habits{credential: "Authorization", prefix: "Bearer", requestID: "X-Request-Id",
		limit: "X-Requests-Limit", remaining: "X-Requests-Remaining", reset: "X-Requests-Reset", resetForm: abi.ResetEpoch, change: usualChange})
	other = newHabits(habits{credential: "X-Service-Key", requestID: "Trace",
		limit: "Quota", remaining: "Quota-Left", reset: "Quota-Renews-In", resetForm: abi.ResetDelta, change: "PATCH"})
)

func newHabits(h habits) *habits {
	h.guest = sync.OnceValues(func() ([]byte, error) {
		return pack.CachedPackage(context.Background(), "./abi/conformance/guest", Encode(h.manifest()))
	})
	return &h
}

// manifest returns the kit's manifest with these habits.
func (h *habits) manifest() abi.Manifest {
	m := Manifest()
	m.Auth = []abi.Auth{{Type: abi.AuthToken, Header: h.credential, Prefix: h.prefix}}
	m.RequestIDHeader, m.ResponseHeaders = h.requestID, []string{strings.ToLower(h.requestID)}
	m.RateLimitHeaders = abi.RateLimitHeaders{Limit: h.limit, Remaining: h.remaining, Reset: h.reset}
	m.RateLimitHabits = &abi.RateLimitHabits{Reset: h.resetForm}
	for i := range m.Operations {
		m.Operations[i].Endpoints = slices.Clone(m.Operations[i].Endpoints)
		for j, e := range m.Operations[i].Endpoints {
			m.Operations[i].Endpoints[j].Endpoint = strings.Replace(e.Endpoint, usualChange+" ", h.change+" ", 1)
		}
	}
	return m
}

// translated is a session that rewrites inputs from the usual habits to those of its service.
type translated struct {
	target.Session
	words *strings.Replacer
}

func (h *habits) translate(s target.Session) target.Session {
	if h == usual {
		return s
	}
	return translated{s, strings.NewReplacer(usual.credential, h.credential, strings.ToLower(usual.credential), strings.ToLower(h.credential),
		usualChange+" /", h.change+" /")}
}

func (t translated) Invoke(ctx context.Context, op string, input json.RawMessage) (*abi.Result, error) {
	return t.Session.Invoke(ctx, op, t.input(input))
}

func (t translated) Source(ctx context.Context, op string, config, checkpoint json.RawMessage) (*target.Page, error) {
	return t.Session.Source(ctx, op, t.input(config), checkpoint)
}

func (t translated) Table(ctx context.Context, op string, input json.RawMessage) (*target.Page, error) {
	return t.Session.Table(ctx, op, t.input(input))
}

func (t translated) input(text json.RawMessage) json.RawMessage {
	return json.RawMessage(t.words.Replace(string(text)))
}

// Credential returns the credential of a request to either service.
func Credential(r *http.Request) string {
	return r.Header.Get(usual.credential) + r.Header.Get(other.credential)
}

// Identify sets the request id of a response of either service.
func Identify(w http.ResponseWriter, id string) {
	w.Header().Set(usual.requestID, id)
	w.Header().Set(other.requestID, id)
}

// Quota sets the rate-limit headers of a response of either service.
func Quota(w http.ResponseWriter, limit, remaining, reset string) {
	for _, h := range []*habits{usual, other} {
		w.Header().Set(h.limit, limit)
		w.Header().Set(h.remaining, remaining)
		w.Header().Set(h.reset, reset)
	}
}
