package wiring

import (
	"strings"
	"testing"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/hostcall"
)

func TestMistake_Request_IsComparedWithItsEndpoint(t *testing.T) {
	endpoints := []*abi.Endpoint{{Endpoint: "GET /tickets"}, {Endpoint: "GET /tickets/{ticketId}", Query: []string{"expand"}}, {Endpoint: "POST /tickets", Query: []string{"notify"}}}
	path := func(name string) []hostcall.Pair { return []hostcall.Pair{{Name: name, Value: "1"}} }
	for _, c := range []struct {
		req  hostcall.Request
		want string
	}{
		{hostcall.Request{Endpoint: "GET /tickets", Query: path("anything")}, ""},
		{hostcall.Request{Endpoint: "GET /tickets", Link: "/tickets?after=1"}, ""},
		{hostcall.Request{Endpoint: "GET /tickets/{ticketId}", Path: path("ticketId"), Query: path("expand")}, ""},
		{hostcall.Request{Endpoint: "POST /tickets", Query: path("notify")}, ""},
		{hostcall.Request{Endpoint: "GET /ticket"}, "GET /tickets, GET /tickets/{ticketId}"},
		{hostcall.Request{Endpoint: "GET /tickets/{ticketId}", Path: path("ticketID")}, "nothing fills {ticketId} of GET /tickets/{ticketId}: its path has ticketID"},
		{hostcall.Request{Endpoint: "GET /tickets", Path: path("ticketId")}, "more names than blanks"},
		{hostcall.Request{Endpoint: "GET /tickets/{ticketId}", Path: path("ticketId"), Query: path("expnd")}, "expnd"},
		{hostcall.Request{Endpoint: "POST /tickets", Query: path("notfy")}, "notfy"},
	} {
		if got := Mistake(endpoints, c.req); (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%+v: %q, want %q", c.req, got, c.want)
		}
	}
}
