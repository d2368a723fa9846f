// Package hosttest stands in for the host, so that operations can be tested natively.
package hosttest

import (
	"encoding/json"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/hostcall"
)

// Answer is what a request gets: a status, headers and a body, or an error.
type Answer struct {
	Status  int
	Headers map[string][]string // names in lower case
	Body    string
	Err     *abi.SendError
}

// Host implements hostcall.Imports over a function that answers requests. It keeps what it is told.
type Host struct {
	Answer   func(abi.Request) Answer
	Requests []abi.Request
	Records  []string // what was emitted
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
	resp := abi.Response{Status: a.Status, Headers: a.Headers, Error: a.Err}
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

// RecordsEmit implements hostcall.Imports for the paths that tests use: the body itself.
func (h *Host) RecordsEmit(handle uint64, options string) string {
	var o abi.EmitOptions
	if err := json.Unmarshal([]byte(options), &o); err != nil {
		panic(err)
	}
	if handle == 0 || handle > uint64(len(h.bodies)) {
		return marshal(abi.EmitSummary{Error: "there is no body"})
	}
	var records []json.RawMessage
	if err := json.Unmarshal([]byte(h.bodies[handle-1]), &records); err != nil {
		var one map[string]json.RawMessage
		if json.Unmarshal([]byte(h.bodies[handle-1]), &one) != nil {
			return marshal(abi.EmitSummary{Error: "the body is not JSON"})
		}
		records = []json.RawMessage{json.RawMessage(h.bodies[handle-1])}
	}
	sum := abi.EmitSummary{Total: len(records)}
	records = records[min(o.Skip, len(records)):]
	if o.Limit > 0 {
		records = records[:min(o.Limit, len(records))]
	}
	for _, r := range records {
		h.Records = append(h.Records, string(r))
	}
	if sum.Count = len(records); sum.Count > 0 {
		sum.First, sum.Last = pick(records[0], o.Summarise), pick(records[len(records)-1], o.Summarise)
	}
	return marshal(sum)
}

func pick(record json.RawMessage, names []string) map[string]json.RawMessage {
	var all, some = map[string]json.RawMessage{}, map[string]json.RawMessage{}
	if json.Unmarshal(record, &all) != nil {
		return nil
	}
	for _, n := range names {
		if v, ok := all[n]; ok {
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
