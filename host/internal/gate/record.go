package gate

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host/internal/redact"
	"github.com/mach5/okta-connector/host/journal"
)

// Record stores what a repeat with the same key returns: the result of a write, or the service's refusal. It stores
// nothing if no write was sent or a repeat may succeed, because the state or the cause may change until then. If a
// write's result is unknown, the next run reads back again.
func Record(ctx context.Context, claim journal.Claim, res *abi.Result, settling, wrote bool, values redact.Values) error {
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
	if len(kept.Output) > maxRecordedOutput {
		kept.Output = nil
		kept.Meta.Warnings = append(append([]string(nil), kept.Meta.Warnings...), fmt.Sprintf("the output was over %d bytes and was not recorded", maxRecordedOutput))
	}
	kept.Output = values.JSON(kept.Output)
	text, err := json.Marshal(kept)
	if err != nil {
		return err
	}
	return claim.Done(ctx, text)
}

// maxRecordedOutput is the largest output that the journal records, in bytes.
const maxRecordedOutput = 1 << 20
