package ingest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/checkpoint"
	"github.com/mach5/okta-connector/host/durable/crashtest"
	"github.com/mach5/okta-connector/host/hosttest"
	"github.com/mach5/okta-connector/host/hosttest/invented"
	"github.com/mach5/okta-connector/host/ingest"
	"github.com/mach5/okta-connector/host/ingest/ingesttest"
	"github.com/mach5/okta-connector/host/sink/filesink"
)

// replaying runs processes of a source that write to one folder and are killed.
type replaying struct {
	t      *testing.T
	feed   func(page int) ingest.Feed // returns the feed with a page size
	folder string
	out    string
}

// run reads a number of pages with a page size, and ends. 0 pages means all.
func (r *replaying) run(pages, size int) {
	r.t.Helper()
	path := filepath.Join(r.folder, "cp.json")
	disk, err := crashtest.New(r.folder) // does no real syncs
	if err != nil {
		r.t.Fatal(err)
	}
	cp, err := checkpoint.OpenOn(disk, path, checkpoint.Identity{Kind: "depot", Connection: "depot", BaseURL: "x", Operation: poll})
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = cp.Close() }()
	at, err := cp.Load()
	if err != nil {
		r.t.Fatal(err)
	}
	s, err := filesink.Open(filepath.Join(r.folder, r.out), filesink.Options{Disk: disk})
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	feed := r.feed(size)
	d := &ingest.Drain{Operation: poll, Key: key, Sink: s, Checkpoint: cp, At: at, Recent: ingest.OpenRecent(path+".keys", at),
		Feed: func(ctx context.Context, at json.RawMessage) iter.Seq2[*host.Page, error] {
			return func(yield func(*host.Page, error) bool) {
				n := 0
				for page, err := range feed(ctx, at) {
					if n++; !yield(page, err) || n == pages {
						return
					}
				}
			}
		}}
	defer func() { _ = d.Recent.Close() }()
	if err := d.Run(context.Background()); err != nil {
		r.t.Fatal(err)
	}
}

// small returns a depot whose movements are all within the overlap that is read again after a cursor expired.
func small(movements int) *invented.Depot {
	o := &invented.Depot{}
	began := time.Now().Add(-time.Minute)
	for i := range movements {
		o.AppendLate(began.Add(time.Duration(i) * time.Millisecond))
	}
	return o
}

// feeds returns the sources that resume by time after a refused cursor.
func feeds(c *host.Connection) map[string]func(page int) ingest.Feed {
	now := time.Now()
	return map[string]func(int) ingest.Feed{
		"poll": func(page int) ingest.Feed {
			return ingest.Source(c, host.SourceOptions{Operation: poll, Config: ingesttest.PageSize(page)})
		},
		"range": func(page int) ingest.Feed {
			return ingest.Range(c, bounded, ingesttest.Stretch(now.Add(-time.Hour), now.Add(time.Hour), page), "at")
		},
	}
}

// TestRun_ReplayedRecords_AreKnownToLaterRuns: a process is killed after its pages are in the file and before their checkpoint
// is saved. The next one replays their records and saves a later checkpoint. The cursor of the third is refused: it reads the
// records of the last five minutes again, and writes none twice.
func TestRun_ReplayedRecords_AreKnownToLaterRuns(t *testing.T) {
	t.Parallel()
	m := invented.Connector.Module(t)
	o := small(40)
	c := connectTo(t, m, o, host.Config{})
	most := 3
	if testing.Short() || hosttest.Raced {
		most = 1
	}
	for name, feed := range feeds(c) {
		for _, out := range []string{"out.ndjson", "out.ndjson.zst"} {
			for replayed := range most + 1 { // number of pages
				for further := 1; further <= replayed+1; further++ {
					r := replaying{t: t, feed: feed, folder: t.TempDir(), out: out}
					r.run(1, 4)
					restore := snapshot(t, filepath.Join(r.folder, "cp.json"))
					if replayed > 0 {
						r.run(replayed, 4)
					}
					restore()
					r.run(further, 4)
					for range 2 {
						o.Inject(invented.Fault{Kind: invented.Stale, Times: 1})
						r.run(0, 4)
						o.ClearFaults()
					}
					if wantOnce(t, o, r.folder, out); t.Failed() {
						t.Fatalf("%s into %s: %d pages were replayed, then %d read", name, out, replayed, further)
					}
				}
			}
		}
	}
}

// TestRun_TornPage_IsWrittenOnce cuts the last page of a file at every byte; the checkpoint is older than the page before. The
// next pages complete it, or have another size, so that the file is put aside. Then cursors expire. Each record is there
// once, also for a reader that reads the whole blocks of a torn frame.
func TestRun_TornPage_IsWrittenOnce(t *testing.T) {
	t.Parallel()
	m := invented.Connector.Module(t)
	o := small(20)
	c := connectTo(t, m, o, host.Config{})
	for name, feed := range feeds(c) {
		for _, out := range []string{"out.ndjson", "out.ndjson.zst"} {
			torn := replaying{t: t, feed: feed, folder: t.TempDir(), out: out}
			torn.run(1, 4)
			path := filepath.Join(torn.folder, "cp.json")
			restore := snapshot(t, path)
			torn.run(1, 4)
			whole, err := os.ReadFile(filepath.Join(torn.folder, out))
			if err != nil {
				t.Fatal(err)
			}
			torn.run(1, 4)
			last, err := os.ReadFile(filepath.Join(torn.folder, out))
			if err != nil || !bytes.HasPrefix(last, whole) {
				t.Fatal(err)
			}
			restore()
			files := map[string][]byte{}
			for _, p := range []string{"cp.json", "cp.json.keys"} {
				if files[p], err = os.ReadFile(filepath.Join(torn.folder, p)); err != nil {
					t.Fatal(err)
				}
			}
			step := 1
			if testing.Short() || hosttest.Raced {
				step = 29
			}
			for at := len(whole); at <= len(last); at++ {
				if (at-len(whole))%step != 0 && at < len(last)-4 { // always test the checksum at the end of a frame
					continue
				}
				for _, size := range []int{4, 3} {
					r := replaying{t: t, feed: feed, folder: t.TempDir(), out: out}
					files[out] = last[:at]
					for name, b := range files {
						if err := os.WriteFile(filepath.Join(r.folder, name), b, 0o600); err != nil {
							t.Fatal(err)
						}
					}
					r.run(3, size) // moves the checkpoint past the replayed records
					o.Inject(invented.Fault{Kind: invented.Stale, Times: 1})
					r.run(0, 4)
					o.ClearFaults()
					if wantOnce(t, o, r.folder, out); strings.HasSuffix(out, ".zst") {
						wantOnceStreamed(t, o, r.folder)
					}
					if t.Failed() {
						t.Fatalf("%s into %s, cut at byte %d of %d to %d, then pages of %d", name, out, at, len(whole), len(last), size)
					}
				}
			}
		}
	}
}

// wantOnceStreamed checks that a streaming reader of the compressed files gets each event of a depot once. Such a reader does
// not wait for the end of a frame: zstdcat prints each block at once.
func wantOnceStreamed(t *testing.T, depot *invented.Depot, folder string) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(folder, "*.zst"))
	if err != nil {
		t.Fatal(err)
	}
	lines := 0
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		text, err := decoded(b)
		if err != nil {
			text = append(text, blocks(b)...)
		}
		lines += bytes.Count(text, []byte("\n"))
	}
	if lines != depot.MovementCount() {
		t.Errorf("a reader of torn frames gets %d lines of %d events", lines, depot.MovementCount())
	}
}

// blocks returns the content of the whole blocks of a torn frame at the end of a file. The pages here have one block, so that
// is the block if only the checksum is missing, or nothing.
func blocks(file []byte) []byte {
	for len(file) > 0 {
		n, err := frameLength(file)
		if err != nil {
			break
		}
		file = file[n:]
	}
	for range 4 {
		file = append(file, 0)
		if n, err := frameLength(file); err == nil && n == len(file) {
			d, err := zstd.NewReader(nil, zstd.IgnoreChecksum(true))
			if err != nil {
				return nil
			}
			defer d.Close()
			text, _ := d.DecodeAll(file, nil) // after an error text is empty
			return text
		}
	}
	return nil
}
