package host

import (
	"bytes"
	"context"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host/journal"
)

// maxKey is the longest idempotency key, in bytes.
const maxKey = 255

// scope is what keys and ceilings belong to: a connection of another org has its own, whatever its name.
func (c *Connection) scope() string { return c.config.Name + "\x00" + c.base.String() }

// keyed runs an invoke once for its idempotency key: an earlier result is answered again, and a run that ended in the
// middle is settled.
func (c *Connection) keyed(ctx context.Context, run *call, input json.RawMessage, o InvokeOptions, started time.Time) *abi.Result {
	refuse := func(outcome abi.Outcome, code string, err error, retryable bool) *abi.Result {
		return &abi.Result{Operation: run.op.Name, Outcome: outcome, Meta: run.meta(started),
			Error: &abi.Error{Code: code, Message: err.Error(), Retryable: retryable}}
	}
	switch {
	case c.opts.Journal == nil:
		return refuse(abi.Invalid, "idempotency_key", errors.New("an idempotency key needs a journal, and this connection has none"), false)
	case len(o.IdempotencyKey) > maxKey:
		return refuse(abi.Invalid, "idempotency_key", fmt.Errorf("an idempotency key has at most %d bytes", maxKey), false)
	}
	mark, err := fingerprint(run.op.Operation, input, c.scope()+"\x00"+o.IdempotencyKey)
	if err != nil {
		return refuse(abi.Failed, "fingerprint", err, false)
	}
	waiting, cancel := c.deadline(ctx, o.Timeout)
	claim, err := c.opts.Journal.Claim(waiting, c.scope(), o.IdempotencyKey, mark)
	cancel()
	switch {
	case errors.Is(err, journal.ErrOther):
		return refuse(abi.Rejected, "idempotency_key_reused", errors.New("this idempotency key was used for another operation or input: take a new one"), false)
	case errors.Is(err, journal.ErrBusy):
		return refuse(abi.Unavailable, "idempotency_key_busy", errors.New("another run with this idempotency key has not ended: ask again for its result"), true)
	case err != nil:
		return refuse(abi.Failed, "journal", err, false)
	}
	defer claim.Release()
	before, found := claim.Previous()
	if found && before.Phase == journal.Done {
		var res abi.Result
		if err := json.Unmarshal(before.Result, &res); err != nil {
			return refuse(abi.Failed, "journal", fmt.Errorf("the recorded result cannot be read: %w", err), false)
		}
		res.Meta.Replayed, res.Meta.RecordedAt, res.Meta.DurationMS = true, before.Ended, milliseconds(time.Since(started))
		return &res
	}
	if run.settle = found && before.Phase == journal.Writing; run.settle {
		run.since, run.bound = before.Wrote, before.Target
	}
	run.values = sensitiveValues(run.op.Operation, input)
	wrote := false
	run.gate.leaving = func(w abi.PlannedWrite) error {
		if err := claim.Writing(ctx, c.clock.told(), targetOf(w, run.values)); err != nil {
			return fmt.Errorf("the journal could not note the write, so that it was not sent: %w", err)
		}
		wrote = true
		return nil
	}
	res := c.approved(ctx, run, input, o, started)
	if t := settleTarget(run.bound); run.settle && len(run.deed.targets) == 0 && t != nil { // what the earlier run's write was for
		run.deed.targets = []abi.SettleTarget{*t}
	}
	if run.settle && res.Outcome == abi.Unchanged { // the earlier run's write made it so
		res.Outcome, res.Meta.Reconciled = abi.Succeeded, true
	}
	if err := record(context.WithoutCancel(ctx), claim, res, run.settle, wrote, run.values); err != nil {
		c.log.Error("the result of an idempotency key is not in the journal", "operation", run.op.Name, "outcome", string(res.Outcome), "error", err.Error())
		res.Meta.Warnings = append(res.Meta.Warnings, "the result could not be recorded under the idempotency key: "+err.Error())
	}
	return res
}

// targetOf is what a write is for, as the journal keeps it: of what is sensitive, only what tells it apart.
func targetOf(w abi.PlannedWrite, values sensitive) journal.Target {
	path, _, _ := strings.Cut(w.Target, "?")
	segments := strings.Split(path, "/")
	for i, s := range segments {
		if plain, err := url.PathUnescape(s); err == nil && values.fill(plain) {
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

// record keeps what is to be answered to the same key again: what a write came to, and what Okta refused. Where no write
// left, or a repeat may succeed, nothing is kept: a state that needed none may be another by then, and what was wrong mended.
// Where it is unknown what became of a write, the next run reads back again.
func record(ctx context.Context, claim journal.Claim, res *abi.Result, settling, wrote bool, values sensitive) error {
	switch {
	case res.Outcome == abi.Unknown, settling && !res.Outcome.OK(), wrote && res.Outcome == abi.Failed:
		return nil // a write may have taken effect
	case !wrote && !settling:
		return claim.Forget(ctx)
	case !res.Outcome.OK() && (res.Outcome == abi.Unavailable || res.Error.Retryable || res.Meta.Partial || res.Outcome == abi.Failed || res.Outcome == abi.Denied):
		return claim.Forget(ctx)
	}
	kept := *res
	if kept.Meta.Sensitive && kept.Output != nil {
		kept.Output = nil
		kept.Meta.Warnings = append(append([]string(nil), kept.Meta.Warnings...), "the output held a credential and was not recorded")
	}
	if len(kept.Output) > maxKept {
		kept.Output = nil
		kept.Meta.Warnings = append(append([]string(nil), kept.Meta.Warnings...), fmt.Sprintf("the output was over %d bytes and was not recorded", maxKept))
	}
	kept.Output = values.json(kept.Output)
	text, err := json.Marshal(kept)
	if err != nil {
		return err
	}
	return claim.Done(ctx, text)
}

// maxKept is the largest output that is recorded, in bytes.
const maxKept = 1 << 20

// guessing is what a guess at a sensitive value of a fingerprint costs, in rounds of PBKDF2: a tenth of a second.
const guessing = 300_000

// fingerprint tells operations and inputs apart, however their JSON is written. It stands in the journal, so that what
// is sensitive goes into it in a way that makes passwords dear to guess; salt is the key's own.
func fingerprint(op *abi.Operation, input json.RawMessage, salt string) (string, error) {
	var fields map[string]any
	dec := json.NewDecoder(bytes.NewReader(input))
	dec.UseNumber()
	if err := dec.Decode(&fields); err != nil {
		return "", err
	}
	_, secret := sensitiveFields(op)
	hidden := map[string]any{}
	for name, value := range fields {
		if secret[name] {
			hidden[name] = value
			delete(fields, name)
		}
	}
	plain, err := json.Marshal(fields) // members in order
	if err != nil {
		return "", err
	}
	h := sha256.New()
	_, _ = fmt.Fprintf(h, "%s\x00%s\x00", op.Name, plain) // a hash takes everything
	if len(hidden) > 0 {
		text, err := json.Marshal(hidden)
		if err != nil {
			return "", err
		}
		own := sha256.Sum256([]byte(salt))
		derived, err := pbkdf2.Key(sha256.New, string(text), own[:], guessing, sha256.Size)
		if err != nil {
			return "", err
		}
		_, _ = h.Write(derived)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// ceilings are the connection's bounds on writes.
func (c *Connection) ceilings() []journal.Ceiling {
	var all []journal.Ceiling
	if n := c.config.MaxWritesPerMinute; n > 0 {
		all = append(all, journal.Ceiling{Kind: "write", Most: n, Window: time.Minute})
	}
	if n := c.config.MaxDestructivePerHour; n > 0 {
		all = append(all, journal.Ceiling{Kind: string(abi.Destructive), Most: n, Window: time.Hour})
	}
	return all
}

// errCeiling is a write that a ceiling holds back.
type errCeiling struct {
	journal.Ceiling
	wait time.Duration
}

func (e errCeiling) Error() string {
	name := "max_writes_per_minute"
	if e.Kind == string(abi.Destructive) {
		name = "max_destructive_per_hour"
	}
	return fmt.Sprintf("the connection's ceiling is reached (%s: %d): the next write may leave in %s", name, e.Most, e.wait.Round(time.Second))
}

// retryAfter is when to ask again, in milliseconds.
func (e errCeiling) retryAfter() int64 { return max(e.wait.Milliseconds(), 1) }

// underCeilings counts a write, unless a ceiling holds it back. It counts by Okta's clock, so that this machine's may
// jump.
func (c *call) underCeilings(ctx context.Context) error {
	ceilings := c.conn.ceilings()
	if len(ceilings) == 0 {
		return nil
	}
	at := c.conn.clock.now()
	if c.uncounted = at.IsZero(); c.uncounted {
		at = c.conn.opts.Now()
	}
	wait, passed, err := c.conn.opts.Journal.Take(ctx, c.conn.scope(), c.kinds(), ceilings, at)
	switch {
	case err != nil:
		return fmt.Errorf("the write could not be counted under the connection's ceilings, so that it was not sent: %w", err)
	case wait > 0:
		return errCeiling{passed, wait}
	}
	return nil
}

// kinds are what a write of the call counts as.
func (c *call) kinds() []string {
	switch c.class {
	case abi.Destructive, abi.Privileged: // taking a role away, or opening a zone, is no less
		return []string{"write", string(abi.Destructive)}
	}
	return []string{"write"}
}

// countAgain counts a write that left before Okta's clock was known, and so by this machine's, by Okta's too.
func (c *call) countAgain(ctx context.Context) {
	at := c.conn.clock.now()
	if !c.uncounted || at.IsZero() {
		return
	}
	c.uncounted = false
	if d := at.Sub(c.conn.opts.Now()); d > -time.Minute && d < time.Minute {
		return
	}
	if _, _, err := c.conn.opts.Journal.Take(context.WithoutCancel(ctx), c.conn.scope(), c.kinds(), nil, at); err != nil {
		c.conn.log.Error("a write counts under the ceilings by this machine's clock alone", "operation", c.op.Name, "error", err.Error())
	}
}

// serviceClock is the service's own clock, as the Date of its answers tells it. The local one only measures how long
// ago that was.
type serviceClock struct {
	mu   sync.Mutex
	date time.Time // of the last answer
	at   time.Time // when that came
}

func (s *serviceClock) observe(h http.Header) {
	date, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.date, s.at = date, time.Now()
}

// told is the last Date; zero before the first.
func (s *serviceClock) told() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.date
}

// now is what that clock shows now; zero before the first answer.
func (s *serviceClock) now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.date.IsZero() {
		return s.date
	}
	return s.date.Add(time.Since(s.at))
}
