package host

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/tidwall/gjson"
	"github.com/tidwall/sjson"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host/egress"
	"github.com/mach5/okta-connector/host/journal"
	"github.com/mach5/okta-connector/host/records"
)

// call is one run of an export: what it may do, what it did, and what it got. The policy is bound here and nowhere
// else: an instance has none.
type call struct {
	conn      *Connection
	op        *operation
	class     abi.Class // in force for this input
	surface   abi.Surface
	in        *instance // that runs it
	gate      gate
	settle    bool           // an earlier run of this invoke ended when a write may have left
	since     time.Time      // when that was, by the service's clock
	bound     journal.Target // what it was for
	ceiling   *errCeiling    // that held a write back
	unkept    error          // why the journal could not note a write, which was held back then
	changed   error          // a write that was not approved any more
	approver  string         // of its writes
	uncounted bool           // the last write counted by this machine's clock alone

	placeholder string
	bodies      []body         // by handle - 1
	held        int64          // bytes of memory behind them
	taken       map[uint64]int // by handle: how far records were emitted
	pieces      []piece
	requests    []abi.RequestMeta
	leaving     bool // a write is on its way
	left        bool // a write may have: it was answered, or sent and not answered
	sends       int  // of http_send, refused ones too
	logged      int  // bytes in the log
	records     int
	bytes       int64
	date        time.Time  // of the last answer, by the service's clock
	violation   *abi.Error // the first thing the guest tried that it may not
}

// body is one answer's. A large one is searched for the token when something is taken from it, beside other work.
type body struct {
	buffer   *egress.Buffer
	searched bool
}

// searchAtOnce is the size up to which a body is searched for the token when it arrives, in bytes.
const searchAtOnce = 64 << 10

// piece is the records that one emit took from one body.
type piece struct {
	body  []byte
	spans []records.Span
	keys  []records.Span // places of the keys' values, parallel to spans; nil when they were not looked for
	kind  string
	key   string
}

// callOf is the call for which the guest runs, nil outside of one.
func callOf(ctx context.Context) *call {
	if g, ok := ctx.(*guestContext); ok {
		return g.call
	}
	return nil
}

// end releases what the call holds. Records that were emitted are not valid afterwards.
func (c *call) end() {
	for _, b := range c.bodies {
		b.buffer.Release()
	}
	c.bodies, c.pieces = nil, nil
}

// violate notes what the guest tried, for the result and the log. The first time fails the call: what follows it tells
// nothing new, and would only fill the log.
func (c *call) violate(code, message string) {
	if c.violation != nil {
		return
	}
	c.violation = &abi.Error{Code: code, Message: message}
	if c.mayLog(len(message)) {
		c.conn.log.Warn("a module overstepped its grant", "operation", c.op.Name, "code", code, "detail", message)
	}
}

// mayLog reports whether a line about what the guest did, with so many bytes of its making, still fits into the call's
// part of the log. The first that does not is replaced by one that says so.
func (c *call) mayLog(bytes int) bool {
	const line = 200 // what the host adds
	limit, before := c.conn.limits.LogBytes, c.logged
	c.logged += bytes + line
	if c.logged > limit && before <= limit {
		c.logged = max(c.logged, limit+1)
		c.conn.log.Warn("a call fills the log: the rest of it is left out (limits.log_bytes of the connection)", "operation", c.op.Name, "limit", limit)
	}
	return c.logged <= limit
}

// secret gives the guest a placeholder for the connection's token, fresh for each call.
func (c *call) secret(ref string) abi.Secret {
	if ref != abi.TokenRef {
		return abi.Secret{Error: "no such secret"}
	}
	if c.placeholder == "" {
		var b [16]byte
		_, _ = rand.Read(b[:]) // never fails
		c.placeholder = "{secret:" + hex.EncodeToString(b[:]) + "}"
	}
	return abi.Secret{Scheme: scheme, Placeholder: c.placeholder}
}

// send is http_send: it checks the request against the grants, puts the token in, and has egress send it.
func (c *call) send(ctx context.Context, raw []byte) abi.Response {
	if c.sends++; c.sends > c.conn.limits.Requests { // refused ones count, or a guest could ask without end
		return refused(abi.SendLimit, fmt.Sprintf("the call has made %d requests (limits.requests of the connection): ask for less at once, or raise it",
			c.conn.limits.Requests))
	}
	var req abi.Request
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&req); err != nil {
		return refused(abi.SendMalformed, "the request is not one of the ABI: "+err.Error())
	}
	endpoint, err := c.grant(&req)
	if err != nil {
		c.violate("endpoint_not_granted", err.Error())
		return refused(abi.SendDenied, err.Error())
	}
	authorization, err := c.authorize(&req)
	if err != nil {
		c.violate("secret_misused", err.Error())
		return refused(abi.SendDenied, err.Error())
	}
	if endpoint.Method() != http.MethodGet {
		if out := c.write(ctx, *endpoint, &req); out != nil {
			return *out
		}
	}
	if endpoint.Method() != http.MethodGet {
		c.leaving = true
	}
	started := time.Now()
	resp, sendErr := c.conn.client.Send(ctx, egress.Call{Endpoint: *endpoint, Request: req, Authorization: authorization})
	meta := abi.RequestMeta{Endpoint: req.Endpoint, Attempts: resp.Attempts, WaitedMS: resp.Waited.Milliseconds()}
	var out abi.Response
	if sendErr != nil {
		meta.Error = sendErr.Code
		if strings.Contains(sendErr.RequestID, c.conn.token.Reveal()) {
			sendErr.RequestID = ""
		}
		meta.Status, meta.RequestID = sendErr.Status, sendErr.RequestID
		if sendErr.Code == abi.SendMalformed {
			c.violate("request_malformed", sendErr.Message)
		}
		out = abi.Response{Error: sendErr}
	} else {
		c.conn.clock.observe(resp.Header)
		meta.Status, meta.RequestID = resp.Status, resp.RequestID
		if date, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
			c.date = date
		}
		out = c.receive(resp)
		c.keepState(endpoint, out)
		if out.Error != nil {
			meta.Error, meta.RequestID = out.Error.Code, ""
		}
	}
	if endpoint.Method() != http.MethodGet {
		c.gate.refused = sendErr != nil && !sendErr.Sent || meta.Status >= 400 && meta.Status < 500
		c.leaving = false
		c.left = c.left || sendErr == nil || sendErr.Sent
		c.countAgain(ctx)
	}
	c.requests = append(c.requests, meta)
	if c.conn.log.Enabled(ctx, slog.LevelDebug) && c.mayLog(len(meta.RequestID)) {
		c.conn.log.Debug("request", "operation", c.op.Name, "endpoint", meta.Endpoint, "status", meta.Status,
			"request_id", meta.RequestID, "attempts", meta.Attempts, "error", string(meta.Error), "took", time.Since(started))
	}
	return out
}

// keepState remembers the object that was read last, for a plan.
func (c *call) keepState(endpoint *abi.Endpoint, out abi.Response) {
	if !c.gate.plan || len(c.gate.held) > 0 || endpoint.Method() != http.MethodGet || out.Status != http.StatusOK || out.Length > maxState {
		return
	}
	if b := c.read(out.Body); gjson.ValidBytes(b) {
		c.gate.state = bytes.Clone(bytes.TrimSpace(b))
	}
}

// authorize replaces the placeholder in the Authorization header by the token, and refuses it anywhere else.
func (c *call) authorize(req *abi.Request) (string, error) {
	header := ""
	for name, value := range req.Headers {
		if strings.EqualFold(name, "Authorization") {
			if header != "" {
				return "", fmt.Errorf("two Authorization headers")
			}
			header = value
			delete(req.Headers, name)
		}
	}
	if c.placeholder != "" && c.mentions(req) {
		return "", fmt.Errorf("the placeholder of a secret stands outside the Authorization header")
	}
	if header == "" {
		return "", nil
	}
	if c.placeholder == "" || header != scheme+" "+c.placeholder {
		return "", fmt.Errorf("the Authorization header is not the scheme and placeholder of secret_get")
	}
	return scheme + " " + c.conn.token.Reveal(), nil
}

// mentions looks for the placeholder in everything that a guest can put into a request. Nothing would replace it
// there: it is looked for because only a guest that means harm, or has a bug, would put it there.
func (c *call) mentions(req *abi.Request) bool {
	mark := strings.Trim(c.placeholder, "{}")
	has := func(s string) bool {
		if strings.Contains(s, mark) {
			return true
		}
		plain, err := url.QueryUnescape(s)
		return err == nil && strings.Contains(plain, mark)
	}
	for _, v := range req.Path {
		if has(v) {
			return true
		}
	}
	for _, q := range req.Query {
		if has(q[0]) || has(q[1]) {
			return true
		}
	}
	for n, v := range req.Headers {
		if has(n) || has(v) {
			return true
		}
	}
	return has(req.Link) || bytes.Contains(req.Body, []byte(mark))
}

// receive keeps a body and tells the guest of it. An answer that holds the token is a lie of the server's, or an echo:
// nothing of it reaches the guest.
func (c *call) receive(resp *egress.Response) abi.Response {
	out := abi.Response{Status: resp.Status, Headers: resp.ABIHeaders()}
	if c.echoes(resp, out.Headers) {
		if resp.Body != nil {
			resp.Body.Release()
		}
		return abi.Response{Error: &abi.SendError{Code: abi.SendTainted, Sent: true,
			Message: fmt.Sprintf("the answer (status %d) repeats the connection's token and was thrown away: is base_url right?", resp.Status)}}
	}
	if resp.Body != nil && resp.Body.Len() > 0 {
		if c.held += resp.Body.Held(); c.held > c.conn.limits.HeldBytes {
			c.held -= resp.Body.Held()
			resp.Body.Release()
			return abi.Response{Error: &abi.SendError{Code: abi.SendTooLarge, Sent: true, Message: fmt.Sprintf(
				"the answers of one call are over %d bytes together (limits.held_bytes of the connection): ask for fewer and go on with the cursor, or raise it", c.conn.limits.HeldBytes)}}
		}
		c.bodies = append(c.bodies, body{resp.Body, resp.Body.Len() <= searchAtOnce})
		out.Body, out.Length = uint64(len(c.bodies)), int64(resp.Body.Len())
	}
	return out
}

func (c *call) echoes(resp *egress.Response, headers map[string][]string) bool {
	token := c.conn.token.Reveal()
	for _, values := range headers {
		for _, v := range values {
			if strings.Contains(v, token) {
				return true
			}
		}
	}
	return strings.Contains(resp.RequestID, token) || resp.Body.Len() <= searchAtOnce && c.holdsToken(resp.Body.Bytes())
}

func (c *call) holdsToken(b []byte) bool { return bytes.Contains(b, []byte(c.conn.token.Reveal())) }

func refused(code abi.SendCode, message string) abi.Response {
	return abi.Response{Error: &abi.SendError{Code: code, Message: message}}
}

// read is the body behind a handle, nil when there is none or it holds the token.
func (c *call) read(handle uint64) []byte {
	if handle == 0 || handle > uint64(len(c.bodies)) {
		return nil
	}
	b := &c.bodies[handle-1]
	if !b.searched {
		if c.holdsToken(b.buffer.Bytes()) {
			b.buffer.Release()
		}
		b.searched = true
	}
	return b.buffer.Bytes()
}

// split takes a body apart and searches it for the token at the same time, since either takes as long.
func (c *call) split(handle uint64, path, key string) (text []byte, spans, keys []records.Span, err error) {
	if handle == 0 || handle > uint64(len(c.bodies)) {
		return nil, nil, nil, errNoBody
	}
	b := &c.bodies[handle-1]
	if b.buffer.Len() == 0 {
		return nil, nil, nil, errNoBody
	}
	clean := make(chan bool, 1)
	if b.searched {
		clean <- true
	} else {
		go func() { clean <- !c.holdsToken(b.buffer.Bytes()) }()
	}
	spans, keys, err = records.SplitKeys(b.buffer.Bytes(), path, key, make([]records.Span, 0, 16))
	if b.searched = true; !<-clean {
		b.buffer.Release()
		return nil, nil, nil, errTainted
	}
	return b.buffer.Bytes(), spans, keys, err
}

var (
	errNoBody  = errors.New("there is no body")
	errTainted = errors.New("the body repeats the connection's token and was thrown away (tainted): is base_url right?")
)

// emit is records_emit.
func (c *call) emit(ctx context.Context, handle uint64, raw []byte) abi.EmitSummary {
	var o abi.EmitOptions
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&o); err != nil {
		return abi.EmitSummary{Error: "the options are not those of the ABI: " + err.Error()}
	}
	if len(o.Summarise) > abi.MaxPaths || len(o.Omit) > abi.MaxPaths {
		return abi.EmitSummary{Error: fmt.Sprintf("over %d paths to summarise or to omit (abi.MaxPaths)", abi.MaxPaths)}
	}
	for _, p := range slices.Concat(o.Summarise, o.Omit, []string{o.Path, o.Key}) {
		if p != "" && !records.PlainPath(p) {
			return abi.EmitSummary{Error: "a path is not object keys joined by dots"}
		}
	}
	key := o.Key
	if key == "" {
		key = c.op.Key
	}
	member := key
	if strings.Contains(key, ".") { // a path: looked up when it is asked for
		member = ""
	}
	body, spans, places, err := c.split(handle, o.Path, member)
	if err != nil {
		return abi.EmitSummary{Error: err.Error()}
	}
	total := len(spans)
	cut := func(s []records.Span) []records.Span {
		if s = s[min(max(o.Skip, 0), len(s)):]; o.Limit > 0 && len(s) > o.Limit {
			s = s[:o.Limit]
		}
		return s
	}
	spans, places = cut(spans), cut(places)
	sum := abi.EmitSummary{Count: len(spans), Total: total}
	if o.Keys {
		if sum.Keys, err = keys(ctx, body, spans, key); err != nil {
			return abi.EmitSummary{Error: err.Error()}
		}
		return sum
	}
	if len(spans) > 0 {
		// Records of one body never overlap: the space between them is the host's to write in.
		if spans[0].Start < c.taken[handle] {
			return abi.EmitSummary{Error: "these records were emitted already"}
		}
		if c.taken == nil {
			c.taken = map[uint64]int{}
		}
		c.taken[handle] = spans[len(spans)-1].End
	}
	if len(o.Omit) > 0 { // records may move
		places = nil
	}
	if body, spans, err = without(ctx, body, spans, o.Omit); err != nil {
		return abi.EmitSummary{Error: err.Error()}
	}
	for _, s := range spans {
		sum.Bytes += int64(s.End - s.Start)
	}
	if err := c.count(len(spans), sum.Bytes); err != nil {
		return abi.EmitSummary{Error: err.Error()}
	}
	if len(spans) > 0 {
		sum.First = summarise(body, spans[0], o.Summarise)
		sum.Last = summarise(body, spans[len(spans)-1], o.Summarise)
		if o.Kind != "" {
			p, err := wrap(ctx, body, spans, o)
			if err != nil {
				return abi.EmitSummary{Error: err.Error()}
			}
			c.pieces = append(c.pieces, p)
			return sum
		}
		c.pieces = append(c.pieces, piece{body: body, spans: spans, keys: places, key: key})
	}
	return sum
}

// wrap puts each record into the envelope that abi.EmitOptions tells of, a byte apart, as in a body.
func wrap(ctx context.Context, body []byte, spans []records.Span, o abi.EmitOptions) (piece, error) {
	key := o.Key
	if key == "" {
		key = "id"
	}
	head := append([]byte(`{"kind":`), quoted(o.Kind)...)
	size := 0
	for _, s := range spans {
		size += s.End - s.Start + len(head) + len(o.Parent) + 80
	}
	out := piece{body: make([]byte, 0, size), spans: make([]records.Span, 0, len(spans)), kind: o.Kind, key: "id"}
	for _, s := range spans {
		if err := ctx.Err(); err != nil {
			return piece{}, err
		}
		record := body[s.Start:s.End]
		id := records.Get(record, key).String()
		if o.Parent != "" {
			id = o.Parent + "/" + id
		}
		start := len(out.body)
		out.body = append(append(append(out.body, head...), `,"id":`...), quoted(id)...)
		if o.Parent != "" {
			out.body = append(append(out.body, `,"parent":`...), quoted(o.Parent)...)
		}
		out.body = append(append(append(out.body, `,"record":`...), record...), '}')
		out.spans = append(out.spans, records.Span{Start: start, End: len(out.body)})
		out.body = append(out.body, '\n')
	}
	return out, nil
}

func quoted(s string) []byte {
	b, _ := json.Marshal(s) // a string always encodes
	return b
}

// keys are the keys of records, for abi.EmitOptions.Keys.
func keys(ctx context.Context, body []byte, spans []records.Span, path string) ([]string, error) {
	if len(spans) > abi.MaxKeys {
		return nil, fmt.Errorf("keys of %d records, %d are allowed (abi.MaxKeys): ask with a limit", len(spans), abi.MaxKeys)
	}
	if path == "" {
		path = "id"
	}
	all, size := make([]string, 0, len(spans)), 0
	for i, s := range spans {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		v := records.Get(body[s.Start:s.End], path)
		if v.Type != gjson.String && v.Type != gjson.Number || v.String() == "" {
			return nil, fmt.Errorf("record %d has no string or number at %s", i, path)
		}
		if size += len(v.String()); size > abi.MaxKeyBytes {
			return nil, fmt.Errorf("over %d bytes of keys (abi.MaxKeyBytes): ask with a limit", abi.MaxKeyBytes)
		}
		all = append(all, v.String())
	}
	return all, nil
}

// without takes members out of records. Where none has any, the records stay where they are; else they lie a byte apart,
// as in a body.
func without(ctx context.Context, body []byte, spans []records.Span, paths []string) ([]byte, []records.Span, error) {
	var out []byte
	var moved []records.Span
	for i, s := range spans {
		if err := ctx.Err(); err != nil {
			return nil, nil, err
		}
		record := body[s.Start:s.End]
		for _, p := range paths {
			for n := 0; records.Get(record, p).Exists(); n++ { // a member that stands twice goes twice
				err := ctx.Err()
				if err != nil {
					return nil, nil, err
				}
				if record, err = sjson.DeleteBytes(record, p); err != nil || n == maxTwins {
					return nil, nil, fmt.Errorf("record %d cannot be emitted without %s", i, p)
				}
				if moved == nil {
					moved = append(make([]records.Span, 0, len(spans)), spans[:i]...)
					out = append(make([]byte, 0, len(body)), body[:s.Start]...)
				}
			}
		}
		if moved != nil {
			start := len(out)
			out = append(out, record...)
			moved = append(moved, records.Span{Start: start, End: len(out)})
			out = append(out, '\n')
		}
	}
	if moved == nil {
		return body, spans, nil
	}
	return out, moved, nil
}

// maxTwins bounds how often without deletes one member.
const maxTwins = 16

// emitValue is record_emit.
func (c *call) emitValue(raw []byte) error {
	spans, err := records.Split(raw, "", nil)
	if err != nil || len(spans) != 1 || raw[spans[0].Start] != '{' {
		return fmt.Errorf("a record is one JSON object")
	}
	if err := c.count(1, int64(len(raw))); err != nil {
		return err
	}
	c.pieces = append(c.pieces, piece{body: raw, spans: spans, key: c.op.Key})
	return nil
}

func (c *call) count(records int, bytes int64) error {
	if c.records+records > c.conn.limits.Records {
		return fmt.Errorf("over %d records in one call (limits.records of the connection): ask for fewer and go on with the cursor, or raise it", c.conn.limits.Records)
	}
	if c.bytes+bytes > c.conn.limits.ResultBytes {
		return fmt.Errorf("over %d bytes of records in one call (limits.result_bytes of the connection): ask for fewer and go on with the cursor, or raise it", c.conn.limits.ResultBytes)
	}
	c.records += records
	c.bytes += bytes
	return nil
}

// maxSummary bounds a summarised value, in bytes: summaries are for cursors and times.
const maxSummary = 4 << 10

func summarise(body []byte, s records.Span, paths []string) map[string]json.RawMessage {
	var m map[string]json.RawMessage
	for _, p := range paths {
		if v := records.Get(body[s.Start:s.End], p); v.Exists() && len(v.Raw) <= maxSummary {
			if m == nil {
				m = make(map[string]json.RawMessage, len(paths))
			}
			m[p] = json.RawMessage(v.Raw)
		}
	}
	return m
}

// meta is what the call did.
func (c *call) meta(started time.Time) abi.Meta {
	requests := c.requests
	if requests == nil {
		requests = []abi.RequestMeta{}
	}
	return abi.Meta{Connection: c.conn.config.Name, Class: c.class, DurationMS: milliseconds(time.Since(started)),
		Requests: requests, Records: c.records}
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// shorten keeps a stranger's text from filling a message.
func shorten(s string) string {
	if len(s) > 80 {
		return s[:80] + "…"
	}
	return s
}
