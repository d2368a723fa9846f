package hosttest

import (
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"testing"

	"github.com/mach5/okta-connector/host/journal"
)

// Journal returns a journal in a new folder.
func Journal(tb testing.TB, opts journal.Options) *journal.File {
	tb.Helper()
	j, err := journal.Open(filepath.Join(tb.TempDir(), "journal"), opts)
	if err != nil {
		tb.Fatal(err)
	}
	return j
}

// Killed returns a view of j whose claims fail to record the end of a run, as if the process were killed before.
func Killed(j journal.Journal) journal.Journal { return killed{j} }

type killed struct{ journal.Journal }

func (d killed) Claim(ctx context.Context, scope, key, fingerprint string) (journal.Claim, error) {
	c, err := d.Journal.Claim(ctx, scope, key, fingerprint)
	return killedClaim{c}, err
}

type killedClaim struct{ journal.Claim }

func (killedClaim) Done(context.Context, json.RawMessage) error { return errors.New("killed") }
func (killedClaim) Forget(context.Context) error                { return errors.New("killed") }
