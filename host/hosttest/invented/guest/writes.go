//go:build wasip1

package main

import (
	"github.com/mach5/okta-connector/guest/hostcall"
	"github.com/mach5/okta-connector/guest/jsonval"
)

const furnace = "furnace"

// read returns the current item, and the answer.
func read(sku string) (r hostcall.Response, found jsonval.Value) {
	r = item(getItem, sku, "", "")
	if ok(r) {
		found, _ = host.Body(r)
	}
	return r, found
}

func shelfOf(item jsonval.Value) string { return item.At("place", "shelf").Str() }

func move(call, in jsonval.Value) string {
	sku, shelf := in.Get("sku").Str(), in.Get("shelf").Str()
	before, found := read(sku)
	if !ok(before) {
		return refused(before)
	}
	if shelfOf(found) == shelf && !in.Get("pin").Exists() {
		return moved(sku, shelf, shelf, "unchanged", call.Get("settle").True())
	}
	if call.Get("settle").True() && rfc3339(found.Get("changed").Str()) >= call.Get("settle_since").Str() {
		return doubt("the item was changed since the earlier run, and may have been moved by it")
	}
	var place, body jsonval.Writer
	body.Raw("place", place.Str("shelf", shelf).String()).StrIf("pin", in.Get("pin").Str()).BoolIf("burn", shelf == furnace)
	r := item(patchItem, sku, body.String(), before.Header("etag"))
	switch {
	case r.Planned || ok(r):
		return moved(sku, shelfOf(found), shelf, "succeeded", false)
	case lost(r):
		switch again, now := read(sku); {
		case ok(again) && shelfOf(now) == shelf:
			return moved(sku, shelfOf(found), shelf, "succeeded", true)
		case ok(again) && again.Header("etag") == before.Header("etag"):
			return unavailable("no answer came, and the item was not moved")
		}
		return doubt("no answer came, and the item cannot be read or was changed")
	}
	return refused(r)
}

func moved(sku, before, after, outcome string, reconciled bool) string {
	var out, w jsonval.Writer
	out.Str("sku", sku).Str("before", before).Str("after", after)
	if reconciled {
		outcome = "succeeded"
	}
	return w.Str("outcome", outcome).Raw("output", out.String()).BoolIf("reconciled", reconciled).String()
}

func add(call, in jsonval.Value) string {
	sku, shelf := in.Get("sku").Str(), in.Get("shelf").Str()
	if call.Get("settle").True() {
		if r, _ := read(sku); r.Status != 404 {
			return doubt("there is an item of that SKU, which the earlier run may have added")
		}
	}
	var place, body jsonval.Writer
	body.Str("sku", sku).Raw("place", place.Str("shelf", shelf).String())
	r := send(hostcall.Request{Endpoint: addItem, Body: body.String()})
	switch {
	case r.Planned || ok(r):
		return `{"outcome":"succeeded","output":` + body.String() + `}`
	case lost(r):
		if again, _ := read(sku); again.Status == 404 {
			return unavailable("no answer came, and the item was not added")
		}
		return doubt("no answer came, and an item of that SKU may be another's")
	}
	return refused(r)
}

func scrap(call, in jsonval.Value) string {
	sku := in.Get("sku").Str()
	const gone = `{"outcome":"succeeded","reconciled":true}`
	before, _ := read(sku)
	switch {
	case before.Status == 404 && call.Get("settle").True():
		return gone
	case !ok(before):
		return refused(before)
	}
	r := item(deleteItem, sku, "", before.Header("etag"))
	switch {
	case r.Planned || ok(r):
		return `{"outcome":"succeeded"}`
	case lost(r):
		switch again, _ := read(sku); {
		case again.Status == 404:
			return gone
		case ok(again):
			return unavailable("no answer came, and the item is still there")
		}
		return doubt("no answer came, and the item cannot be read")
	}
	return refused(r)
}
