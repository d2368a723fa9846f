package ingest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/checkpoint"
	"github.com/mach5/okta-connector/host/durable"
	"github.com/mach5/okta-connector/host/durable/crashtest"
	"github.com/mach5/okta-connector/host/hosttest/invented"
	"github.com/mach5/okta-connector/host/ingest"
	"github.com/mach5/okta-connector/host/ingest/ingesttest"
	"github.com/mach5/okta-connector/host/sink"
	"github.com/mach5/okta-connector/host/sink/filesink"
)

// buffered is a memory sink whose pages become durable with Sync.
type buffered struct {
	memory
	order   sync.Mutex
	pending *memory
	syncs   int
	onSync  func(n int) error
	appends int
	broken  int // number of the Append that fails, and loses the pages appended before
}

func (b *buffered) Append(ctx context.Context, p sink.Page) error {
	b.order.Lock()
	defer b.order.Unlock()
	if b.appends++; b.appends == b.broken {
		b.pending = nil
		return sink.ErrUnavailable
	}
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
		b.Mu.Lock()
		defer b.Mu.Unlock()
		b.Lines = append(b.Lines, pending.Lines...)
	}
	return nil
}

// TestRun_Pages_AreSyncedBeforeCheckpoint: a checkpoint covers only synced pages, even while the next pages are already
// written. If a sync fails, every unsynced page is written again.
func TestRun_Pages_AreSyncedBeforeCheckpoint(t *testing.T) {
	t.Parallel()
	m := invented.Connector.Module(t)
	o := new(invented.Depot).Fill(20_000)
	c := connectTo(t, m, o, host.Config{})
	path := filepath.Join(t.TempDir(), "cp.json")
	b := &buffered{}
	b.onSync = func(n int) error {
		before := string(ingesttest.CheckpointAt(t, path))
		if n == 1 && before != "" {
			t.Errorf("nothing was synced yet, but there is the checkpoint %s", before)
		}
		if n <= 3 { // each page is a commit, so page n+1 was written before this sync or is written during it
			ingesttest.Eventually(t, "the next page", func() bool {
				b.order.Lock()
				defer b.order.Unlock()
				return b.appends > n
			})
		}
		if after := string(ingesttest.CheckpointAt(t, path)); after != before {
			t.Errorf("during sync %d the checkpoint changed from %s to %s", n, before, after)
		}
		if n == 3 {
			return errors.New("the disk failed")
		}
		return nil
	}
	d, err := run(context.Background(), t, c, b, host.SourceOptions{Config: ingesttest.PageSize(20), Follow: true}, path,
		func(d *ingest.Drain) { d.CommitAfter(time.Nanosecond) }) // each page: else a fast machine ends before sync 3
	counted := int(d.Stats().Records)
	if err == nil || d.Stats().State != ingest.Failed || counted > len(b.Lines) {
		t.Errorf("%v, %+v, %d lines", err, d.Stats(), len(b.Lines))
	}
	b.Lines = b.Lines[:min(counted, len(b.Lines))] // a sync may include a page of the next commit, which is written again
	if len(b.Lines) == 0 || len(b.Lines) == 20_000 {
		t.Fatalf("%d events before the disk failed", len(b.Lines))
	}
	b.pending = nil // the next process has no pages of this one
	if _, err := run(context.Background(), t, c, b, host.SourceOptions{}, path); err != nil {
		t.Fatal(err)
	}
	b.WantAll(t, o.Movements(), key, 1)
}

// TestRun_AppendFails_WritesUnsyncedPagesAgain: an Append that fails loses the unsynced pages before it. The next Sync
// succeeds, but the checkpoint of these pages must not be saved.
func TestRun_AppendFails_WritesUnsyncedPagesAgain(t *testing.T) {
	m := invented.Connector.Module(t)
	o := new(invented.Depot).Fill(1000)
	c := connectTo(t, m, o, host.Config{})
	b := &buffered{broken: 5, onSync: func(int) error { return nil }}
	path := filepath.Join(t.TempDir(), "cp.json")
	cp, err := checkpoint.Open(path, checkpoint.Identity{Kind: "depot", Connection: "depot", BaseURL: "x", Operation: poll})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cp.Close() }()
	d := &ingest.Drain{Operation: poll, Key: key, Sink: b, Checkpoint: cp, Recent: ingest.OpenRecent("", nil), Persist: true, Pause: time.Nanosecond,
		Feed: ingest.Source(c, host.SourceOptions{Operation: poll, Config: ingesttest.PageSize(100)})}
	d.Say = func(string, ...any) {
		if at := ingesttest.CheckpointAt(t, path); at != nil {
			t.Errorf("the four appended pages were lost, but there is the checkpoint %s", at)
		}
	}
	d.CommitAfter(time.Hour)
	if err := d.Run(context.Background()); err != nil || d.Stats().Failures != 1 {
		t.Errorf("%v, %+v", err, d.Stats())
	}
	b.WantAll(t, o.Movements(), key, 1)
}

// failing is a disk of which one sync fails and loses the data written before it. Later syncs succeed.
type failing struct {
	durable.Disk
	left *int // number of syncs before the one that fails
}

func (d failing) Append(path string, mode fs.FileMode) (durable.File, error) {
	f, err := d.Disk.Append(path, mode)
	return failingFile{f, d.left}, err
}

type failingFile struct {
	durable.File
	left *int
}

func (f failingFile) Sync() error {
	if *f.left--; *f.left == -1 {
		return &os.PathError{Op: "sync", Path: "out", Err: syscall.EIO}
	}
	return f.File.Sync()
}

// TestRun_SyncFails_LosesNothing lets each sync fail in turn, including those of rotations. The checkpoint never covers the
// lost records, and the next process writes all.
func TestRun_SyncFails_LosesNothing(t *testing.T) {
	m := invented.Connector.Module(t)
	o := (&invented.Depot{Note: 900}).Fill(20)
	c := connectTo(t, m, o, host.Config{})
	for n := 0; ; n++ {
		folder, left := t.TempDir(), n
		disk, err := crashtest.New(folder)
		if err != nil {
			t.Fatal(err)
		}
		p := process{conn: c, folder: folder, out: "out.ndjson", together: true}
		s, err := p.run(failing{disk, &left})
		if err == nil {
			if n < 4 {
				t.Errorf("%d syncs, want those of several rotations and the last", n)
			}
			break
		}
		if !errors.Is(err, syscall.EIO) || s.State != ingest.Failed {
			t.Errorf("sync %d: %v, %+v", n, err, s)
		}
		if s.Records > 0 || ingesttest.CheckpointAt(t, filepath.Join(folder, "cp.json")) != nil {
			t.Errorf("sync %d: no page was committed, but %+v", n, s)
		}
		if _, err := p.run(disk); err != nil {
			t.Errorf("after sync %d: %v", n, err)
		}
		if wantOnce(t, o, folder, "out.ndjson"); t.Failed() {
			t.Fatalf("after sync %d", n)
		}
	}
}

// TestRun_FileAheadOfCheckpoint_WritesNothingTwice: after a crash the file has more records than the checkpoint covers.
func TestRun_FileAheadOfCheckpoint_WritesNothingTwice(t *testing.T) {
	t.Parallel()
	m := invented.Connector.Module(t)
	for _, name := range []string{"out.ndjson", "out.ndjson.zst"} {
		o := new(invented.Depot).Fill(5000)
		c := connectTo(t, m, o, host.Config{})
		dir := t.TempDir()
		path := filepath.Join(dir, "cp.json")
		drain := func() ingest.Stats {
			t.Helper()
			s, err := filesink.Open(filepath.Join(dir, name), filesink.Options{RotateSize: 200_000})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = s.Close() }()
			d, err := run(context.Background(), t, c, s, host.SourceOptions{Config: ingesttest.PageSize(100)}, path)
			if err != nil {
				t.Fatal(err)
			}
			return d.Stats()
		}
		drain()
		first := ingesttest.CheckpointAt(t, path)
		restore := snapshot(t, path)
		o.Append(777)
		if s := drain(); s.Records != 777 {
			t.Fatalf("%+v", s)
		}
		restore() // the earlier checkpoint and keys, as after a crash
		if string(ingesttest.CheckpointAt(t, path)) != string(first) {
			t.Fatal("the checkpoint was not restored")
		}
		o.Append(3)
		if s := drain(); s.Records != 3 || s.Repeats != 777 {
			t.Errorf("%s: %d records, %d repeats dropped; want the 3 new ones", name, s.Records, s.Repeats)
		}
	}
}

// TestRun_FileDeletedOrCut_WritesLostPagesAgain: if another program deletes or cuts the file during a run, every uncommitted
// page is written again, without Persist, too.
func TestRun_FileDeletedOrCut_WritesLostPagesAgain(t *testing.T) {
	m := invented.Connector.Module(t)
	for name, remove := range map[string]func(string) error{"deleted": os.Remove, "cut": func(path string) error { return os.Truncate(path, 0) }} {
		o := new(invented.Depot).Fill(1000)
		c := connectTo(t, m, o, host.Config{})
		folder := t.TempDir()
		out := filepath.Join(folder, "out.ndjson")
		s, err := filesink.Open(out, filesink.Options{})
		if err != nil {
			t.Fatal(err)
		}
		d := &ingest.Drain{Operation: poll, Key: key, Sink: s, Recent: ingest.OpenRecent("", nil), Pause: time.Nanosecond}
		feed, n := ingest.Source(c, host.SourceOptions{Operation: poll, Config: ingesttest.PageSize(100)}), 0
		d.Feed = func(ctx context.Context, at json.RawMessage) iter.Seq2[*host.Page, error] {
			return func(yield func(*host.Page, error) bool) {
				for page, err := range feed(ctx, at) {
					if n++; n == 5 {
						if err := remove(out); err != nil {
							t.Error(err)
						}
					}
					if !yield(page, err) {
						return
					}
				}
			}
		}
		var said []string
		d.Say = func(format string, args ...any) { said = append(said, fmt.Sprintf(format, args...)) }
		d.CommitAfter(time.Hour)
		if err := d.Run(context.Background()); err != nil || d.Stats().Records != 1000 {
			t.Errorf("%s: %v, %+v", name, err, d.Stats())
		}
		wantOnce(t, o, folder, "out.ndjson")
		if len(said) != 1 || !strings.Contains(said[0], "are written again") {
			t.Errorf("%s: said %q", name, said)
		}
		_ = s.Close()
	}
}

// fleeting is a sink that loses pages that are not synced soon, like a file that is often deleted.
type fleeting struct {
	buffered
	most   int // number of pages that may be appended before a Sync
	always int // number of Syncs that lose the pages in any case
	since  int
}

func (f *fleeting) Append(ctx context.Context, p sink.Page) error {
	f.since++
	return f.buffered.Append(ctx, p)
}

func (f *fleeting) Sync() error {
	lost := f.since > f.most
	if f.since = 0; f.always > 0 {
		f.always--
		lost = true
	}
	if lost {
		f.order.Lock()
		defer f.order.Unlock()
		f.pending = nil
		return fmt.Errorf("%w: it was deleted", sink.ErrRewrite)
	}
	return f.buffered.Sync()
}

// TestRun_SinkKeepsLosingPages_SyncsEachPage: with Persist, the run continues even if that is still not soon enough.
func TestRun_SinkKeepsLosingPages_SyncsEachPage(t *testing.T) {
	t.Parallel()
	m := invented.Connector.Module(t)
	o := new(invented.Depot).Fill(100)
	c := connectTo(t, m, o, host.Config{})
	for _, f := range []*fleeting{{most: 1}, {most: 100, always: 30}} {
		f.onSync = func(int) error { return nil }
		d := &ingest.Drain{Operation: poll, Key: key, Sink: f, Recent: ingest.OpenRecent("", nil), Persist: f.always > 0, Pause: time.Microsecond,
			Feed: ingest.Source(c, host.SourceOptions{Operation: poll, Config: ingesttest.PageSize(10)})}
		d.CommitAfter(time.Hour)
		if err := d.Run(context.Background()); err != nil || d.Stats().Records != 100 {
			t.Errorf("%v, %+v", err, d.Stats())
		}
		f.WantAll(t, o.Movements(), key, 1)
	}
}
