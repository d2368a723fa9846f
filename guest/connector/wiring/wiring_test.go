package wiring

import (
	"strings"
	"testing"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/hostcall"
)

func TestMistake_Request_IsComparedWithItsEndpoint(t *testing.T) {
	endpoints := []*abi.Endpoint{{Endpoint: "GET /tickets"}, {Endpoint: "GET /tickets/{ticketId}", Query: []string{"expand"}}, {Endpoint: "POST /tickets", Query: []string{"notify"}, Headers: []abi.RequestHeader{{Name: "If-Match"}}}}
	sends := Sends{"GET /tickets", []string{"state", ""}}
	path := func(name string) []hostcall.Pair { return []hostcall.Pair{{Name: name, Value: "1"}} }
	for _, c := range []struct {
		req  hostcall.Request
		want string
	}{
		{hostcall.Request{Endpoint: "GET /tickets", Query: path("state")}, ""},
		{hostcall.Request{Endpoint: "GET /tickets", Query: path("anything")}, "anything"},
		{hostcall.Request{Endpoint: "POST /tickets", Query: path("state")}, "state"},
		{hostcall.Request{Endpoint: "POST /tickets", Headers: path("Prefer")}, "header Prefer"},
		{hostcall.Request{Endpoint: "POST /tickets", Headers: path("If-Match")}, ""},
		{hostcall.Request{Endpoint: "GET /tickets", Link: "/tickets?after=1"}, ""},
		{hostcall.Request{Endpoint: "GET /tickets/{ticketId}", Path: path("ticketId"), Query: path("expand")}, ""},
		{hostcall.Request{Endpoint: "POST /tickets", Query: path("notify")}, ""},
		{hostcall.Request{Endpoint: "GET /ticket"}, "GET /tickets, GET /tickets/{ticketId}"},
		{hostcall.Request{Endpoint: "GET /tickets/{ticketId}", Path: path("ticketID")}, "nothing fills {ticketId} of GET /tickets/{ticketId}: its path has ticketID"},
		{hostcall.Request{Endpoint: "GET /tickets", Path: path("ticketId")}, "more names than blanks"},
		{hostcall.Request{Endpoint: "GET /tickets/{ticketId}", Path: path("ticketId"), Query: path("expnd")}, "expnd"},
		{hostcall.Request{Endpoint: "POST /tickets", Query: path("notfy")}, "notfy"},
	} {
		if _, got := Mistake(endpoints, sends, c.req); (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%+v: %q, want %q", c.req, got, c.want)
		}
	}
}

// The Query of a literal's endpoint is what code sends and what the literal sends, each once.
func TestDeclared_EndpointOfALiteral_HasItsQuery(t *testing.T) {
	endpoints := []*abi.Endpoint{{Endpoint: "GET /tickets", Query: []string{"state"}}, {Endpoint: "GET /people"}}
	all := Declared(endpoints, Sends{"GET /tickets", []string{"state", "", "after", "after"}})
	if got := strings.Join(all[0].Query, " "); got != "state after" || all[1].Query != nil || len(endpoints[0].Query) != 1 {
		t.Errorf("%q %v, and the endpoint itself has %v", got, all[1].Query, endpoints[0].Query)
	}
}

func TestRefused_ValueThatAHostRefuses_IsReturned(t *testing.T) {
	e := &abi.Endpoint{Endpoint: "GET /files/{path}/{id}", Delimiters: []string{"path"}}
	for _, c := range []struct {
		req  hostcall.Request
		want string
	}{
		{hostcall.Request{Path: []hostcall.Pair{{Name: "path", Value: "a/b?c#d;e"}, {Name: "id", Value: "x"}}}, ""},
		{hostcall.Request{Path: []hostcall.Pair{{Name: "id", Value: "a/b"}}}, "id"},
		{hostcall.Request{Path: []hostcall.Pair{{Name: "path", Value: "a/../b"}}}, "path"},
		{hostcall.Request{Headers: []hostcall.Pair{{Name: "If-Match", Value: "*"}}}, "If-Match"},
		{hostcall.Request{Headers: []hostcall.Pair{{Name: "If-Match", Value: `W/"1"`}}}, ""},
		{hostcall.Request{Query: []hostcall.Pair{{Name: "q", Value: "a\x00"}}}, "q"},
		{hostcall.Request{Query: []hostcall.Pair{{Name: "q", Value: strings.Repeat("x", abi.MaxQuery)}}}, "q"},
	} {
		if name, _, err := Refused(e, c.req); name != c.want || (err == nil) != (c.want == "") {
			t.Errorf("%.100v: %q %v, want %q", c.req, name, err, c.want)
		}
	}
}
