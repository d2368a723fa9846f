package ingest_test

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"testing"

	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/ingest"
	"github.com/mach5/okta-connector/host/oktatest"
	"github.com/mach5/okta-connector/host/sink"
)

// buffered is a memory sink whose pages are durable once they are synced.
type buffered struct {
	memory
	order   sync.Mutex
	pending *memory
	syncs   int
	onSync  func(n int) error
}

func (b *buffered) Append(ctx context.Context, p sink.Page) error {
	b.order.Lock()
	defer b.order.Unlock()
	if b.pending == nil {
		b.pending = &memory{}
	}
	return b.pending.Write(ctx, p)
}

func (b *buffered) Sync() error {
	b.order.Lock()
	b.syncs++
	n, pending := b.syncs, b.pending
	b.pending = nil
	b.order.Unlock()
	if err := b.onSync(n); err != nil {
		return err
	}
	if pending != nil {
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.times == nil {
			b.times = map[string]int{}
		}
		for uuid, times := range pending.times {
			b.times[uuid] += times
		}
		b.lines = append(b.lines, pending.lines...)
	}
	return nil
}

// TestPagesAreSyncedBeforeTheirCheckpoint: what a sink has not synced is in no checkpoint, while the next pages are written
// already; and when a sync fails, all that was not synced comes again.
func TestPagesAreSyncedBeforeTheirCheckpoint(t *testing.T) {
	m := load(t)
	o := oktatest.New(oktatest.Config{Users: 3, Events: 40_000, RateLimits: unlimited})
	c := connectTo(t, m, o, host.Config{})
	path := filepath.Join(t.TempDir(), "cp.json")
	b := &buffered{}
	b.onSync = func(n int) error {
		before := string(checkpointAt(t, path))
		if n == 1 { // while this sync is under way, the next page is written
			eventually(t, "the next page", func() bool {
				b.order.Lock()
				defer b.order.Unlock()
				return b.pending != nil
			})
		}
		if after := string(checkpointAt(t, path)); after != before {
			t.Errorf("sync %d was under way, and the checkpoint went from %s to %s", n, before, after)
		}
		if n == 3 {
			return errors.New("the disk is gone")
		}
		return nil
	}
	d, err := run(context.Background(), t, c, b, host.SourceOptions{Follow: true}, path)
	if err == nil || d.Stats().State != ingest.Failed || d.Stats().Records != int64(len(b.lines)) {
		t.Errorf("%v, %+v, %d lines", err, d.Stats(), len(b.lines))
	}
	if len(b.lines) == 0 || len(b.lines) == 40_000 {
		t.Fatalf("%d events before the disk went", len(b.lines))
	}
	if _, err := run(context.Background(), t, c, b, host.SourceOptions{}, path); err != nil {
		t.Fatal(err)
	}
	b.wantAll(t, o, 1)
}

// TestWhatACrashLeftInAFileIsNotWrittenAgain: the file has more than the checkpoint tells of.
func TestWhatACrashLeftInAFileIsNotWrittenAgain(t *testing.T) {
	m := load(t)
	for _, name := range []string{"out.ndjson", "out.ndjson.zst"} {
		o := oktatest.New(oktatest.Config{Users: 3, Events: 5000, RateLimits: unlimited})
		c := connectTo(t, m, o, host.Config{})
		dir := t.TempDir()
		path := filepath.Join(dir, "cp.json")
		drain := func() ingest.Stats {
			t.Helper()
			s, err := sink.OpenFile(filepath.Join(dir, name), sink.FileOptions{RotateSize: 200_000})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = s.Close() }()
			d, err := run(context.Background(), t, c, s, host.SourceOptions{Config: pageSize(100)}, path)
			if err != nil {
				t.Fatal(err)
			}
			return d.Stats()
		}
		drain()
		first := checkpointAt(t, path)
		keep := snapshot(t, path)
		o.AppendEvents(777)
		if s := drain(); s.Records != 777 {
			t.Fatalf("%+v", s)
		}
		keep() // the checkpoint and keys of before, as a crash would leave them
		if string(checkpointAt(t, path)) != string(first) {
			t.Fatal("the checkpoint was not put back")
		}
		o.AppendEvents(3)
		if s := drain(); s.Records != 3 || s.Repeats != 777 {
			t.Errorf("%s: %d records, %d repeats dropped; want the 3 new ones", name, s.Records, s.Repeats)
		}
	}
}
