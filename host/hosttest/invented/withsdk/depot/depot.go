// Package depot is the connector of the invented service, written with the SDK. It shows that the SDK suits services
// with other conventions: a page token in the body, offsets, page numbers, keys of any name, If-Match.
package depot

import (
	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/connector"
	"github.com/mach5/okta-connector/guest/hostcall"
	"github.com/mach5/okta-connector/guest/jsonval"
)

// Connector returns the connector.
func Connector() *connector.Connector {
	return &connector.Connector{
		Kind:         "depot",
		Version:      "2.0.0",
		ConfigSchema: connector.ConfigSchema("depot", "the depot", "the depot's address, such as https://depot.example.com"),
		Members: []hostcall.Pair{
			{Name: "auth", Value: `[{"type":"token","header":"X-Depot-Key"}]`},
			{Name: "request_id_header", Value: `"Depot-Trace"`},
			{Name: "response_headers", Value: `["depot-trace"]`},
			{Name: "time_layouts", Value: `["DD.MM.YYYY hh:mm:ss"]`},
			{Name: "rate_limit_headers", Value: `{"limit":"Depot-Quota","remaining":"Depot-Quota-Left","reset":"Depot-Quota-Renews-In"}`},
			{Name: "rate_limit_habits", Value: `{"reset":"delta","window_seconds":10}`},
			{Name: "rate_limit_errors", Value: `{"code":"fault.kind","summary":"fault.text","buckets":["slow_down"]}`},
		},
		Service: connector.Service{
			Name:      "The depot",
			RequestID: "depot-trace",
			PageParam: "page_size",
			Errors:    connector.Errors{Code: "fault.kind", Summary: "fault.text"},
			Objects:   []connector.ObjectKind{{Segment: "items", Input: "sku", Read: getItem.Endpoint, Key: "sku"}},
		},
		Operations: [][]connector.Operation{items, stock},
	}
}

var (
	getItem      = abi.Endpoint{Endpoint: "GET /v2/items/{sku}", Bucket: "items"}
	getItems     = abi.Endpoint{Endpoint: "GET /v2/items", Bucket: "items"}
	patchItem    = abi.Endpoint{Endpoint: "PATCH /v2/items/{sku}", Bucket: "items", Headers: ifMatch}
	deleteItem   = abi.Endpoint{Endpoint: "DELETE /v2/items/{sku}", Bucket: "items", Headers: ifMatch}
	getMovements = abi.Endpoint{Endpoint: "GET /v2/movements", Bucket: "movements", Query: []string{"after", "page_size"}}
	getStock     = abi.Endpoint{Endpoint: "GET /v2/stock", Bucket: "stock"}
	getBoxes     = abi.Endpoint{Endpoint: "GET /v2/boxes", Bucket: "stock"}
)

var ifMatch = []abi.RequestHeader{{Name: "If-Match"}}

var (
	all     = []abi.Surface{abi.Axon, abi.SQL}
	actions = []abi.Surface{abi.Axon}

	skuInput   = connector.IDInput("sku", "the item's SKU")
	shelfInput = connector.NameInput("shelf", "the shelf")
	sizeInput  = connector.Input{"page_size", false, `{"type":"integer","minimum":1,"maximum":100,"description":"records per request"}`}
)

var items = []connector.Operation{
	{
		Name: "get_item", Summary: "Reads an item by its SKU.", Class: abi.Read, Surfaces: all, Idempotency: abi.Safe,
		Inputs: []connector.Input{skuInput}, Example: `{"sku":"drill-1"}`, Key: "sku", Columns: itemColumns,
		Endpoints: []*abi.Endpoint{&getItem},
		Get:       &connector.Get{Endpoint: getItem.Endpoint, Path: []connector.Blank{{"sku", "sku"}}, Noun: "item", Type: "item"},
	},
	{
		Name: "list_items", Summary: "Lists all items, or those on one shelf.", Class: abi.Read, Surfaces: all, Idempotency: abi.Safe,
		Inputs:  []connector.Input{connector.TextInput("shelf", "64", "only items on this shelf"), sizeInput, connector.LimitInput, connector.CursorInput},
		Example: `{"shelf":"A"}`, Key: "sku", Columns: itemColumns,
		Endpoints: []*abi.Endpoint{&getItems},
		List: &connector.List{Endpoint: getItems.Endpoint, Query: []connector.Param{{"shelf", "shelf"}}, MaxPage: 100, Records: "data.items",
			Next: "paging.continue", NextParam: "continue", NextEnd: "end"},
	},
	{
		Name: "poll_movements", Summary: "Follows what moved in the depot.", Class: abi.Read, Surfaces: []abi.Surface{abi.Ingest}, Idempotency: abi.Safe,
		Inputs: []connector.Input{sizeInput}, Example: `{}`, Key: "no",
		Endpoints: []*abi.Endpoint{&getMovements}, Source: movements,
	},
	{
		Name: "move_item", Summary: "Moves an item to another shelf.", Class: abi.Write, Surfaces: actions, Idempotency: abi.Verified,
		Inputs: []connector.Input{skuInput, shelfInput}, Example: `{"sku":"drill-1","shelf":"C"}`, Key: "sku",
		Endpoints: []*abi.Endpoint{&getItem, &patchItem}, Do: move,
	},
	{
		Name: "scrap_item", Summary: "Removes an item for good.", Class: abi.Destructive, Surfaces: actions, Idempotency: abi.Verified,
		Inputs: []connector.Input{skuInput}, Example: `{"sku":"drill-1"}`, Key: "sku",
		Endpoints: []*abi.Endpoint{&getItem, &deleteItem}, Do: scrap,
	},
}

var itemColumns = []connector.Column{
	{"sku", abi.Varchar, "sku", ""},
	{"shelf", abi.Varchar, "place.shelf", ""},
	{"label", abi.Varchar, "label|sku", ""},
	{"place", abi.JSON, "place", ""},
	{"weight", abi.Double, "weight", ""},
	{"changed", abi.TimestampTZ, "changed", ""},
}

// stock has lists with an offset or page numbers. Their keys are numbers.
var stock = []connector.Operation{
	{
		Name: "list_stock", Summary: "Lists what is in stock, oldest first.", Class: abi.Read, Surfaces: []abi.Surface{abi.Axon, abi.Ingest, abi.SQL}, Idempotency: abi.Safe,
		Inputs: []connector.Input{sizeInput, connector.LimitInput, connector.CursorInput}, Example: `{}`, Key: "entry.no",
		Columns:   []connector.Column{{"no", abi.BigInt, "entry.no", ""}, {"sku", abi.Varchar, "sku", ""}},
		Endpoints: []*abi.Endpoint{&getStock}, List: &stockList, Source: stockList.Follow,
	},
	{
		Name: "list_boxes", Summary: "Lists boxes.", Class: abi.Read, Surfaces: all, Idempotency: abi.Safe,
		Inputs: []connector.Input{sizeInput, connector.LimitInput, connector.CursorInput}, Example: `{}`, Key: "no",
		Columns:   []connector.Column{{"no", abi.BigInt, "no", ""}, {"sku", abi.Varchar, "sku", ""}},
		Endpoints: []*abi.Endpoint{&getBoxes},
		List:      &connector.List{Endpoint: getBoxes.Endpoint, MaxPage: 100, PageNumber: "page"},
	},
}

var stockList = connector.List{Endpoint: getStock.Endpoint, MaxPage: 100, Records: "stock", Offset: "offset"}

// movements is a custom Source. Its checkpoint has the number of the last movement.
func movements(c *connector.Call, checkpoint jsonval.Value) (p connector.Page) {
	after := checkpoint.Get("after").Raw()
	if after == "" {
		after = "0"
	}
	req := hostcall.Request{Endpoint: getMovements.Endpoint, Query: append(connector.Pairs("after", after), c.Params([]connector.Param{{"page_size", "page_size"}})...)}
	resp := c.SendWithToken(req)
	if !connector.OK(resp) {
		p.Result = c.Failure(resp, "", "")
		return p
	}
	sum := c.Emit(resp.Body, abi.EmitOptions{Path: "movements", Want: abi.WantArray, Keyed: true, Summarise: []string{"no"}})
	if sum.Err != "" {
		p.Result = c.BadBody(resp, sum.Err)
		return p
	}
	if no := sum.Last.Get("no").Raw(); no != "" {
		after = no
	}
	var w jsonval.Writer
	p.Outcome, p.Checkpoint = abi.Succeeded, w.Raw("after", after).String()
	if sum.Total == 0 {
		p.CaughtUp, p.PollAfterMS = true, 1000
	}
	return p
}

// look returns a function that reads the item of the input, and the path of its requests.
func look(c *connector.Call) (read func() (connector.Object, *connector.Result), path []hostcall.Pair) {
	path = connector.Pairs("sku", c.Str("sku"))
	return func() (connector.Object, *connector.Result) {
		return c.ReadObject(hostcall.Request{Endpoint: getItem.Endpoint, Path: path}, "item", "item")
	}, path
}

func move(c *connector.Call) connector.Result {
	read, path := look(c)
	before, failed := read()
	if failed != nil {
		return *failed
	}
	isThere := func(item connector.Object) bool { return item.At("place", "shelf").Str() == c.Str("shelf") }
	if isThere(before) {
		return connector.Result{Outcome: abi.Unchanged, Output: before.Raw()}
	}
	var place, body jsonval.Writer
	body.Raw("place", place.Str("shelf", c.Str("shelf")).String())
	return c.Change(connector.Change{
		Request: hostcall.Request{Endpoint: patchItem.Endpoint, Path: path, Headers: connector.Pairs("If-Match", before.ETag), Body: body.String()},
		Noun:    "item", Type: "item", What: "moving " + c.Str("sku"), Undone: "the item was not moved",
		Look: connector.Look(read, isThere, func(item connector.Object) string { return item.Raw() }),
	})
}

func scrap(c *connector.Call) connector.Result {
	read, path := look(c)
	before, failed := read()
	if failed != nil {
		if before.Gone && c.Settling { // by the earlier run
			return c.Reconcile(connector.Result{Output: "{}"})
		}
		return *failed
	}
	isGone := func(item connector.Object) bool { return item.Gone }
	return c.Change(connector.Change{
		Request: hostcall.Request{Endpoint: deleteItem.Endpoint, Path: path, Headers: connector.Pairs("If-Match", before.ETag)},
		Noun:    "item", Type: "item", What: "removing " + c.Str("sku"), Undone: "the item is still there", Final: true,
		Done: func(hostcall.Response) connector.Result {
			return connector.Result{Outcome: abi.Succeeded, Output: before.Raw()}
		},
		Look: connector.Look(read, isGone, func(connector.Object) string { return before.Raw() }),
	})
}
