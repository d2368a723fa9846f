package gate

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"net/url"
	"strings"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host/internal/redact"
	"github.com/mach5/okta-connector/host/journal"
)

// TargetOf returns the target of a write as the journal stores it. Sensitive parts are hashed.
func TargetOf(w abi.PlannedWrite, values redact.Values) journal.Target {
	path, _, _ := strings.Cut(w.Target, "?")
	segments := strings.Split(path, "/")
	for i, s := range segments {
		if plain, err := url.PathUnescape(s); err == nil && values.Fill(plain) {
			sum := sha256.Sum256([]byte(plain))
			segments[i] = hex.EncodeToString(sum[:])
		}
	}
	return journal.Target{Endpoint: w.Endpoint, Path: strings.Join(segments, "/"), Body: BodyID(w.Body)}
}

// BodyID returns the JSON member "id" of a write's body, or "" if the body has none.
func BodyID(body json.RawMessage) string {
	var object struct {
		ID string `json:"id"`
	}
	if json.Unmarshal(body, &object) != nil {
		return ""
	}
	return object.ID
}

// SettleTarget converts the journaled target of an earlier run's write to the form that the guest gets. It returns nil if
// the endpoint and path do not match.
func SettleTarget(t journal.Target) *abi.SettleTarget {
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

// OtherObject reports whether a write targets a different object than an earlier run's write. It does if a blank of
// the path template has another value, or if the body has another id.
func OtherObject(earlier, now journal.Target) bool {
	was, is := SettleTarget(earlier), SettleTarget(now)
	if was == nil || is == nil {
		return false // unknown: an old journal has no target
	}
	for name, value := range is.Path {
		if before, ok := was.Path[name]; ok && before != value {
			return true
		}
	}
	return was.Endpoint == is.Endpoint && was.Body != is.Body
}

// TargetsOf returns the targets of writes, each target once. The caller has masked the sensitive values in writes.
func TargetsOf(writes []abi.PlannedWrite) (all []abi.SettleTarget) {
	for _, w := range writes {
		path, _, _ := strings.Cut(w.Target, "?")
		if t := SettleTarget(journal.Target{Endpoint: w.Endpoint, Path: path, Body: BodyID(w.Body)}); t != nil {
			all = WithTargets(all, []abi.SettleTarget{*t})
		}
	}
	return all
}

// WithTargets appends the targets that all does not have yet, up to MaxPlanned.
func WithTargets(all, more []abi.SettleTarget) []abi.SettleTarget {
next:
	for _, t := range more {
		for _, have := range all {
			if have.Endpoint == t.Endpoint && have.Body == t.Body && maps.Equal(have.Path, t.Path) {
				continue next
			}
		}
		if len(all) < MaxPlanned {
			all = append(all, t)
		}
	}
	return all
}
