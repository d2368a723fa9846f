//go:build wasip1

package main

import (
	"strings"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/connector/clock"
	"github.com/mach5/okta-connector/guest/hostcall"
	"github.com/mach5/okta-connector/guest/jsonval"
)

// overlap is the time in milliseconds that is read again when the depot refuses a mark.
const overlap = 5 * 60 * 1000

// movements returns a page of the source. The checkpoint has the depot's mark of the place in its log, and the time of the
// latest movement. If the depot refuses the mark, the source resumes by time.
func movements(call jsonval.Value) string {
	mark, at := call.At("checkpoint", "mark").Str(), call.At("checkpoint", "at").Str()
	size := call.At("config", "page_size").Raw()
	r := log(getMovements, size, hostcall.Pair{Name: "after", Value: mark})
	warning := ""
	if r.Err == nil && r.Status == 400 && at != "" {
		body, _ := host.Body(r)
		warning = "the mark is no longer accepted (" + body.At("fault", "kind").Str() + "): resuming by time"
		r = log(getMovements, size, hostcall.Pair{Name: "from", Value: own(at, -overlap)})
	}
	if !ok(r) {
		return refused(r)
	}
	s := host.Emit(r.Body, abi.EmitOptions{Path: "movements", Summarise: []string{"at"}})
	if s.Err != "" {
		return failed("rejected", "too_large", s.Err)
	}
	next, err := host.Keys(r.Body, abi.EmitOptions{Path: "paging", Key: "continue"})
	marks, errMark := host.Keys(r.Body, abi.EmitOptions{Path: "paging", Key: "mark"})
	if err != "" || errMark != "" || len(next) != 1 || len(marks) != 1 {
		return failed("failed", "no_cursor", "the answer of the depot has no mark")
	}
	last := rfc3339(s.Last.Get("at").Str())
	if last > at {
		at = last
	}
	var w, checkpoint jsonval.Writer
	w.Str("outcome", "succeeded").Raw("checkpoint", checkpoint.Str("mark", marks[0]).StrIf("at", at).String())
	w.Bool("caught_up", next[0] == noMore).Int("poll_after_ms", 1000).StrIf("watermark", last)
	if warning != "" {
		w.Raw("warnings", `["`+warning+`"]`)
	}
	return w.String()
}

// history returns a page of the movements of a time or an item. The cursor has the depot's cursor and the times that it belongs to.
func history(in jsonval.Value, cursor string) string {
	from, to := own(in.Get("since").Str(), 0), own(in.Get("until").Str(), 0)
	times, place := from+"/"+to+"/", ""
	if cursor != "" {
		var ours bool
		if place, ours = strings.CutPrefix(cursor, times); !ours {
			return failed("invalid", "cursor", "the cursor belongs to another since or until")
		}
	}
	r := log(getHistory, in.Get("page_size").Raw(), hostcall.Pair{Name: "from", Value: from}, hostcall.Pair{Name: "to", Value: to},
		hostcall.Pair{Name: "sku", Value: in.Get("sku").Str()}, hostcall.Pair{Name: "shelf", Value: in.Get("shelf").Str()}, hostcall.Pair{Name: "continue", Value: place})
	if !ok(r) {
		return refused(r)
	}
	if s := host.Emit(r.Body, abi.EmitOptions{Path: "movements"}); s.Err != "" {
		return failed("rejected", "too_large", s.Err)
	}
	next, err := host.Keys(r.Body, abi.EmitOptions{Path: "paging", Key: "continue"})
	if err != "" || len(next) != 1 {
		return failed("failed", "no_cursor", "the answer of the depot has no cursor")
	}
	var w jsonval.Writer
	if w.Str("outcome", "succeeded"); next[0] != noMore {
		w.Str("cursor", times+next[0])
	}
	return w.String()
}

// log requests a page of movements. size is a page size, or "" for 1,000. Empty parameters are not sent.
func log(endpoint, size string, params ...hostcall.Pair) hostcall.Response {
	if size == "" {
		size = "1000"
	}
	req := hostcall.Request{Endpoint: endpoint, Query: []hostcall.Pair{{Name: "page_size", Value: size}}}
	for _, p := range params {
		if p.Value != "" {
			req.Query = append(req.Query, p)
		}
	}
	return send(req)
}

// rfc3339 converts a time of the service, such as "31.01.2026 09:00:00" in UTC. It returns "" if the length is wrong.
func rfc3339(at string) string {
	if len(at) != len("31.01.2026 09:00:00") {
		return ""
	}
	return at[6:10] + "-" + at[3:5] + "-" + at[:2] + "T" + at[11:] + "Z"
}

// own adds later to a time in RFC 3339, and converts it to the service's format. It returns "" if the time is not valid.
func own(at string, later clock.Instant) string {
	t, valid := clock.ParseInstant(at)
	if !valid {
		return ""
	}
	s := (t + later).String()
	return s[8:10] + "." + s[5:7] + "." + s[:4] + " " + s[11:19]
}
