//go:build wasip1

// Command guest is the connector of the invented service. It uses Extism's go-pdk for its input and output, in place of the
// SDK's smaller implementation, to show that both run on the host.
package main

import (
	_ "embed"

	"github.com/extism/go-pdk"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/hostcall"
	"github.com/mach5/okta-connector/guest/jsonval"
)

//go:embed manifest.json
var manifest string

// The endpoints, as in the manifest.
const (
	getItem      = "GET /v2/items/{sku}"
	listItems    = "GET /v2/items"
	addItem      = "POST /v2/items"
	patchItem    = "PATCH /v2/items/{sku}"
	deleteItem   = "DELETE /v2/items/{sku}"
	getMovements = "GET /v2/movements"
	getHistory   = "GET /v2/history"
)

// noMore is the cursor of the service's last page.
const noMore = "end"

var host = hostcall.New(hostcall.Wasm{})

//go:wasmexport describe
func describe() int32 {
	pdk.OutputString(manifest)
	return 0
}

//go:wasmexport invoke
func invoke() int32 { return export(invoked) }

//go:wasmexport source
func source() int32 { return export(movements) }

//go:wasmexport table
func table() int32 { return export(rows) }

func main() {}

func export(f func(call jsonval.Value) string) int32 {
	call, err := jsonval.Parse(pdk.InputString())
	if err != nil {
		return 1
	}
	pdk.OutputString(f(call))
	return 0
}

func invoked(call jsonval.Value) string {
	in := call.Get("input")
	switch call.Get("operation").Str() {
	case "get_item":
		return get(in)
	case "list_items":
		return list(in)
	case "move_item":
		return move(call, in)
	case "add_item":
		return add(call, in)
	case "scrap_item":
		return scrap(call, in)
	}
	return failed("failed", "no_operation", "the connector does not have this operation")
}

// send sends a request with the credential in the service's header.
func send(req hostcall.Request) hostcall.Response {
	if header, err := host.Credential("token"); err == "" {
		req.Headers = append(req.Headers, header)
	}
	return host.Send(req)
}

func item(endpoint, sku, body, match string) hostcall.Response {
	req := hostcall.Request{Endpoint: endpoint, Path: []hostcall.Pair{{Name: "sku", Value: sku}}, Body: body}
	if match != "" {
		req.Headers = []hostcall.Pair{{Name: "If-Match", Value: match}}
	}
	return send(req)
}

func get(in jsonval.Value) string {
	r := item(getItem, in.Get("sku").Str(), "", "")
	if !ok(r) {
		return refused(r)
	}
	return emitted(r)
}

func emitted(r hostcall.Response) string {
	if s := host.Emit(r.Body, abi.EmitOptions{}); s.Err != "" {
		return failed("failed", "emit", s.Err)
	}
	return `{"outcome":"succeeded"}`
}

// page requests one page of items and emits at most most of them; 0 means all. It returns the cursor of the next page, which
// is a member of the body.
func page(in jsonval.Value, cursor string, most int) (next string, emitted hostcall.Summary, fail string) {
	req := hostcall.Request{Endpoint: listItems}
	for _, q := range []hostcall.Pair{{Name: "shelf", Value: in.Get("shelf").Str()}, {Name: "page_size", Value: in.Get("page_size").Raw()}, {Name: "continue", Value: cursor}} {
		if q.Value != "" {
			req.Query = append(req.Query, q)
		}
	}
	r := send(req)
	if !ok(r) {
		return "", emitted, refused(r)
	}
	keys, err := host.Keys(r.Body, abi.EmitOptions{Path: "paging", Key: "continue"})
	if err != "" {
		return "", emitted, failed("failed", "no_cursor", err)
	}
	if emitted = host.Emit(r.Body, abi.EmitOptions{Path: "data.items", Limit: most}); emitted.Err != "" {
		return "", emitted, failed("rejected", "too_large", emitted.Err)
	}
	if len(keys) == 1 && keys[0] != noMore {
		next = keys[0]
	}
	return next, emitted, ""
}

func list(in jsonval.Value) string {
	limit, n, cursor := int(in.Get("limit").Int()), 0, in.Get("cursor").Str()
	for {
		left := 0
		if limit > 0 {
			left = limit - n
		}
		next, emitted, fail := page(in, cursor, left)
		if fail != "" {
			return fail
		}
		n, cursor = n+emitted.Count, next
		if cursor == "" || limit > 0 && n >= limit {
			break
		}
	}
	var w jsonval.Writer
	return w.Str("outcome", "succeeded").Bool("list", true).StrIf("next_cursor", cursor).BoolIf("truncated", cursor != "").String()
}

func rows(call jsonval.Value) string {
	in := call.Get("input")
	if call.Get("operation").Str() == "get_item" {
		switch r := item(getItem, in.Get("sku").Str(), "", ""); {
		case ok(r):
			return emitted(r)
		case r.Status == 404:
			return `{"outcome":"succeeded"}` // a table without a row
		default:
			return refused(r)
		}
	}
	if op := call.Get("operation").Str(); op == "range_movements" || op == "list_item_movements" {
		return history(in, call.Get("cursor").Str())
	}
	next, _, fail := page(in, call.Get("cursor").Str(), 0)
	if fail != "" {
		return fail
	}
	var w jsonval.Writer
	return w.Str("outcome", "succeeded").StrIf("cursor", next).String()
}
