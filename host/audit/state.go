package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host/internal/redact"
)

// MaxState is the maximum size of an object in a record, in bytes.
const MaxState = 16 << 10

// State is an object at one moment, as JSON.
type State struct {
	Value json.RawMessage `json:"value,omitempty"`
	// Cut says which members Value lacks because the object is too large. Then SHA256 is the hash of the whole object.
	Cut    string `json:"cut,omitempty"`
	SHA256 string `json:"sha256,omitempty"`
	Absent string `json:"absent,omitempty"` // why there is no value
}

// NewState returns the state of an object. If the object is larger than MaxState, it leaves out the largest members and says
// so. It returns nil if there is no object.
func NewState(v json.RawMessage) *State {
	v = bytes.TrimSpace(v)
	switch {
	case len(v) == 0:
		return nil
	case !json.Valid(v):
		return &State{Absent: "it is not JSON"}
	case len(v) <= MaxState:
		return &State{Value: v}
	}
	sum := sha256.Sum256(v)
	s := &State{SHA256: hex.EncodeToString(sum[:])}
	var members map[string]json.RawMessage
	if json.Unmarshal(v, &members) != nil { // an array or a text
		s.Cut = fmt.Sprintf("all of it: %d bytes, at most %d are kept", len(v), MaxState)
		return s
	}
	var out []string
	for size := len(v); size > MaxState; {
		largest := ""
		for name, m := range members {
			if l := len(members[largest]); largest == "" || len(m) > l || len(m) == l && name < largest {
				largest = name
			}
		}
		delete(members, largest)
		out = append(out, largest)
		text, err := json.Marshal(members)
		if err != nil {
			return &State{Absent: err.Error()}
		}
		s.Value, size = text, len(text)
	}
	s.Cut = fmt.Sprintf("%s: %d bytes, at most %d are kept", shortList(out), len(v), MaxState)
	return s
}

// Memory counts bytes that are about to be allocated, and bytes that are free again.
type Memory interface {
	Take(n int64) error
	Give(n int64)
}

// copies is how many copies of an object Masked makes at once, at most.
const copies = 4

// Masked returns the state of an object without its sensitive members. The input schema and the endpoints say which
// those are. If memory has no room for the copies that this takes, the state says so.
func Masked(memory Memory, op *abi.Operation, input, object json.RawMessage) *State {
	size := copies * int64(len(object))
	if memory.Take(size) != nil {
		return &State{Absent: fmt.Sprintf("the process had no memory to copy its %d bytes", len(object))}
	}
	defer memory.Give(size)
	object = redact.Of(op, input).State(object)
	var members []string
	for _, e := range op.Endpoints {
		members = append(members, e.Sensitive...)
	}
	return NewState(redact.AtPaths(members).JSON(object))
}

// shortList joins names, or the first of them if there are many.
func shortList(names []string) string {
	const most = 10
	for i := range names {
		if len(names[i]) > 100 {
			names[i] = strings.ToValidUTF8(names[i][:100], "") + "…"
		}
	}
	if more := len(names) - most; more > 0 {
		return strings.Join(names[:most], ", ") + fmt.Sprintf(" and %d more members", more)
	}
	return strings.Join(names, ", ")
}
