package host

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host/internal/gate"
	"github.com/mach5/okta-connector/host/internal/redact"
	"github.com/mach5/okta-connector/host/journal"
)

// maxKey is the longest idempotency key, in bytes.
const maxKey = 255

// scope is what keys and ceilings belong to: a connection of another org has its own, whatever its name.
func (c *Connection) scope() string { return c.config.Name + "\x00" + c.base.String() }

// keyed runs an invoke once for its idempotency key: an earlier result is answered again, and a run that ended in the
// middle is settled.
func (c *Connection) keyed(ctx context.Context, inv *invocation, run *call) *abi.Result {
	key := inv.options.IdempotencyKey
	refuse := func(outcome abi.Outcome, code string, err error, retryable bool) *abi.Result {
		return &abi.Result{Operation: run.op.Name, Outcome: outcome, Meta: run.meta(inv.started),
			Error: &abi.Error{Code: code, Message: err.Error(), Retryable: retryable}}
	}
	switch {
	case c.opts.Journal == nil:
		return refuse(abi.Invalid, "idempotency_key", errors.New("an idempotency key needs a journal, and this connection has none"), false)
	case len(key) > maxKey:
		return refuse(abi.Invalid, "idempotency_key", fmt.Errorf("an idempotency key has at most %d bytes", maxKey), false)
	}
	mark, err := redact.Fingerprint(run.op.Operation, inv.input, c.scope()+"\x00"+key)
	if err != nil {
		return refuse(abi.Failed, "fingerprint", err, false)
	}
	waiting, cancel := c.deadline(ctx, inv.options.Timeout)
	claim, err := c.opts.Journal.Claim(waiting, c.scope(), key, mark)
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
		res.Meta.Replayed, res.Meta.RecordedAt, res.Meta.DurationMS = true, before.Ended, milliseconds(time.Since(inv.started))
		return &res
	}
	settling := found && before.Phase == journal.Writing
	if settling {
		run.writes.earlier = &earlierRun{since: before.Wrote, target: before.Target}
	}
	run.writes.values = redact.Of(run.op.Operation, inv.input)
	wrote := false
	run.writes.gate.Sending = func(w abi.PlannedWrite) error {
		if err := claim.Writing(ctx, c.clock.Observed(), gate.TargetOf(w, run.writes.values)); err != nil {
			return fmt.Errorf("the journal could not note the write, so that it was not sent: %w", err)
		}
		wrote = true
		return nil
	}
	res := c.approved(ctx, inv, run)
	if settling && len(inv.deed.targets) == 0 {
		if t := gate.SettleTarget(before.Target); t != nil {
			inv.deed.targets = []abi.SettleTarget{*t}
		}
	}
	if settling && res.Outcome == abi.Unchanged { // the earlier run's write made it so
		res.Outcome, res.Meta.Reconciled = abi.Succeeded, true
	}
	if err := record(context.WithoutCancel(ctx), claim, res, settling, wrote, run.writes.values); err != nil {
		c.log.Error("the result of an idempotency key is not in the journal", "operation", run.op.Name, "outcome", string(res.Outcome), "error", err.Error())
		res.Meta.Warnings = append(res.Meta.Warnings, "the result could not be recorded under the idempotency key: "+err.Error())
	}
	return res
}

// record keeps what is to be answered to the same key again: what a write came to, and what the service refused. Where no write
// left, or a repeat may succeed, nothing is kept: a state that needed none may be another by then, and what was wrong mended.
// Where it is unknown what became of a write, the next run reads back again.
func record(ctx context.Context, claim journal.Claim, res *abi.Result, settling, wrote bool, values redact.Values) error {
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
	kept.Output = values.JSON(kept.Output)
	text, err := json.Marshal(kept)
	if err != nil {
		return err
	}
	return claim.Done(ctx, text)
}

// maxKept is the largest output that is recorded, in bytes.
const maxKept = 1 << 20
