package check

import (
	"slices"
	"strings"
	"testing"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/connector"
	"github.com/mach5/okta-connector/guest/hostcall"
	"github.com/mach5/okta-connector/guest/jsonval"
	"github.com/mach5/okta-connector/guest/okta"
)

// desk returns a connector without mistakes.
func desk() *connector.Connector {
	tickets := abi.Endpoint{Endpoint: "GET /tickets", Bucket: "tickets"}
	ticket := abi.Endpoint{Endpoint: "GET /tickets/{ticketId}", Bucket: "tickets"}
	list := connector.List{Endpoint: tickets.Endpoint, Query: []connector.Param{{"status", "state"}}, Next: "next", NextParam: "cursor", MaxPage: 100}
	return &connector.Connector{
		Kind: "desk", Version: "1", ConfigSchema: connector.ConfigSchema("desk", "Desk", "its address"),
		Members: []hostcall.Pair{
			{Name: "auth", Value: `[{"type":"token","header":"X-Desk-Key"}]`},
			{Name: "request_id_header", Value: `"X-Trace"`},
			{Name: "response_headers", Value: `["x-trace"]`},
		},
		Service: connector.Service{Name: "Desk", RequestID: "x-trace", PageParam: "size"},
		Operations: [][]connector.Operation{{
			{Name: "list_tickets", Summary: "Lists tickets.", Class: abi.Read, Surfaces: []abi.Surface{abi.Axon, abi.Ingest, abi.SQL}, Idempotency: abi.Safe,
				Inputs:  []connector.Input{connector.TextInput("status", "20", "their state"), connector.LimitInput, connector.CursorInput},
				Example: `{"status":"open"}`, Key: "ident", Columns: []connector.Column{{"ident", abi.BigInt, "ident", ""}},
				Endpoints: []*abi.Endpoint{&tickets}, List: &list, Source: list.Follow},
			{Name: "get_ticket", Summary: "Reads a ticket.", Class: abi.Read, Surfaces: []abi.Surface{abi.Axon}, Idempotency: abi.Safe,
				Inputs: []connector.Input{connector.IDInput("ticket", "its number")}, Example: `{"ticket":"17"}`, Key: "ident",
				Endpoints: []*abi.Endpoint{&ticket}, Get: &connector.Get{Endpoint: ticket.Endpoint, Path: []connector.Blank{{"ticketId", "ticket"}}}},
		}},
	}
}

func TestConnector_WithoutMistakes_HasNone(t *testing.T) {
	for _, cn := range []*connector.Connector{desk(), okta.Connector()} {
		if found := Connector(cn); found != nil {
			t.Errorf("%s: %s", cn.Kind, strings.Join(found, "\n"))
		}
	}
}

func TestConnector_Mistake_IsOneSentence(t *testing.T) {
	type change = func(cn *connector.Connector, list, get *connector.Operation)
	header := func(name string, values ...string) change {
		return func(_ *connector.Connector, list, _ *connector.Operation) {
			list.Endpoints[0].Headers = []abi.RequestHeader{{Name: name, Values: values}}
		}
	}
	create := func(reveals []string) change { // an operation that makes a ticket whose keys are sensitive
		return func(cn *connector.Connector, _, _ *connector.Operation) {
			cn.Operations = append(cn.Operations, []connector.Operation{{Name: "create_ticket", Summary: "Makes a ticket.", Class: abi.Write, Surfaces: []abi.Surface{abi.Axon},
				Idempotency: abi.Verified, Example: "{}", Endpoints: []*abi.Endpoint{{Endpoint: "POST /tickets", Bucket: "tickets", Sensitive: []string{"keys"}, Reveals: reveals}},
				Do: func(*connector.Call) connector.Result { return connector.Result{} }}})
		}
	}
	source := func(*connector.Call, jsonval.Value) connector.Page { return connector.Page{} }
	for name, c := range map[string]struct {
		change change
		want   []string // parts of the one sentence
	}{
		"no kind":            {func(cn *connector.Connector, _, _ *connector.Operation) { cn.Kind = "" }, []string{"Kind is empty"}},
		"no version":         {func(cn *connector.Connector, _, _ *connector.Operation) { cn.Version = " " }, []string{"Version is empty"}},
		"no service name":    {func(cn *connector.Connector, _, _ *connector.Operation) { cn.Service.Name = "" }, []string{"Service.Name is empty"}},
		"a kind in capitals": {func(cn *connector.Connector, _, _ *connector.Operation) { cn.Kind = "Desk" }, []string{`kind "Desk"`, "lower-case"}},
		"no summary":         {func(_ *connector.Connector, list, _ *connector.Operation) { list.Summary = "" }, []string{"list_tickets", "Summary is empty"}},
		"a misspelt member": {func(cn *connector.Connector, _, _ *connector.Operation) {
			cn.Members[1].Name = "request_id_hdr"
			cn.Service.RequestID = ""
		},
			[]string{`"request_id_hdr"`, "did you mean request_id_header?"}},
		"a member that is no JSON": {func(cn *connector.Connector, _, _ *connector.Operation) { cn.Members[0].Value = "Desk" }, []string{"auth is not JSON", "Desk"}},
		"a member of the SDK's":    {func(cn *connector.Connector, _, _ *connector.Operation) { cn.Members[0].Name = "kind" }, []string{"the SDK writes kind itself"}},
		"a misspelt member of a member": {func(cn *connector.Connector, _, _ *connector.Operation) {
			cn.Members = append(cn.Members, hostcall.Pair{Name: "rate_limit_headers", Value: `{"limt":"X-Limit"}`})
		}, []string{"rate_limit_headers", `"limt"`, "did you mean limit?"}},
		"a member of another type": {func(cn *connector.Connector, _, _ *connector.Operation) { cn.Members[0].Value = `"x-key"` },
			[]string{"auth", "wanted an array, found a string"}},
		"another request id":       {func(cn *connector.Connector, _, _ *connector.Operation) { cn.Service.RequestID = "x-request-id" }, []string{`"x-request-id"`, `"X-Trace"`, "both name the header"}},
		"a request id in capitals": {func(cn *connector.Connector, _, _ *connector.Operation) { cn.Service.RequestID = "X-Trace" }, []string{"lower case"}},
		"a request id that the module does not see": {func(cn *connector.Connector, _, _ *connector.Operation) { cn.Members[2].Value = `[]` },
			[]string{"response_headers lacks", "x-trace"}},
		"a field of its own": {func(cn *connector.Connector, _, _ *connector.Operation) {
			cn.ConfigSchema = strings.Replace(cn.ConfigSchema, `"properties":{`, `"properties":{"workspace":{"type":"string"},`, 1)
		}, []string{"ConfigSchema", `no field "workspace"`}},
		"a misspelt field": {func(cn *connector.Connector, _, _ *connector.Operation) {
			cn.ConfigSchema = strings.Replace(cn.ConfigSchema, `"grants":`, `"grant":`, 1)
		}, []string{`"grant"`, "did you mean grants?"}},

		"nothing to do": {func(_ *connector.Connector, _, get *connector.Operation) { get.Get = nil }, []string{"get_ticket", "does nothing", "Do"}},
		"two things to do": {func(_ *connector.Connector, list, get *connector.Operation) {
			get.Do = func(*connector.Call) connector.Result { return connector.Result{} }
		}, []string{"get_ticket", "Get and Do"}},
		"ingest, no source":   {func(_ *connector.Connector, list, _ *connector.Operation) { list.Source = nil }, []string{"list_tickets", "no Source", "Follow"}},
		"a source, no ingest": {func(_ *connector.Connector, _, get *connector.Operation) { get.Source = source }, []string{"get_ticket", "abi.Ingest"}},
		"ingest, no key":      {func(_ *connector.Connector, list, _ *connector.Operation) { list.Key = "" }, []string{"list_tickets", "Key is empty"}},

		"a misspelt type": {func(_ *connector.Connector, list, _ *connector.Operation) { list.Inputs[0].Schema = `{"type":"strng"}` },
			[]string{"list_tickets", "status", "strng", "did you mean string?"}},
		"a misspelt keyword": {func(_ *connector.Connector, list, _ *connector.Operation) {
			list.Inputs[0].Schema = `{"type":"string","maxLenght":3}`
		},
			[]string{"list_tickets", "status", "maxLenght", "did you mean maxLength?"}},
		"a schema that is no JSON": {func(_ *connector.Connector, list, _ *connector.Operation) { list.Inputs[0].Schema = `string` }, []string{"input status is not JSON"}},
		"an input twice": {func(_ *connector.Connector, list, _ *connector.Operation) {
			list.Inputs = append(list.Inputs, list.Inputs[0])
		}, []string{`"status"`, "twice"}},
		"an example that is refused": {func(_ *connector.Connector, list, _ *connector.Operation) { list.Example = `{"state":"open"}` },
			[]string{"list_tickets", "refuses the example", "state"}},
		"an example that is no JSON": {func(_ *connector.Connector, list, _ *connector.Operation) { list.Example = `open` }, []string{"Example is not JSON"}},

		"another endpoint": {func(_ *connector.Connector, list, _ *connector.Operation) { list.List.Endpoint = "GET /ticket" },
			[]string{"list_tickets: List", `"GET /ticket"`, "did you mean GET /tickets?"}},
		"another endpoint of a get": {func(_ *connector.Connector, _, get *connector.Operation) {
			get.Get.Endpoint = "GET /tickets/{ticketID}"
		},
			[]string{"get_ticket: Get", "did you mean GET /tickets/{ticketId}?"}},
		"no parameter for the size": {func(cn *connector.Connector, _, _ *connector.Operation) { cn.Service.PageParam = "" }, []string{"list_tickets", "MaxPage", "Service.PageParam"}},
		"a misspelt blank": {func(_ *connector.Connector, _, get *connector.Operation) {
			get.Get.Path = append(get.Get.Path, connector.Blank{"ticketID", "ticket"})
		}, []string{"get_ticket: Get", "{ticketID}", "did you mean ticketId?"}},
		"a blank that nothing fills": {func(_ *connector.Connector, _, get *connector.Operation) {
			get.Get.Path, get.Inputs, get.Example = nil, nil, "{}"
		},
			[]string{"get_ticket: Get", "nothing fills {ticketId}"}},
		"a blank from no input": {func(_ *connector.Connector, _, get *connector.Operation) {
			get.Get.Path[0].Input = "tickt"
			get.Get.Query = []connector.Param{{"ticket", "t"}}
		}, []string{"get_ticket: Get", `"tickt"`, "did you mean ticket?"}},
		"a filter from no input": {func(_ *connector.Connector, list, _ *connector.Operation) {
			list.List.Query = []connector.Param{{"statu", "state"}, {"status", "s"}}
		}, []string{"list_tickets: List", `"statu"`, "did you mean status?"}},
		"an input that nothing sends": {func(_ *connector.Connector, list, _ *connector.Operation) { list.List.Query = nil }, []string{"list_tickets", "nothing sends the input status"}},
		"a filter that the endpoint refuses": {func(_ *connector.Connector, list, _ *connector.Operation) { list.Endpoints[0].Query = []string{"stat"} },
			[]string{"list_tickets: List", "state", "did you mean stat?"}},

		"two ways of paging":   {func(_ *connector.Connector, list, _ *connector.Operation) { list.List.Offset = "skip" }, []string{"list_tickets: List", "Keep the one"}},
		"a token from nowhere": {func(_ *connector.Connector, list, _ *connector.Operation) { list.List.Next = "" }, []string{"list_tickets: List", "NextParam"}},
		"a numbered source": {func(_ *connector.Connector, list, _ *connector.Operation) {
			list.List.Next, list.List.NextParam, list.List.PageNumber = "", "", "page"
		}, []string{"list_tickets: List", "Follow", "PageNumber"}},
		"a write in a list": {func(_ *connector.Connector, list, _ *connector.Operation) {
			list.Endpoints[0].Endpoint = "POST /tickets"
			list.List.Endpoint = "POST /tickets"
		}, []string{"list_tickets: List", "not a GET"}},
		"a read that writes": {func(_ *connector.Connector, list, _ *connector.Operation) {
			list.Endpoints = append(list.Endpoints, &abi.Endpoint{Endpoint: "POST /tickets", Bucket: "x"})
		}, []string{"list_tickets", "POST /tickets", "exceeds class read", "GET"}},

		"a misspelt delimiter": {func(_ *connector.Connector, _, get *connector.Operation) {
			get.Endpoints[0].Delimiters = []string{"ticketID"}
		}, []string{"endpoint GET /tickets/{ticketId}: Delimiters", `"ticketID"`, "did you mean ticketId?"}},
		"a delimiter without blanks": {func(_ *connector.Connector, list, _ *connector.Operation) {
			list.Endpoints[0].Delimiters = []string{"path"}
		}, []string{"endpoint GET /tickets: Delimiters", `"path"`, "there are none"}},
		"a delimiter twice": {func(_ *connector.Connector, _, get *connector.Operation) {
			get.Endpoints[0].Delimiters = []string{"ticketId", "ticketId"}
		}, []string{"Delimiters", "ticketId", "twice"}},
		"a header in another case": {header("If-match"), []string{"endpoint GET /tickets: Headers", `"If-match"`, "did you mean If-Match?"}},
		"a header of another kind": {header("X-HTTP-Method-Override", "PUT"), []string{"Headers", "X-HTTP-Method-Override", "no module may send", "Accept, If-Match, Prefer"}},
		"a content type":           {header("Content-Type", "application/json"), []string{"Content-Type", "remove it"}},
		"a header without values":  {header("Prefer"), []string{"Headers lists Prefer without Values"}},
		"a header of two lines":    {header("Prefer", "a\r\nb"), []string{"header Prefer", "not printable ASCII"}},
		"a header's value twice":   {header("Prefer", "a", "a"), []string{"header Prefer", "twice"}},
		"a header twice": {func(_ *connector.Connector, list, _ *connector.Operation) {
			list.Endpoints[0].Headers = []abi.RequestHeader{{Name: "If-Match"}, {Name: "If-Match"}}
		}, []string{"If-Match twice", "one entry"}},
		"what a read reveals": {func(_ *connector.Connector, list, _ *connector.Operation) {
			list.Endpoints[0].Sensitive, list.Endpoints[0].Reveals = []string{"secret"}, []string{"secret"}
		}, []string{"endpoint GET /tickets: Reveals lists secret", "class read"}},
		"a misspelt member that is revealed": {create([]string{"key"}), []string{"endpoint POST /tickets: Reveals", `"key"`, "did you mean keys?"}},
		"a member that is revealed twice":    {create([]string{"keys", "keys"}), []string{"Reveals", "keys", "twice"}},
	} {
		t.Run(name, func(t *testing.T) {
			cn := desk()
			c.change(cn, &cn.Operations[0][0], &cn.Operations[0][1])
			found := Connector(cn)
			if len(found) != 1 || strings.Contains(found[0], "\n") || slices.ContainsFunc(c.want, func(part string) bool { return !strings.Contains(found[0], part) }) {
				t.Errorf("%q, want one sentence with %q", found, c.want)
			}
		})
	}
}
