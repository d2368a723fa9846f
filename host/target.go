package host

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"strings"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host/internal/redact"
	"github.com/mach5/okta-connector/host/journal"
)

// targetOf is what a write is for, as the journal keeps it: of what is sensitive, only what tells it apart.
func targetOf(w abi.PlannedWrite, values redact.Values) journal.Target {
	path, _, _ := strings.Cut(w.Target, "?")
	segments := strings.Split(path, "/")
	for i, s := range segments {
		if plain, err := url.PathUnescape(s); err == nil && values.Fill(plain) {
			sum := sha256.Sum256([]byte(plain))
			segments[i] = hex.EncodeToString(sum[:])
		}
	}
	return journal.Target{Endpoint: w.Endpoint, Path: strings.Join(segments, "/"), Body: bodyID(w.Body)}
}

// bodyID is the member id of a write's body. A body of another form names nothing.
func bodyID(body json.RawMessage) string {
	var object struct {
		ID string `json:"id"`
	}
	if json.Unmarshal(body, &object) != nil {
		return ""
	}
	return object.ID
}

// settleTarget is what the write of an earlier run was for, as the guest gets it; nil where that is not known.
func settleTarget(t journal.Target) *abi.SettleTarget {
	_, template, ok := strings.Cut(t.Endpoint, " ")
	if !ok {
		return nil
	}
	out := abi.SettleTarget{Endpoint: t.Endpoint, Path: map[string]string{}, Body: t.Body}
	names, values := strings.Split(template, "/"), strings.Split(t.Path, "/")
	if len(names) != len(values) {
		return nil
	}
	for i, name := range names {
		if len(name) > 2 && name[0] == '{' {
			value, err := url.PathUnescape(values[i])
			if err != nil {
				return nil
			}
			out.Path[name[1:len(name)-1]] = value
		}
	}
	return &out
}

// otherObject reports whether a write is for another object than the one that an earlier run wrote to: a blank of the
// same name is filled otherwise, or a body names another id.
func otherObject(earlier, now journal.Target) bool {
	was, is := settleTarget(earlier), settleTarget(now)
	if was == nil || is == nil {
		return false // not known: of a journal of long ago
	}
	for name, value := range is.Path {
		if before, ok := was.Path[name]; ok && before != value {
			return true
		}
	}
	return was.Endpoint == is.Endpoint && was.Body != is.Body
}
