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

// maxKey is the maximum length of an idempotency key, in bytes.
const maxKey = 255

// scope returns what keys and ceilings belong to. Connections to different orgs have different scopes, even with the
// same name.
func (c *Connection) scope() string { return c.config.Name + "\x00" + c.base.String() }

// invokeKeyed runs an invoke at most once for its idempotency key. It returns the recorded result of an earlier run,
// and settles a run that was interrupted.
func (c *Connection) invokeKeyed(ctx context.Context, inv *invocation, run *call) *abi.Result {
	key := inv.options.IdempotencyKey
	refuse := func(outcome abi.Outcome, code string, err error, retryable bool) *abi.Result {
		return &abi.Result{Operation: run.op.Name, Outcome: outcome, Meta: run.meta(inv.started),
			Error: &abi.Error{Code: code, Message: err.Error(), Retryable: retryable}}
	}
	switch {
	case c.opts.Journal == nil:
		return refuse(abi.Invalid, "idempotency_key", errors.New("an idempotency key needs a journal, and this connection has none: configure one"), false)
	case len(key) > maxKey:
		return refuse(abi.Invalid, "idempotency_key", fmt.Errorf("an idempotency key may have at most %d bytes", maxKey), false)
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
		return refuse(abi.Rejected, "idempotency_key_reused", errors.New("this idempotency key was used for another operation or input: use a new one"), false)
	case errors.Is(err, journal.ErrBusy):
		return refuse(abi.Unavailable, "idempotency_key_busy", errors.New("another run with this idempotency key is in progress: repeat later to get its result"), true)
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
			return fmt.Errorf("the write was not sent, because the journal could not record it: %w", err)
		}
		wrote = true
		return nil
	}
	res := c.invokeApproved(ctx, inv, run)
	if settling && len(inv.entry.targets) == 0 {
		if t := gate.SettleTarget(before.Target); t != nil {
			inv.entry.targets = []abi.SettleTarget{*t}
		}
	}
	if settling && res.Outcome == abi.Unchanged { // because of the earlier run's write
		res.Outcome, res.Meta.Reconciled = abi.Succeeded, true
	}
	if err := gate.Record(context.WithoutCancel(ctx), claim, res, settling, wrote, run.writes.values); err != nil {
		c.log.Error("the journal could not record the result of an idempotency key", "operation", run.op.Name, "outcome", string(res.Outcome), "error", err.Error())
		res.Meta.Warnings = append(res.Meta.Warnings, "the result could not be recorded under the idempotency key: "+err.Error())
	}
	return res
}
