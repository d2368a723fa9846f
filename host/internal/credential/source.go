package credential

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host/egress"
	"github.com/mach5/okta-connector/host/secrets"
)

// Source authenticates the requests of one connection. It is safe for concurrent use.
type Source interface {
	// Ready gets what the requests of a call need. Its error is an Error.
	Ready(context.Context, Scopes) error
	// Begin returns an attempt to send one request to an endpoint. Its error is an Error.
	Begin(ctx context.Context, endpoint string, s Scopes) (Attempt, error)
	// Reload reads the references of the connection again, and reports whether a secret changed.
	Reload(context.Context) (changed bool, err error)
	// Shows reports whether a text contains a credential that may have been sent.
	Shows(string) bool
	// ShowsIn is Shows for bytes.
	ShowsIn([]byte) bool
}

// Repeats reports whether a response contains a credential of a source. The headers are those that the guest gets. The body
// is searched only up to a size.
func Repeats(s Source, resp *egress.Response, headers map[string][]string, searched int) bool {
	for _, values := range headers {
		if slices.ContainsFunc(values, s.Shows) {
			return true
		}
	}
	return s.Shows(resp.RequestID) || resp.Body.Len() <= searched && s.ShowsIn(resp.Body.Bytes())
}

// Attempt signs one request until the service accepts it or nothing is left to try. It is not safe for concurrent use.
type Attempt interface {
	// Sign returns what is added to the request.
	Sign(method string, address *url.URL) (egress.Signature, error)
	// Again reports whether the response means that the request was not carried out, and can be sent with another
	// credential.
	Again(context.Context, *egress.Response) bool
}

// Scopes are the OAuth scopes that a call's requests need, sorted. A static token ignores them.
type Scopes struct {
	Required []string
	Optional []string // the operation does without them
}

// Error says why there is no credential.
type Error struct {
	Outcome abi.Outcome
	Detail  abi.Error
}

// Error implements error.
func (e Error) Error() string { return e.Detail.Message }

// AsError returns an error of a Source as an Error.
func AsError(err error) Error {
	failed := Error{abi.Unavailable, abi.Error{Code: "token", Message: err.Error(), Retryable: true}}
	errors.As(err, &failed)
	return failed
}

// sendError returns an error of Begin as the one of a request that was not sent.
func sendError(err error) *abi.SendError {
	e := AsError(err)
	out := &abi.SendError{Code: abi.SendCredential, Message: e.Detail.Message, RetryAfterMS: e.Detail.RetryAfterMS, Lasting: !e.Detail.Retryable}
	switch e.Outcome {
	case abi.Throttled:
		out.Code = abi.SendRateLimited
	case abi.Unavailable:
		out.Code = abi.SendConnect
	}
	if u := e.Detail.Upstream; u != nil {
		out.Status, out.UpstreamCode, out.UpstreamSummary, out.RequestID = u.Status, u.Code, u.Summary, u.RequestID
	}
	return out
}

// Select returns the manifest's auth method for a connection that has a static token or an OAuth client.
func Select(m *abi.Manifest, token, oauth bool) (abi.Auth, error) {
	want := abi.AuthToken
	if oauth {
		want = abi.AuthOAuth
	}
	var types []string
	for _, a := range m.Auth {
		if a.Type == want && token != oauth {
			return a, nil
		}
		types = append(types, a.Type)
	}
	takesToken, takesOAuth := slices.Contains(types, abi.AuthToken), slices.Contains(types, abi.AuthOAuth)
	switch {
	case types == nil:
		return abi.Auth{}, errors.New("the module is of minor version 0, whose manifest has no auth method: load it with LoadOptions.Minor0, or use a newer module")
	case !takesToken && !takesOAuth:
		return abi.Auth{}, fmt.Errorf("auth: the module signs in with %s, but this host supports only a static token (%s) and OAuth (%s): use a newer host",
			strings.Join(types, " or "), abi.AuthToken, abi.AuthOAuth)
	case oauth && !takesOAuth:
		return abi.Auth{}, errors.New("oauth: the module signs in only with a static token: write token_secret_ref instead, or use a newer module")
	case !oauth && !takesToken:
		return abi.Auth{}, errors.New("token_secret_ref: the module signs in only with OAuth: write oauth with client_id and private_key_ref instead")
	case token && oauth:
		return abi.Auth{}, errors.New("token_secret_ref and oauth: a connection signs in with only one of them: remove one")
	}
	return abi.Auth{}, errors.New("the connection has no credential: write token_secret_ref, or oauth with client_id and private_key_ref")
}

// Static is the Source of a static token.
type Static struct {
	*Credential
	Auth abi.Auth
}

// Ready implements Source. It reads the token.
func (s Static) Ready(ctx context.Context, _ Scopes) error {
	_, err := s.begin(ctx)
	return err
}

func (s Static) begin(ctx context.Context) (secrets.Value, error) {
	token, err := s.Refresh(ctx)
	if err != nil {
		return token, Error{abi.Unavailable, abi.Error{Code: "token", Message: "the token cannot be read: " + err.Error(), Retryable: true}}
	}
	return token, nil
}

// Begin implements Source.
func (s Static) Begin(ctx context.Context, _ string, _ Scopes) (Attempt, error) {
	token, err := s.begin(ctx)
	return &staticAttempt{s, []secrets.Value{token}}, err
}

// staticAttempt is an attempt to send a request with a static token.
type staticAttempt struct {
	source Static
	tried  []secrets.Value // the last one is used
}

func (a *staticAttempt) token() secrets.Value { return a.tried[len(a.tried)-1] }

// Sign implements Attempt.
func (a *staticAttempt) Sign(string, *url.URL) (egress.Signature, error) {
	return egress.Signature{Authorization: HeaderValue(a.source.Auth, a.token().Reveal())}, nil
}

// Again implements Attempt. After a 401 it reads the token again, and returns true for one that was not tried.
func (a *staticAttempt) Again(ctx context.Context, resp *egress.Response) bool {
	if resp.Status != http.StatusUnauthorized {
		a.source.Accept(a.token(), len(a.tried) > 1)
		return false
	}
	token, ok := a.source.After401(ctx, a.tried)
	if ok {
		a.tried = append(a.tried, token)
	}
	return ok
}
