package host

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host/journal"
)

// maxKey is the longest idempotency key, in bytes.
const maxKey = 255

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
	waiting, cancel := c.deadline(ctx, o.Timeout)
	claim, err := c.opts.Journal.Claim(waiting, c.config.Name, o.IdempotencyKey, fingerprint(run.op.Name, input))
	cancel()
	switch {
	case errors.Is(err, journal.ErrOther):
		return refuse(abi.Rejected, "idempotency_key_reused", errors.New("this idempotency key was used for another operation or input: take a new one"), false)
	case errors.Is(err, journal.ErrBusy):
		return refuse(abi.Unavailable, "idempotency_key_busy", errors.New("another run with this idempotency key has not ended: ask again for its result"), true)
	case err != nil:
		return refuse(abi.Failed, "journal", err, true)
	}
	defer claim.Release()
	before, found := claim.Previous()
	if found && before.Phase == journal.Done {
		var res abi.Result
		if err := json.Unmarshal(before.Result, &res); err != nil {
			return refuse(abi.Failed, "journal", fmt.Errorf("the recorded result cannot be read: %w", err), false)
		}
		res.Meta.Replayed, res.Meta.DurationMS = true, milliseconds(time.Since(started))
		return &res
	}
	run.settle = found && before.Phase == journal.Writing
	run.gate.wrote = func() error { return claim.Writing(ctx) }
	res := c.approved(ctx, run, input, o, started)
	if run.settle && res.Outcome == abi.Unchanged { // the earlier run's write made it so
		res.Outcome, res.Meta.Reconciled = abi.Succeeded, true
	}
	if err := c.record(ctx, claim, run, res); err != nil {
		c.log.Error("the result of an idempotency key is not in the journal", "operation", run.op.Name, "outcome", string(res.Outcome), "error", err.Error())
		res.Meta.Warnings = append(res.Meta.Warnings, "the result could not be recorded under the idempotency key: "+err.Error())
	}
	return res
}

// record keeps what is to be answered to the same key again. Where nothing changed and a repeat may succeed, nothing is
// kept: the key stays free for that. Where it is unknown what became of a write, the next run reads back again.
func (c *Connection) record(ctx context.Context, claim *journal.Claim, run *call, res *abi.Result) error {
	ctx = context.WithoutCancel(ctx)
	switch {
	case res.Outcome == abi.Unknown || run.settle && !res.Outcome.OK():
		return nil
	case !res.Outcome.OK() && (res.Error != nil && res.Error.Retryable || res.Outcome == abi.Failed || res.Outcome == abi.Denied):
		if now, _ := claim.Previous(); now.Phase == journal.Writing && res.Outcome == abi.Failed {
			return nil // a write may have left
		}
		return claim.Forget(ctx)
	}
	kept := *res
	if kept.Meta.Sensitive && kept.Output != nil {
		kept.Output = nil
		kept.Meta.Warnings = append(append([]string(nil), kept.Meta.Warnings...), "the output held a credential and was not recorded")
	}
	text, err := json.Marshal(kept)
	if err != nil {
		return err
	}
	return claim.Done(ctx, text)
}

// fingerprint tells operations and inputs apart, however their JSON is written.
func fingerprint(operation string, input json.RawMessage) string {
	dec := json.NewDecoder(bytes.NewReader(input))
	dec.UseNumber()
	var v any
	text := []byte(input)
	if dec.Decode(&v) == nil {
		if plain, err := json.Marshal(v); err == nil { // members in order
			text = plain
		}
	}
	sum := sha256.Sum256(append([]byte(operation+"\x00"), text...))
	return hex.EncodeToString(sum[:])
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

// underCeilings counts a write, unless a ceiling holds it back.
func (c *call) underCeilings(ctx context.Context) error {
	ceilings := c.conn.ceilings()
	if len(ceilings) == 0 {
		return nil
	}
	kinds := []string{"write"}
	if c.class == abi.Destructive {
		kinds = append(kinds, string(abi.Destructive))
	}
	wait, passed, err := c.conn.opts.Journal.Take(ctx, c.conn.config.Name, kinds, ceilings)
	if err == nil && wait > 0 {
		return errCeiling{passed, wait}
	}
	return err
}
