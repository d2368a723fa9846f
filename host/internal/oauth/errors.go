package oauth

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host/internal/credential"
)

// roughly returns a difference in whole minutes, or seconds if it is short.
func roughly(d time.Duration) time.Duration {
	if d = d.Abs(); d >= time.Minute {
		return d.Round(time.Minute)
	}
	return d.Round(time.Second)
}

func unavailable(code, message string) error {
	return credential.Error{Outcome: abi.Unavailable, Detail: abi.Error{Code: code, Message: message, Retryable: true}}
}

// notSent returns the error for a request of a token that got no usable response. A text of the service that repeats an
// access token is dropped.
func (c *Client) notSent(e *abi.SendError) error {
	for _, text := range []*string{&e.UpstreamCode, &e.UpstreamSummary, &e.RequestID, &e.Message} {
		if c.Shows(*text) {
			*text = ""
		}
	}
	out := credential.Error{Outcome: abi.Unavailable, Detail: abi.Error{Code: string(e.Code), Message: "no access token: " + e.Message, RetryAfterMS: e.RetryAfterMS,
		Retryable: !e.Lasting && e.Code != abi.SendTLS && e.Code != abi.SendRedirect}}
	switch e.Code {
	case abi.SendRateLimited:
		out.Outcome = abi.Throttled
	case abi.SendMalformed, abi.SendTooLarge:
		out.Outcome, out.Detail.Retryable = abi.Failed, false
	}
	if e.Status != 0 {
		out.Detail.Upstream = &abi.Upstream{Status: e.Status, Code: e.UpstreamCode, Summary: e.UpstreamSummary, RequestID: e.RequestID}
	}
	return out
}

// explain returns a refusal of the token endpoint with what to do about it. Other errors stay as they are.
func (c *Client) explain(err error, scopes []string) error {
	var r refusal
	if !errors.As(err, &r) {
		return err
	}
	o := c.config.Options
	out := credential.Error{Outcome: abi.Rejected, Detail: abi.Error{Code: r.code, Upstream: &abi.Upstream{Status: r.status, Code: r.code, Summary: r.description, RequestID: r.requestID}}}
	said := "no access token: " + c.config.Base.Host + " answered " + fmt.Sprint(r.status)
	if r.code != "" {
		said += " " + r.code
	}
	if r.description != "" {
		said += " (" + strings.TrimRight(r.description, ".") + ")"
	}
	advice := ""
	switch {
	case r.code == "invalid_client":
		advice = fmt.Sprintf("check that oauth.client_id %s is the app's and that the app is active, and that the app has the public key of oauth.private_key_ref with the same key id (kid)", o.ClientID)
		if o.KeyID == "" {
			advice += ". If the key does not contain its id, write it as oauth.key_id"
		}
	case r.code == "invalid_dpop_proof" && !r.proof:
		advice = "the app requires DPoP: write oauth.dpop: auto, or leave it out"
	case r.code == "invalid_dpop_proof" || r.code == "use_dpop_nonce":
		advice = "check this machine's clock (NTP), and that no proxy changes the address or the DPoP header. To do without DPoP, write oauth.dpop: off and turn it off in the app"
	case r.code == "invalid_scope":
		advice = "grant the app the scopes " + strings.Join(scopes, ", ")
	case r.code == "unauthorized_client" || r.code == "unsupported_grant_type":
		advice = fmt.Sprintf("the app %s may not use the client credentials grant: make it a service app, and allow that grant", o.ClientID)
	case r.code == "invalid_request":
		advice = "check that base_url is the address of the service itself and not of one of its other authorization servers"
	case r.code == "access_denied":
		advice = "check what the service's policies allow the app " + o.ClientID
	case r.status >= 500:
		out.Outcome, out.Detail.Code, out.Detail.Retryable, advice = abi.Unavailable, "token_answer", true, "try again later"
	case r.code == "":
		out.Outcome, out.Detail.Code = abi.Unavailable, "token_answer"
		advice = fmt.Sprintf("wanted a token from %s, so check base_url", c.audience)
	default:
		advice = "look the code up in the service's documentation"
	}
	if r.skew != 0 {
		advice += fmt.Sprintf(". This machine's clock differs from the service's by %s: set it (NTP)", roughly(r.skew))
	}
	out.Detail.Message = said + ": " + advice
	return out
}
