package audit

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/cmd/wasm-runner/internal/rows"
	"github.com/mach5/okta-connector/host/audit"
)

// row is an invoke and, with --join, the service's events for it.
type row struct {
	*audit.Invoke
	events []event
}

// column is a column of the report.
type column struct {
	abi.Column
	value func(row) any
}

// Widths of a terminal, in columns, from which on the table has further columns, and all of them.
const (
	roomForWhen    = 54
	roomForWho     = 68
	roomForYear    = 80
	roomForRequest = 110
	RoomForAll     = 150
	roomForSeconds = 200
)

// columns are the columns of a report.
type columns []column

// add appends a column.
func (c *columns) add(name string, typ abi.ColumnType, value func(row) any) {
	*c = append(*c, column{abi.Column{Name: name, Type: typ}, value})
}

// text appends a column of text, in which "" is NULL.
func (c *columns) text(name string, value func(row) string) {
	c.add(name, abi.Varchar, func(r row) any {
		if s := value(r); s != "" {
			return s
		}
		return nil
	})
}

// raw appends a column of JSON.
func (c *columns) raw(name string, value func(row) any) {
	c.add(name, abi.JSON, func(r row) any {
		if text, err := rows.JSON(value(r)); err == nil && len(text) > 0 && string(text) != "null" {
			return json.RawMessage(text)
		}
		return nil
	})
}

// tableColumns returns the columns of the format table. room is the width of the terminal, 0 without one. Even a narrow
// terminal shows operation, target and outcome.
func tableColumns(join bool, room int) (c columns) {
	whole := room == 0 || room >= RoomForAll
	if room == 0 || room >= roomForWhen {
		c.text("when", func(r row) string {
			switch {
			case room == 0 || room >= roomForSeconds:
				return r.Time.UTC().Format("2006-01-02 15:04:05Z")
			case room < roomForYear:
				return r.Time.UTC().Format("01-02 15:04")
			}
			return r.Time.UTC().Format("2006-01-02 15:04")
		})
	}
	if room == 0 || room >= roomForWho {
		c.text("who", runBy)
	}
	if whole {
		c.text("account", shownAccount)
	}
	c.text("operation", func(r row) string { return r.Operation })
	c.text("target", targetOf)
	c.text("outcome", shownOutcome)
	if join {
		c.text("events", shownEvents)
	}
	if whole {
		c.text("connection", func(r row) string { return r.Connection })
		c.text("org", func(r row) string {
			return strings.TrimPrefix(strings.TrimPrefix(r.BaseURL, "https://"), "http://")
		})
	}
	if whole || room >= roomForRequest && !join {
		c.text("request_id", requestID)
	}
	return c
}

// allColumns returns the columns of the other formats, which programs read.
func allColumns(join bool) (c columns) {
	c.add("time", abi.TimestampTZ, func(r row) any { return r.Time.UTC() })
	c.add("started", abi.TimestampTZ, func(r row) any { return timeOrNull(r.Started) })
	c.who()
	c.text("connection", func(r row) string { return r.Connection })
	c.text("base_url", func(r row) string { return r.BaseURL })
	c.text("operation", func(r row) string { return r.Operation })
	c.text("class", func(r row) string { return string(r.Class) })
	c.raw("input", func(r row) any { return r.Input })
	c.text("target", targetOf)
	c.raw("targets", func(r row) any { return r.Targets })
	c.end()
	c.text("request_id", requestID)
	c.raw("request_ids", func(r row) any { return requestIDs(r.Invoke) })
	c.raw("before", func(r row) any { return r.Before })
	c.raw("after", func(r row) any { return r.After })
	c.text("run", func(r row) string { return r.Run })
	c.text("file", func(r row) string { return r.File })
	c.add("line", abi.BigInt, func(r row) any { return int64(r.Line) })
	c.text("broken", func(r row) string { return r.Broken })
	if join {
		c.raw("events", func(r row) any { return append([]event{}, r.events...) })
	}
	return c
}

// who appends who ran an invoke, whose credential acted, and which module ran.
func (c *columns) who() {
	c.text("user", func(r row) string { return process(r).User })
	c.text("uid", func(r row) string { return process(r).UID })
	c.text("host", func(r row) string { return process(r).Host })
	c.add("pid", abi.BigInt, func(r row) any {
		if pid := process(r).PID; pid != 0 {
			return int64(pid)
		}
		return nil
	})
	c.text("account_id", func(r row) string { return account(r).ID })
	c.text("account", func(r row) string { return account(r).Name })
	c.text("account_absent", func(r row) string { return account(r).Absent })
	c.text("module", func(r row) string {
		if r.Module == nil {
			return ""
		}
		return r.Module.Kind + " " + r.Module.Version
	})
	c.text("module_sha256", func(r row) string {
		if r.Module == nil {
			return ""
		}
		return r.Module.SHA256
	})
}

// end appends how an invoke ended, and who approved it.
func (c *columns) end() {
	failure := func(r row) abi.Error {
		if r.Error == nil {
			return abi.Error{}
		}
		return *r.Error
	}
	c.text("outcome", func(r row) string { return string(r.Outcome) })
	c.text("code", func(r row) string { return failure(r).Code })
	c.text("message", func(r row) string { return failure(r).Message })
	c.add("plan", abi.Boolean, func(r row) any { return r.Plan })
	c.add("reconciled", abi.Boolean, func(r row) any { return r.Reconciled })
	c.add("partial", abi.Boolean, func(r row) any { return r.Partial })
	c.add("replayed", abi.Boolean, func(r row) any { return r.Replayed })
	c.text("approved_by", func(r row) string { return r.ApprovedBy })
	c.text("plan_sha256", func(r row) string {
		if r.Approval == nil {
			return ""
		}
		return r.Approval.PlanSHA256
	})
	c.text("idempotency_key", func(r row) string { return r.Key })
	c.add("duration_ms", abi.Double, func(r row) any { return r.DurationMS })
}

// plain returns the names and types of the columns.
func (c columns) plain() []abi.Column {
	all := make([]abi.Column, len(c))
	for i := range c {
		all[i] = c[i].Column
	}
	return all
}

// values returns the values of a row.
func (c columns) values(r row) []any {
	values := make([]any, len(c))
	for i := range c {
		values[i] = c[i].value(r)
	}
	return values
}

func timeOrNull(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UTC()
}

func process(r row) audit.Process {
	if r.Process == nil {
		return audit.Process{}
	}
	return *r.Process
}

func account(r row) audit.Account {
	if r.Account == nil {
		return audit.Account{}
	}
	return *r.Account
}

// runBy returns who ran an invoke, for people.
func runBy(r row) string {
	p := process(r)
	switch {
	case p.User != "":
		return p.User + "@" + p.Host
	case p.UID != "":
		return "uid " + p.UID + "@" + p.Host
	}
	return ""
}

// shownAccount returns whose credential acted, for people.
func shownAccount(r row) string {
	switch a := account(r); {
	case a.Name != "":
		return a.Name
	case a.ID != "":
		return a.ID
	case a.Absent != "":
		return "(not known)"
	}
	return ""
}

func shownOutcome(r row) string {
	switch {
	case r.Broken != "":
		return string(r.Outcome) + " (chain broken)"
	case r.Replayed:
		return string(r.Outcome) + " (replayed)"
	case r.Reconciled:
		return string(r.Outcome) + " (read back)"
	case r.Partial:
		return string(r.Outcome) + " (half done)"
	}
	return string(r.Outcome)
}

func shownEvents(r row) string {
	var texts []string
	for _, e := range r.events {
		texts = append(texts, e.String())
	}
	return strings.Join(texts, "; ")
}

// targetOf returns what an invoke acted on: the names in the input, and the ids that they were resolved to.
func targetOf(r row) string {
	var named []string
	var walk func(v gjson.Result, depth int)
	walk = func(v gjson.Result, depth int) {
		v.ForEach(func(_, m gjson.Result) bool {
			switch {
			case m.Type == gjson.String && m.Str != "***" && !slices.Contains(named, m.Str):
				named = append(named, m.Str)
			case m.IsObject() && depth < 2:
				walk(m, depth+1)
			}
			return len(named) < 3
		})
	}
	if v := gjson.ParseBytes(r.Input); v.IsObject() {
		walk(v, 0)
	}
	var ids []string
	add := func(id string) {
		if id != "" && !slices.Contains(ids, id) && !slices.Contains(named, id) && len(ids) < 5 {
			ids = append(ids, id)
		}
	}
	for _, t := range r.Targets {
		for segment := range strings.SplitSeq(t.Endpoint, "/") {
			if name, blank := abi.Blank(segment); blank {
				add(t.Path[name])
			}
		}
		add(t.Body)
	}
	if r.After != nil && len(ids) == 0 {
		add(gjson.GetBytes(r.After.Value, "id").Str)
	}
	text := strings.Join(named, " ")
	if len(ids) > 0 {
		text = strings.TrimSpace(text + " (" + strings.Join(ids, ", ") + ")")
	}
	return text
}

// requestID returns the id of the last write, or of the last request if nothing was written.
func requestID(r row) string {
	last := ""
	for _, q := range slices.Backward(r.Requests) {
		switch {
		case q.RequestID == "":
		case !strings.HasPrefix(q.Endpoint, "GET "):
			return q.RequestID
		case last == "":
			last = q.RequestID
		}
	}
	return last
}

// requestIDs returns the ids of all requests of an invoke.
func requestIDs(d *audit.Invoke) []string {
	all := []string{}
	for _, r := range d.Requests {
		if r.RequestID != "" {
			all = append(all, r.RequestID)
		}
	}
	return all
}
