// Package httpsink posts the records of a source to an HTTP service, in batches.
package httpsink

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"mime"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/internal/credential"
	"github.com/mach5/okta-connector/host/network"
	"github.com/mach5/okta-connector/host/pacing"
	"github.com/mach5/okta-connector/host/secrets"
	"github.com/mach5/okta-connector/host/sink"
)

// Form is the format of a request body.
type Form int

const (
	// NDJSON is one record a line. The receiver deduplicates repeated records by their key.
	NDJSON Form = iota
	// Bulk is the _bulk API of OpenSearch and Elasticsearch. Each record is indexed under its key as _id, so a repeat
	// replaces the same document.
	Bulk
	// BulkCreate is Bulk with the action create, which data streams require. A document that already exists is not an
	// error.
	BulkCreate
)

// Options configure an HTTP sink. A zero field means its default.
type Options struct {
	Form          Form
	Authorization secrets.Value // the header's whole value, such as "Bearer …" or "ApiKey …"; default none
	// Authorizer reads the authorization again, when its stamp changes and after a 401 or 403. By default it is read
	// only once.
	Authorizer Authorizer
	// BatchBytes is the maximum size of a request in bytes, except for a single larger record. Default 5 MiB.
	BatchBytes int
	// Patience is how long Write retries a batch before it gives up. Default 2 minutes.
	Patience time.Duration
	// Timeout is the time limit of one request. Default a minute.
	Timeout time.Duration
	// Grace is how long a request goes on after the caller's context has ended, to learn whether it was accepted. Default 10
	// seconds. The records of a request without an answer are sent again by the next run.
	Grace time.Duration
	Route network.Route // how to reach the address; default directly, with the system's certificate authorities
	// Lookup resolves the name in the address. Default: the system's resolver.
	Lookup func(ctx context.Context, host string) ([]net.IPAddr, error)
	// Plaintext allows http to another machine. Anyone on the network path can read the records. An authorization is
	// never sent over http to another machine.
	Plaintext bool
	// Waiting is called before each retry, with the reason and the wait.
	Waiting func(why error, wait time.Duration)
	// Refused takes the records that the service refuses for their content. Such a record is too large by itself, or
	// does not fit the index. Without it, Write fails with ErrRecord for such a record. Close closes it.
	Refused *Refused
	// Refusing is called with the records of a page that were put into Refused.
	Refusing func([]Refusal)
	// TimeMember is the member of a record that holds its time, as a gjson path. BulkCreate copies it to "@timestamp",
	// which data streams require, if a record has none. Default none.
	TimeMember string
	// Watch makes the sink notice when the service ends between two requests (see Interruptions).
	Watch bool
}

// Sink posts batches of records. A page counts as durable when the service answered every batch of it with success. A
// service that is slow, or that answers 429, slows the source down. Only the current page is kept in memory. Write is
// not safe for concurrent use.
type Sink struct {
	url    *url.URL
	name   string
	opts   Options
	client *http.Client
	sleep  func(context.Context, time.Duration) error
	last   int // size of the last body in bytes
	limit  int // largest body to send: BatchBytes, or less after a 413

	authorization *authorization

	refused  []Refusal // refused records of the current page
	streak   streak
	health   health
	watching watching
	good     host.Record // a copy of a record that the service accepted; empty before the first
	same     sameFailures
	// emptyTaken means that the service accepted an empty request and refused the records of the current page.
	emptyTaken bool
}

// New returns a Sink for an address. It makes no request. The address must be https, unless it leads to this machine or
// Plaintext is set.
func New(address string, o Options) (*Sink, error) {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		return nil, errors.New("want an address such as https://collector.example.com/events")
	case u.User != nil:
		return nil, errors.New("the address contains a user or password: remove it, and give an authorization by reference")
	case o.authorized() && u.Scheme == "http" && !network.Loopback(u.Hostname()):
		return nil, fmt.Errorf("an authorization is not sent to %s over http: use https", u.Host)
	case u.Scheme == "http" && !network.Loopback(u.Hostname()) && !o.Plaintext:
		return nil, fmt.Errorf("anyone on the network path to %s can read records sent over http: use https, or allow http with --out-plaintext", u.Host)
	}
	if o.BatchBytes == 0 {
		o.BatchBytes = 5 << 20
	}
	if o.Patience == 0 {
		o.Patience = 2 * time.Minute
	}
	if o.Timeout == 0 {
		o.Timeout = time.Minute
	}
	if o.Grace == 0 {
		o.Grace = 10 * time.Second
	}
	if o.Waiting == nil {
		o.Waiting = func(error, time.Duration) {}
	}
	if o.Refusing == nil {
		o.Refusing = func([]Refusal) {}
	}
	s := &Sink{url: u, name: u.Scheme + "://" + u.Host + u.EscapedPath(), opts: o, sleep: pacing.System{}.Sleep, limit: o.BatchBytes,
		authorization: newAuthorization(o.Authorization, o.Authorizer)}
	s.client = &http.Client{
		Timeout: o.Timeout,
		Transport: network.NewTransport(&http.Transport{
			Proxy:               nil, // environment variables must not decide where records go
			DialContext:         s.dial,
			TLSHandshakeTimeout: 15 * time.Second,
			ForceAttemptHTTP2:   true,
			IdleConnTimeout:     90 * time.Second,
		}, o.Route),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return s, nil
}

// authorized reports whether requests carry an authorization.
func (o *Options) authorized() bool {
	return o.Authorization.Reveal() != "" || o.Authorizer.Read != nil
}

// String implements sink.Sink. It returns the address without its query.
func (s *Sink) String() string { return s.name }

// Close implements sink.Sink.
func (s *Sink) Close() error {
	s.client.CloseIdleConnections()
	if s.opts.Refused == nil {
		return nil
	}
	return s.opts.Refused.Close()
}

// Refused implements sink.Refuser.
func (s *Sink) Refused() int64 {
	if s.opts.Refused == nil {
		return 0
	}
	return s.opts.Refused.Count()
}

// Reopen implements sink.Reopener, for the file of refused records.
func (s *Sink) Reopen() (reopened bool, err error) {
	if s.opts.Refused == nil {
		return false, nil
	}
	return s.opts.Refused.Reopen()
}

// Write implements sink.Sink.
func (s *Sink) Write(ctx context.Context, p sink.Page) error {
	defer func() { s.refused, s.emptyTaken = nil, false }() // s.refused refers to the page
	if err := s.send(ctx, p); err != nil {
		return err
	}
	if err := s.streak.add(s.refused, p.Len(), s.emptyTaken); err != nil {
		return fmt.Errorf("%w: %s: %w; %s", sink.ErrRefused, s.name, err, sink.NotCheckpointed)
	}
	if len(s.refused) == 0 {
		return nil
	}
	if err := s.opts.Refused.put(ctx, s.name, s.refused); err != nil {
		return err
	}
	s.opts.Refusing(s.refused)
	return nil
}

// send posts a page in batches. It collects the records that the service refuses.
func (s *Sink) send(ctx context.Context, p sink.Page) error {
	var batch []host.Record
	size := 0
	for r := range p.Records() {
		n := len(r.JSON) + 1
		if s.opts.Form != NDJSON {
			n += len(`{"create":{"_id":""}}`) + len(r.Key) + 1
		}
		if s.opts.Form == BulkCreate && s.opts.TimeMember != "" {
			n += len(`"@timestamp":"2006-01-02T15:04:05.000000Z",`)
		}
		if size+n > s.limit && len(batch) > 0 {
			if err := s.post(ctx, batch); err != nil {
				return err
			}
			batch, size = batch[:0], 0
		}
		batch, size = append(batch, r), size+n
	}
	if len(batch) == 0 {
		return nil
	}
	return s.post(ctx, batch)
}

// Limits of retries and answers.
const (
	backoffBase = 250 * time.Millisecond
	backoffCap  = 15 * time.Second
	maxAdvice   = 5 * time.Minute // longest Retry-After to respect
	maxAnswer   = 32 << 20        // bytes
	maxReason   = 200             // bytes of a reason in a message
)

// temporaryError is a failure after which the same request may succeed.
type temporaryError struct {
	why    error
	wait   time.Duration // how long the service asked to wait, or 0
	status int           // status of the answer, or of each record concerned; 0 if there is none or they differ
	each   bool          // status is that of records, not of the answer
}

func (e temporaryError) Error() string { return e.why.Error() }

// post sends a batch and retries until the service accepts it or Patience is over.
func (s *Sink) post(ctx context.Context, batch []host.Record) error {
	began := time.Now()
	for failures := 0; ; {
		left, refused, err := s.sendOnce(ctx, batch)
		if err := s.refuse(refused, len(batch)); err != nil {
			return err
		}
		if err == nil {
			s.same = sameFailures{}
			return nil
		}
		if len(left) < len(batch) { // progress: the retries start again
			batch, failures, began = left, 0, time.Now()
		}
		var p temporaryError
		switch {
		case errors.Is(err, errTooLarge):
			half := len(batch) / 2
			if err := s.post(ctx, batch[:half]); err != nil {
				return err
			}
			batch = batch[half:]
			continue
		case !errors.As(err, &p):
			return fmt.Errorf("%w: %s: %w; %s", sink.ErrRefused, s.name, err, sink.NotCheckpointed)
		case ctx.Err() != nil:
			return s.interrupted(ctx, p.why)
		}
		if s.same.addAnswer(batch, p) {
			found, err := s.findBadRecords(ctx, batch, p)
			if err != nil {
				return err
			}
			if len(found.left) == 0 {
				return nil
			}
			if len(found.left) < len(batch) {
				batch, failures, began = found.left, 0, time.Now()
				continue
			}
		}
		why := p.why
		if len(batch) == 1 && p.status >= 500 {
			why = fmt.Errorf("%w (to record %s alone)", why, batch[0].Key)
		}
		wait := max(p.wait, min(backoffBase<<min(failures, 10), backoffCap))
		wait += time.Duration(rand.Float64() * float64(wait) / 4)
		failures++
		if time.Since(began)+wait > s.opts.Patience {
			return s.givingUp(why, p.wait, time.Since(began))
		}
		s.opts.Waiting(fmt.Errorf("%s: %w", s.name, why), wait)
		s.health.retry()
		if s.sleep(ctx, wait) != nil {
			return s.interrupted(ctx, why)
		}
	}
}

// refuse collects the refused records of a batch with of records. Without a file for refused records it returns an
// error.
func (s *Sink) refuse(refused []Refusal, of int) error {
	if len(refused) > 0 && s.opts.Refused == nil {
		var all streak
		if err := all.add(refused, of, s.emptyTaken); err != nil {
			return fmt.Errorf("%w: %s: %w; %s", sink.ErrRefused, s.name, err, sink.NotCheckpointed)
		}
		return fmt.Errorf("%w: %s: %s; %s", sink.ErrRecord, s.name, refused[0], sink.NotCheckpointed)
	}
	s.refused = append(s.refused, refused...)
	return nil
}

func (s *Sink) interrupted(ctx context.Context, why error) error {
	return fmt.Errorf("%w: %s: %w while waiting for it (%w); %s", sink.ErrUnavailable, s.name, ctx.Err(), why, sink.NotCheckpointed)
}

var errTooLarge = errors.New("413: the request is larger than the service accepts")

// rereadWaits are the waits before a refused authorization is read again: its file may be partly written.
var rereadWaits = []time.Duration{250 * time.Millisecond, 750 * time.Millisecond}

// sendOnce sends a batch without retries. left are the records that were neither accepted nor refused. After a 401 or
// 403, it sends the batch again with each authorization that was not tried yet.
func (s *Sink) sendOnce(ctx context.Context, batch []host.Record) (left []host.Record, refused []Refusal, err error) {
	sent, waits := s.authorization.get(ctx), rereadWaits
	tried := []secrets.Value{sent}
	for ; ; tried = append(tried, sent) {
		left, refused, err = s.request(ctx, batch, sent)
		var d sink.DoubtfulError
		if !errors.As(err, &d) || d.Status != http.StatusUnauthorized && d.Status != http.StatusForbidden || len(tried) > credential.MaxTokens {
			break
		}
		next, ok := s.authorization.after401(ctx, tried)
		for ; !ok && len(waits) > 0 && s.authorization.inFile() && s.sleep(ctx, waits[0]) == nil; waits = waits[1:] {
			next, ok = s.authorization.after401(ctx, tried)
		}
		if !ok {
			break
		}
		sent = next
	}
	s.health.answered(err)
	if err == nil {
		s.authorization.accept(sent, len(tried) > 1)
		if len(refused) == 0 && len(batch) > 0 {
			s.keepGood(batch[0])
		}
	}
	return left, refused, err
}

// keepGood keeps a copy of a record that the service accepted.
func (s *Sink) keepGood(r host.Record) {
	s.good = host.Record{Key: strings.Clone(r.Key), JSON: bytes.Clone(r.JSON)}
}

func (s *Sink) request(ctx context.Context, batch []host.Record, authorization secrets.Value) (left []host.Record, refused []Refusal, err error) {
	// Every request has its own body: if the service answers early, the transport still reads the last one.
	body := make([]byte, 0, s.last)
	for i := range batch {
		body = s.append(body, &batch[i])
	}
	s.last = len(body)
	// The end of ctx does not stop a request that has begun at once: the sink should know whether it was accepted.
	waiting, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(s.opts.Grace, stop) })()
	req, err := http.NewRequestWithContext(waiting, http.MethodPost, s.url.String(), bytes.NewReader(body))
	if err != nil {
		return batch, nil, err
	}
	req.Header.Set("Content-Type", "application/x-ndjson")
	req.Header.Set("User-Agent", "wasm-runner")
	if a := authorization.Reveal(); a != "" {
		req.Header.Set("Authorization", a)
	}
	resp, err := s.client.Do(req)
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) { // its text contains the whole address
			err = u.Err
		}
		if errors.Is(err, errPlain) {
			return batch, nil, err
		}
		if proxy := (*network.Error)(nil); errors.As(err, &proxy) && proxy.Lasting {
			return batch, nil, proxy
		}
		if cert := (*tls.CertificateVerificationError)(nil); errors.As(err, &cert) {
			err = errors.New(network.Untrusted(cert, cmp.Or(s.opts.Route.CAFile, "Route.RootCAs")))
		}
		s.health.interrupted()
		return batch, nil, temporaryError{why: fmt.Errorf("no answer: %w", err)}
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err == nil && len(answer) > maxAnswer {
		err = fmt.Errorf("it has over %d bytes", maxAnswer)
	}
	if err != nil {
		s.health.interrupted()
		return batch, nil, temporaryError{why: fmt.Errorf("incomplete answer: %w", err)}
	}
	return s.judge(batch, len(body), resp, answer)
}

// givingUp returns the error for a batch that was not accepted for so long. wait is what the service asks for, if anything.
func (s *Sink) givingUp(why error, wait, tried time.Duration) error {
	err := fmt.Errorf("%w: %s: %w (tried for %s); %s", sink.ErrUnavailable, s.name, why, tried.Round(time.Second), sink.NotCheckpointed)
	if wait > 0 {
		err = sink.ThrottledError{Err: fmt.Errorf("%w; the service asks to wait %s", err, wait), Wait: wait}
	}
	return err
}

// judge returns what an answer says of the batch that a body of so many bytes had.
func (s *Sink) judge(batch []host.Record, size int, resp *http.Response, answer []byte) (left []host.Record, refused []Refusal, err error) {
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")) // an invalid type is not that of a web page
	switch code := resp.StatusCode; {
	case code >= 200 && code < 300 && s.opts.Form == NDJSON:
		if why := refusalIn(code, kind, answer); why != "" {
			return batch, nil, fmt.Errorf("%s with %s (%.80q): check that the address is a collector's, and that no proxy answers in its place", resp.Status, why, s.redact(string(answer)))
		}
		return nil, nil, nil
	case code >= 200 && code < 300:
		return s.items(batch, answer)
	case code == http.StatusRequestEntityTooLarge && len(batch) == 1:
		return nil, []Refusal{{Status: code, Reason: "the record is larger than the service accepts", Record: batch[0]}}, nil
	case code == http.StatusRequestEntityTooLarge && len(batch) > 1:
		s.limit = min(s.limit, size/2) // otherwise every later page would be sent twice
		return batch, nil, errTooLarge
	case code == http.StatusTooManyRequests, code == http.StatusRequestTimeout, code == http.StatusTooEarly, code >= 500:
		if s.opts.Watch && isGatewayStatus(code) {
			s.health.interrupted() // the service behind the gateway may have ended
		}
		return batch, nil, temporaryError{why: s.answerError(resp.Status, answer), wait: advice(resp.Header), status: code}
	case code == http.StatusForbidden && gjson.GetBytes(answer, "error.type").String() == indexBlocked:
		return batch, nil, temporaryError{why: s.answerError(resp.Status, answer), wait: advice(resp.Header), status: code}
	case code >= 300 && code < 400:
		return batch, nil, fmt.Errorf("%s: redirects are not followed: use the address that accepts records", resp.Status)
	case code == http.StatusUnauthorized, code == http.StatusForbidden:
		return batch, nil, sink.DoubtfulError{Err: fmt.Errorf("%w: check the authorization", s.answerError(resp.Status, answer)), Status: code}
	case code == http.StatusNotFound, code == http.StatusProxyAuthRequired:
		return batch, nil, sink.DoubtfulError{Err: s.answerError(resp.Status, answer), Status: code}
	}
	return batch, nil, s.answerError(resp.Status, answer)
}

// isGatewayStatus reports whether load balancers use this status when the service behind them does not answer. These
// are 502, 503, 504, and for some 520 and above.
func isGatewayStatus(status int) bool {
	return status >= http.StatusBadGateway && status <= http.StatusGatewayTimeout || status >= 520
}

// append appends a record to a body.
func (s *Sink) append(body []byte, r *host.Record) []byte {
	if s.opts.Form != NDJSON {
		action := `{"index":{`
		if s.opts.Form == BulkCreate {
			action = `{"create":{`
		}
		body = append(body, action...)
		if r.Key != "" {
			key, _ := json.Marshal(r.Key) // a string always encodes
			body = append(append(body, `"_id":`...), key...)
		}
		body = append(body, "}}\n"...)
	}
	return append(append(body, s.withTimestamp(r.JSON)...), '\n')
}

// withTimestamp returns a record with the @timestamp that a data stream requires, if the record has a time.
func (s *Sink) withTimestamp(record []byte) []byte {
	if s.opts.Form != BulkCreate || s.opts.TimeMember == "" || len(record) == 0 || record[0] != '{' || gjson.GetBytes(record, `\@timestamp`).Exists() {
		return record
	}
	at := gjson.GetBytes(record, s.opts.TimeMember)
	if at.Type != gjson.String {
		return record // the service reports the missing time
	}
	out := append(make([]byte, 0, len(record)+64), `{"@timestamp":`...)
	return append(append(append(out, at.Raw...), ','), record[1:]...)
}

// items reads the result of each record from the answer to a _bulk request.
func (s *Sink) items(batch []host.Record, answer []byte) (left []host.Record, refused []Refusal, err error) {
	v := gjson.ParseBytes(answer)
	if !gjson.ValidBytes(answer) || !v.Get("items").IsArray() {
		return batch, nil, fmt.Errorf("the answer is not that of a _bulk API (%.80q): check that the address is a _bulk endpoint", s.redact(string(answer)))
	}
	items := v.Get("items").Array()
	if len(items) != len(batch) {
		return batch, nil, temporaryError{why: fmt.Errorf("the service answered for %d of %d records", len(items), len(batch))}
	}
	var mistake, busy error
	status := -1 // the status of the records to retry; 0 if they differ
	for i, item := range items {
		var result gjson.Result
		item.ForEach(func(_, v gjson.Result) bool { result = v; return false })
		r := Refusal{Status: int(result.Get("status").Int()), Type: s.redact(result.Get("error.type").String()),
			Reason: s.redact(result.Get("error.reason").String()), Record: batch[i]}
		switch {
		case r.Status == 0:
			return batch, nil, temporaryError{why: fmt.Errorf("item %d of the answer has no status", i)}
		case r.Status >= 200 && r.Status < 300 && !isEmpty(result.Get("error")):
			mistake = fmt.Errorf("%s, in an item with a success status", r)
		case r.Status >= 200 && r.Status < 300, r.Status == http.StatusConflict && s.opts.Form == BulkCreate:
			if len(s.good.JSON) == 0 {
				s.keepGood(batch[i])
			}
			continue
		case r.Status == http.StatusTooManyRequests || r.Status >= 500, r.Status == http.StatusForbidden && r.Type == indexBlocked:
			busy = fmt.Errorf("%d %s", r.Status, r.Type)
			if status >= 0 && status != r.Status {
				r.Status = 0
			}
			status = r.Status
		case r.concernsRecord():
			refused = append(refused, r)
			continue
		case mistake == nil && strings.Contains(r.Reason, noTimestamp):
			mistake = fmt.Errorf("%s: a data stream requires @timestamp: use bulk-create, which adds it from the record's time, or add it in an ingest pipeline", r)
		case mistake == nil:
			mistake = errors.New(r.String())
		}
		left = append(left, batch[i])
	}
	switch {
	case mistake != nil:
		return left, refused, mistake
	case busy != nil:
		return left, refused, temporaryError{why: busy, status: status, each: true}
	}
	return nil, refused, nil
}

// indexBlocked is the error of an index that is read-only, because the disk is nearly full or by configuration. It may
// be temporary. Some versions answer it with 429, others with 403.
const indexBlocked = "cluster_block_exception"

// indexErrors are the error types of a 400 that concern the index: every record would get the same answer.
var indexErrors = []string{"index_closed_exception", "invalid_index_name_exception", "invalid_alias_name_exception", "validation_exception",
	"action_request_validation_exception", "resource_not_found_exception"}

// indexReasons matches the reasons of an illegal_argument_exception that concern the index. Other reasons concern only
// the record.
var indexReasons = regexp.MustCompile(`(?i)data stream|write index|\balias\b.* (index|indices)|pipeline|op_type|routing`)

// concernsRecord reports whether the service refused the record for its content.
func (r Refusal) concernsRecord() bool {
	return r.Status == http.StatusBadRequest && !slices.Contains(indexErrors, r.Type) &&
		(r.Type != "illegal_argument_exception" || !indexReasons.MatchString(r.Reason)) && !strings.Contains(r.Reason, noTimestamp)
}

// noTimestamp is part of the reason with which a data stream refuses any record that lacks @timestamp.
const noTimestamp = "data stream timestamp field"

// answerError returns an error with the status and the text of an answer, redacted and in one line.
func (s *Sink) answerError(status string, answer []byte) error {
	text := strings.Join(strings.Fields(strings.ToValidUTF8(s.redact(string(answer[:min(len(answer), 4<<10)])), "")), " ")
	if text == "" {
		return errors.New(status)
	}
	return fmt.Errorf("%s: %.*s", status, maxReason, text)
}

// redact removes the authorization from a text.
func (s *Sink) redact(text string) string { return s.authorization.redact(text) }

// advice returns the wait of a Retry-After header that is in seconds, at most maxAdvice. A date is ignored: it requires
// that both clocks agree.
func advice(h http.Header) time.Duration {
	n, err := strconv.Atoi(h.Get("Retry-After"))
	if err != nil || n < 0 {
		return 0
	}
	return min(time.Duration(n)*time.Second, maxAdvice)
}
