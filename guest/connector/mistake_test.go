package connector

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/hostcall"
	"github.com/mach5/okta-connector/guest/hostcall/hosttest"
)

// mistaken runs an operation whose code is do, and returns its result and the requests that reached the host.
func mistaken(t *testing.T, errors Errors, answer hosttest.Answer, do func(*Call) Result) (out abi.InvokeOutput, requests []abi.Request) {
	t.Helper()
	cn := &Connector{Service: Service{Name: "Desk", RequestID: "trace", Errors: errors}, Operations: [][]Operation{{{Name: "close_ticket", Class: abi.Write,
		Surfaces: []abi.Surface{abi.Axon}, Key: "no", Endpoints: []*abi.Endpoint{{Endpoint: "GET /tickets/{ticketId}"}, {Endpoint: "PUT /tickets/{ticketId}"}}, Do: do}}}}
	host := &hosttest.Host{Answer: func(abi.Request) hosttest.Answer { return answer }}
	text, err := cn.Invoke(hostcall.New(host), `{"operation":"close_ticket","input":{},"settings":{}}`)
	if err == nil {
		err = json.Unmarshal([]byte(text), &out)
	}
	if err != nil {
		t.Fatal(err)
	}
	return out, host.Requests
}

// TestRequest_ThatNoEndpointFits_IsAMistakeOfTheConnector: a host takes it for an attack.
func TestRequest_ThatNoEndpointFits_IsAMistakeOfTheConnector(t *testing.T) {
	for want, req := range map[string]hostcall.Request{
		"GET /ticket/{ticketId}, which is not among its Endpoints": {Endpoint: "GET /ticket/{ticketId}", Path: Pairs("ticketId", "1")},
		"nothing fills {ticketId}":                                 {Endpoint: "GET /tickets/{ticketId}", Path: Pairs("ticketID", "1")},
		"the query notify":                                         {Endpoint: "PUT /tickets/{ticketId}", Path: Pairs("ticketId", "1"), Query: Pairs("notify", "no")},
	} {
		out, requests := mistaken(t, Errors{}, hosttest.Answer{Status: 200, Body: `{"no":1}`}, func(c *Call) Result { return c.Failure(c.SendWithToken(req), "", "") })
		if out.Outcome != abi.Failed || out.Error.Code != "wiring" || !strings.Contains(out.Error.Message, want) || !strings.Contains(out.Error.Message, "close_ticket") || requests != nil {
			t.Errorf("%+v %+v, %d requests, want %q", out, out.Error, len(requests), want)
		}
	}
}

func TestChange_WithoutLook_SendsNothing(t *testing.T) {
	out, requests := mistaken(t, Errors{}, hosttest.Answer{Err: &abi.SendError{Code: abi.SendInterrupted, Sent: true}}, func(c *Call) Result {
		return c.Change(Change{Request: hostcall.Request{Endpoint: "PUT /tickets/{ticketId}", Path: Pairs("ticketId", "1")}, What: "closing"})
	})
	if out.Outcome != abi.Failed || !strings.Contains(out.Error.Message, "Look") || requests != nil {
		t.Errorf("%+v %+v, %d requests", out, out.Error, len(requests))
	}
}

func TestFailure_ErrorInAnyPlace_IsRead(t *testing.T) {
	read := func(c *Call) Result {
		_, failed := c.ReadObject(hostcall.Request{Endpoint: "GET /tickets/{ticketId}", Path: Pairs("ticketId", "1")}, "ticket", "ticket")
		return *failed
	}
	traced := map[string][]string{"trace": {"t1"}}
	for _, c := range []struct {
		name    string
		errors  Errors
		answer  hosttest.Answer
		outcome abi.Outcome
		want    string
	}{
		{"by default", Errors{}, hosttest.Answer{Status: 409, Body: `{"code":"busy","message":"it is locked"}`}, abi.Rejected, "409 busy: it is locked"},
		{"at paths", Errors{Code: "fault.kind", Summary: "fault.text"}, hosttest.Answer{Status: 409, Body: `{"fault":{"kind":"busy","text":"it is locked"}}`}, abi.Rejected, "409 busy: it is locked"},
		{"with a number as code", Errors{Code: "error"}, hosttest.Answer{Status: 409, Body: `{"error":17}`}, abi.Rejected, "409 17"},
		{"without a code, and with the request id", Errors{}, hosttest.Answer{Status: 404, Headers: traced, Body: `{}`}, abi.NotFound, "404"},
		{"without either", Errors{}, hosttest.Answer{Status: 404, Body: `{}`}, abi.Unavailable, "base_url"},
		{"of a credential", Errors{}, hosttest.Answer{Status: 401, Headers: traced, Body: `{"code":"unauthorized","message":"bad key"}`}, abi.Rejected, "token_secret_ref"},
	} {
		if out, _ := mistaken(t, c.errors, c.answer, read); out.Outcome != c.outcome || !strings.Contains(out.Error.Message, c.want) {
			t.Errorf("%s: %s %+v, want %s and %q", c.name, out.Outcome, out.Error, c.outcome, c.want)
		}
	}
}
