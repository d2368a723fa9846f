// Package hosttest simulates the host, so that operations can be tested natively.
package hosttest

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/hostcall"
)

// Answer is the response to a request: a status, headers and a body, or an error.
type Answer struct {
	Status  int
	Headers map[string][]string // names in lower case
	Body    string
	Err     *abi.SendError
	Planned bool // the write was not sent, as in a plan
}

// Host implements hostcall.Imports with a function that answers requests. It records what the guest does.
type Host struct {
	Answer   func(abi.Request) Answer
	Requests []abi.Request
	Records  []string // emitted records
	WaitedMS int64

	bodies []string
}

var _ hostcall.Imports = (*Host)(nil)

// HTTPSend implements hostcall.Imports.
func (h *Host) HTTPSend(request string) string {
	var req abi.Request
	if err := json.Unmarshal([]byte(request), &req); err != nil {
		panic(err)
	}
	h.Requests = append(h.Requests, req)
	a := h.Answer(req)
	resp := abi.Response{Status: a.Status, Headers: a.Headers, Error: a.Err, Planned: a.Planned}
	if a.Body != "" {
		h.bodies = append(h.bodies, a.Body)
		resp.Body, resp.Length = uint64(len(h.bodies)), int64(len(a.Body))
	}
	return marshal(resp)
}

// BodyRead implements hostcall.Imports.
func (h *Host) BodyRead(handle uint64, offset, length int64) string {
	return h.bodies[handle-1][offset : offset+length]
}

// RecordsEmit implements hostcall.Imports, without limits.
func (h *Host) RecordsEmit(handle uint64, options string) string {
	var o abi.EmitOptions
	if err := json.Unmarshal([]byte(options), &o); err != nil {
		panic(err)
	}
	if handle == 0 || handle > uint64(len(h.bodies)) {
		return marshal(abi.EmitSummary{Error: "there is no body"})
	}
	body := json.RawMessage(h.bodies[handle-1])
	if !json.Valid(body) {
		return marshal(abi.EmitSummary{Error: "the body is not JSON"})
	}
	if o.Path != "" {
		body = at(body, o.Path)
	}
	if !shaped(body, o) {
		return marshal(abi.EmitSummary{Error: "the body is not what was asked for: wanted " + o.Want})
	}
	var records []json.RawMessage
	if json.Unmarshal(body, &records) != nil {
		if len(body) == 0 || body[0] != '{' {
			return marshal(abi.EmitSummary{Error: "the body has no array or object at the path"})
		}
		records = []json.RawMessage{body}
	}
	sum := abi.EmitSummary{Total: len(records)}
	records = records[min(o.Skip, len(records)):]
	if o.Limit > 0 {
		records = records[:min(o.Limit, len(records))]
	}
	if sum.Count = len(records); sum.Count > 0 && !o.Keys {
		sum.First, sum.Last = pick(records[0], o.Summarise), pick(records[len(records)-1], o.Summarise)
	}
	key := o.Key
	if key == "" {
		key = "id"
	}
	for i, r := range records {
		id := text(at(r, key))
		if o.Keys && !keyed(r, key) {
			return marshal(abi.EmitSummary{Error: fmt.Sprintf("record %d has no string or number at %s", i, key)})
		}
		switch {
		case o.Keys:
			sum.Keys = append(sum.Keys, id)
		case o.Kind != "":
			for _, path := range o.Distinct {
				id += "/" + text(at(r, path))[strings.LastIndexByte(text(at(r, path)), '/')+1:]
			}
			h.Records = append(h.Records, envelope(o, id, without(r, o.Omit)))
		default:
			h.Records = append(h.Records, string(without(r, o.Omit)))
		}
	}
	return marshal(sum)
}

// shaped reports whether a body is what the options want.
func shaped(body json.RawMessage, o abi.EmitOptions) bool {
	body = bytes.TrimSpace(body)
	switch o.Want {
	case abi.WantArray:
		var records []json.RawMessage
		if len(body) == 0 || body[0] != '[' || json.Unmarshal(body, &records) != nil {
			return false
		}
		for _, r := range records {
			if r = bytes.TrimSpace(r); r[0] != '{' {
				return false
			}
		}
	case abi.WantObject:
		return len(body) > 0 && body[0] == '{' && keyed(body, cmp.Or(o.Key, "id"))
	}
	return true
}

// keyed reports whether a record has a string or number at a path.
func keyed(record json.RawMessage, path string) bool {
	v := at(record, path)
	return len(v) > 2 && v[0] == '"' || len(v) > 0 && (v[0] == '-' || v[0] >= '0' && v[0] <= '9')
}

func envelope(o abi.EmitOptions, id string, record json.RawMessage) string {
	e := struct {
		Kind   string          `json:"kind"`
		ID     string          `json:"id"`
		Parent string          `json:"parent,omitempty"`
		Record json.RawMessage `json:"record"`
	}{o.Kind, id, o.Parent, record}
	if o.Parent != "" {
		e.ID = o.Parent + "/" + id
	}
	return marshal(e)
}

// at returns the value at object keys joined by dots, or nil if there is none.
func at(v json.RawMessage, path string) json.RawMessage {
	for _, key := range strings.Split(path, ".") {
		var m map[string]json.RawMessage
		if json.Unmarshal(v, &m) != nil {
			return nil
		}
		v = m[key]
	}
	return v
}

func text(v json.RawMessage) string {
	var s string
	if json.Unmarshal(v, &s) != nil {
		return string(v)
	}
	return s
}

// without returns a record without the named members.
func without(record json.RawMessage, names []string) json.RawMessage {
	if len(names) == 0 {
		return record
	}
	var m map[string]json.RawMessage
	if json.Unmarshal(record, &m) != nil {
		return record
	}
	for _, n := range names {
		delete(m, n)
	}
	return json.RawMessage(marshal(m))
}

func pick(record json.RawMessage, names []string) map[string]json.RawMessage {
	some := map[string]json.RawMessage{}
	for _, n := range names {
		if v := at(record, n); v != nil {
			some[n] = v
		}
	}
	return some
}

// RecordEmit implements hostcall.Imports.
func (h *Host) RecordEmit(record string) bool {
	h.Records = append(h.Records, record)
	return true
}

// SecretGet implements hostcall.Imports.
func (h *Host) SecretGet(string) string {
	return marshal(abi.Secret{Scheme: "SSWS", Placeholder: "{token}"})
}

// Wait implements hostcall.Imports without waiting.
func (h *Host) Wait(ms int64) bool {
	h.WaitedMS += ms
	return true
}

func marshal(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}
