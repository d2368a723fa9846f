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

// Dying returns a view of j whose claims fail to record the end of a run, as if the process were killed before.
func Dying(j journal.Journal) journal.Journal { return dying{j} }

type dying struct{ journal.Journal }

func (d dying) Claim(ctx context.Context, scope, key, fingerprint string) (journal.Claim, error) {
	c, err := d.Journal.Claim(ctx, scope, key, fingerprint)
	return dyingClaim{c}, err
}

type dyingClaim struct{ journal.Claim }

func (dyingClaim) Done(context.Context, json.RawMessage) error { return errors.New("killed") }
func (dyingClaim) Forget(context.Context) error                { return errors.New("killed") }
