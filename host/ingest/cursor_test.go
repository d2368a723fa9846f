package ingest_test

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/tidwall/gjson"

	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/hosttest/invented"
	"github.com/mach5/okta-connector/host/ingest"
	"github.com/mach5/okta-connector/host/ingest/ingesttest"
)

// TestRun_CursorExpired_ResumesWithoutRepeats: the cursor expires in the middle of a log, during a run and between two runs,
// and the service repeats whole pages. Each movement is written once.
func TestRun_CursorExpired_ResumesWithoutRepeats(t *testing.T) {
	t.Parallel()
	m := invented.Connector.Module(t)
	o := new(invented.Depot).Fill(20_000) // one every 3.6 s, 83 in the overlap
	c := connectTo(t, m, o, host.Config{})
	path := filepath.Join(t.TempDir(), "cp.json")
	got := &memory{}
	drain := func() *ingest.Drain {
		t.Helper()
		d, err := run(context.Background(), t, c, got, host.SourceOptions{Config: ingesttest.PageSize(100)}, path)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	o.Inject(invented.Fault{Kind: invented.Stale, Skip: 50, Times: 1})
	for _, at := range []int{80, 120, 150} {
		o.Inject(invented.Fault{Kind: invented.Repeat, Skip: at, Times: 1})
	}
	if s := drain().Stats(); s.Repeats < 300 || s.Records != 20_000 {
		t.Errorf("%d records, %d repeats dropped", s.Records, s.Repeats)
	}
	got.WantAll(t, o.Movements(), key, 1)

	o.Append(150)
	o.Inject(invented.Fault{Kind: invented.Stale, Times: 1}) // the first request of the next process
	if s := drain().Stats(); s.Records != 150 || s.Repeats == 0 {
		t.Errorf("%d records, %d repeats dropped; want the 150 new ones", s.Records, s.Repeats)
	}
	got.WantAll(t, o.Movements(), key, 1)
	for i, line := range got.Lines {
		if !gjson.Valid(line) {
			t.Fatalf("line %d is not JSON: %s", i, line)
		}
	}
}
