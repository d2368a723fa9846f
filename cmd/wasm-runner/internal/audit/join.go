package audit

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/cmd/wasm-runner/internal/cli"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/audit"
)

const (
	maxJoined = 100_000         // most invokes that --join holds in memory
	logMargin = 5 * time.Minute // most that the clocks of this machine and the service differ
	logGap    = time.Hour       // windows with a smaller gap are read as one
)

// event is an event of the service's own log that an invoke caused.
type event struct {
	Published string   `json:"published"`
	EventType string   `json:"event_type"`
	Actor     string   `json:"actor,omitempty"`
	ActorID   string   `json:"actor_id,omitempty"`
	Outcome   string   `json:"outcome,omitempty"`
	Targets   []string `json:"targets,omitempty"`
	UUID      string   `json:"uuid"`
	RequestID string   `json:"request_id"`
}

// String returns the event for people.
func (e event) String() string {
	text := e.EventType
	if e.Outcome != "" && e.Outcome != "SUCCESS" {
		text += " " + e.Outcome
	}
	if e.Actor != "" {
		text += " by " + e.Actor
	}
	return text
}

func newEvent(record json.RawMessage) event {
	v := gjson.ParseBytes(record)
	text := func(path string) string { return strings.Clone(v.Get(path).String()) } // the page reuses the record's memory
	e := event{Published: text("published"), EventType: text("eventType"), Actor: text("actor.alternateId"), ActorID: text("actor.id"),
		Outcome: text("outcome.result"), UUID: text("uuid"), RequestID: text("transaction.id")}
	for _, t := range v.Get("target").Array() {
		name := t.Get("alternateId").String()
		if name == "" || name == "unknown" { // objects without a login
			name = t.Get("displayName").String()
		}
		if len(e.Targets) < 10 {
			e.Targets = append(e.Targets, strings.Clone(name))
		}
	}
	return e
}

// joinEvents reads the service's log around the invokes of the connection. It calls give for each invoke, in order, with its events.
func joinEvents(ctx context.Context, a *cli.App, invokes []*audit.Invoke, give func(*audit.Invoke, []event) error) error {
	s, err := a.Connect(ctx, cli.ConnectOptions{})
	if err != nil {
		return err
	}
	defer s.Close()
	s.LimitMemory()
	byRequest := map[string]*audit.Invoke{}
	var mine []*audit.Invoke
	for _, d := range invokes {
		ids := requestIDs(d)
		if !ofConnection(d, s.Conn) || len(ids) == 0 || d.Replayed {
			continue
		}
		mine = append(mine, d)
		for _, id := range ids {
			byRequest[id] = d
		}
	}
	if len(mine) < len(invokes) {
		a.Warnf("no events for %s: no request went to %s", cli.Counted(int64(len(invokes)-len(mine)), "invoke"), s.Conn.Config().BaseURL)
	}
	events := map[*audit.Invoke][]event{}
	log, err := cli.BackfillOperation(s.Module.Manifest())
	if err != nil {
		return err
	}
	for _, w := range windowsOf(mine) {
		input, err := json.Marshal(map[string]string{"since": w[0].UTC().Format(time.RFC3339), "until": w[1].UTC().Format(time.RFC3339)})
		if err != nil {
			return err
		}
		rows, err := s.Conn.Table(ctx, log, input, host.TableOptions{Columns: []string{"uuid"}, Warn: a.Warner(log)})
		if err != nil {
			return err
		}
		for row, err := range rows.All() {
			if err != nil {
				return err
			}
			d := byRequest[gjson.GetBytes(row.Record, "transaction.id").Str]
			if d != nil && len(events[d]) < maxEvents {
				events[d] = append(events[d], newEvent(row.Record))
			}
		}
	}
	without := 0
	for _, d := range invokes {
		if len(events[d]) == 0 && wrote(d) && ofConnection(d, s.Conn) {
			without++
		}
		if err := give(d, events[d]); err != nil {
			return err
		}
	}
	if without > 0 {
		a.Warnf("no event was found for %s that wrote: the System Log is some seconds late, is kept for 90 days, and has no event for some writes", cli.Counted(int64(without), "invoke"))
	}
	return nil
}

// maxEvents is the most events that an invoke is joined with.
const maxEvents = 1000

// ofConnection reports whether an invoke was done at the connection's org. Records of earlier versions have no address.
func ofConnection(d *audit.Invoke, c *host.Connection) bool {
	if d.BaseURL == "" {
		return d.Connection == c.Config().Name
	}
	return strings.TrimSuffix(d.BaseURL, "/") == strings.TrimSuffix(c.Config().BaseURL, "/")
}

// wrote reports whether the service accepted a write of an invoke.
func wrote(d *audit.Invoke) bool {
	return !d.Replayed && slices.ContainsFunc(d.Requests, func(r abi.RequestMeta) bool {
		return !strings.HasPrefix(r.Endpoint, "GET ") && r.Status >= 200 && r.Status < 300 && r.RequestID != ""
	})
}

// windowsOf returns the ranges of time in which the log has the events of invokes. It merges ranges that are close.
func windowsOf(invokes []*audit.Invoke) (all [][2]time.Time) {
	for _, d := range invokes {
		from := d.Time.Add(-time.Duration(d.DurationMS * float64(time.Millisecond)))
		if !d.Started.IsZero() && d.Started.Before(from) {
			from = d.Started
		}
		all = append(all, [2]time.Time{from.Add(-logMargin), d.Time.Add(logMargin)})
	}
	slices.SortFunc(all, func(a, b [2]time.Time) int { return a[0].Compare(b[0]) })
	merged := all[:0]
	for _, w := range all {
		if n := len(merged); n > 0 && w[0].Before(merged[n-1][1].Add(logGap)) {
			if w[1].After(merged[n-1][1]) {
				merged[n-1][1] = w[1]
			}
			continue
		}
		merged = append(merged, w)
	}
	return merged
}
