package ingest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/tidwall/gjson"

	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/checkpoint"
	"github.com/mach5/okta-connector/host/durable"
	"github.com/mach5/okta-connector/host/durable/crashtest"
	"github.com/mach5/okta-connector/host/hosttest"
	"github.com/mach5/okta-connector/host/hosttest/invented"
	"github.com/mach5/okta-connector/host/ingest"
	"github.com/mach5/okta-connector/host/ingest/ingesttest"
	"github.com/mach5/okta-connector/host/sink/filesink"
)

// process is one run of a source into a file. Only its folder outlives it.
type process struct {
	conn     *host.Connection
	folder   string
	out      string // file
	together bool   // all pages become durable together, at the end
	slowly   bool   // pages come at such times that some become durable alone and some together
}

// run drains the source until it has caught up.
func (p process) run(disk durable.Disk) (ingest.Stats, error) {
	path := filepath.Join(p.folder, "cp.json")
	cp, err := checkpoint.OpenOn(disk, path, checkpoint.Identity{Kind: "depot", Connection: "depot", BaseURL: "x", Operation: poll})
	if err != nil {
		return ingest.Stats{}, err
	}
	defer func() { _ = cp.Close() }()
	at, err := cp.Load()
	if err != nil {
		return ingest.Stats{}, err
	}
	s, err := filesink.Open(filepath.Join(p.folder, p.out), filesink.Options{Disk: disk, RotateSize: 4000})
	if err != nil {
		return ingest.Stats{}, err
	}
	defer func() { _ = s.Close() }()
	feed := ingest.Source(p.conn, host.SourceOptions{Operation: poll, Config: ingesttest.PageSize(2)})
	d := &ingest.Drain{Operation: poll, Key: key, Sink: s, Checkpoint: cp, At: at, Recent: ingest.OpenRecent(path+".keys", at), Feed: feed}
	if p.slowly {
		d.Feed = func(ctx context.Context, at json.RawMessage) iter.Seq2[*host.Page, error] {
			return func(yield func(*host.Page, error) bool) {
				n := 0
				for page, err := range feed(ctx, at) {
					time.Sleep([]time.Duration{0, 1, 1, 6, 3, 0, 0, 8}[n%8] * time.Millisecond) // decides what is tested, not the result
					if n++; !yield(page, err) {
						return
					}
				}
			}
		}
	}
	if d.CommitAfter(4 * time.Millisecond); p.together {
		d.CommitAfter(time.Hour)
	}
	defer func() { _ = d.Recent.Close() }()
	err = d.Run(context.Background())
	return d.Stats(), err
}

// wantOnce checks that the files of a folder have every event of a depot once, and nothing else. Files that were put aside may
// contain zeros after a crash, and end in a partial record or frame; readers skip these. The current file is whole.
func wantOnce(t *testing.T, depot *invented.Depot, folder, out string) {
	t.Helper()
	if err := once(depot, folder, out); err != nil {
		t.Error(err)
	}
}

// once is wantOnce for concurrent checks.
func once(depot *invented.Depot, folder, out string) error {
	stem, extension, _ := strings.Cut(out, ".")
	paths, err := filepath.Glob(filepath.Join(folder, stem+"*."+extension))
	if err != nil {
		return err
	}
	times := map[string]int{}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		aside := filepath.Base(path) != out
		if strings.HasSuffix(path, ".zst") {
			if text, err = decoded(text); err != nil && !aside {
				return fmt.Errorf("%s: %w", filepath.Base(path), err)
			}
		}
		for line := range strings.Lines(string(text)) {
			torn := strings.Contains(line, "\x00") || !strings.HasSuffix(line, "\n")
			if aside && torn {
				continue
			}
			if !gjson.Valid(line) || !strings.HasSuffix(line, "}\n") {
				return fmt.Errorf("%s has the line %.60q", filepath.Base(path), line)
			}
			times[gjson.Get(line, key).String()]++
		}
	}
	missing, doubled, all := 0, 0, 0
	for e := range depot.Movements() {
		all++
		switch n := times[gjson.GetBytes(e, key).String()]; {
		case n == 0:
			missing++
		case n > 1:
			doubled++
		}
	}
	if missing > 0 || doubled > 0 || len(times) != all {
		return fmt.Errorf("of %d events %d are missing and %d are there more than once, in %d files", all, missing, doubled, len(paths))
	}
	return nil
}

// decoded returns what a reader gets of a compressed file, up to an error.
func decoded(b []byte) (text []byte, err error) {
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
	if err != nil {
		return nil, err
	}
	defer d.Close()
	for len(b) > 0 { // frame by frame: a damaged frame gives nothing
		end, err := frameLength(b)
		if err != nil {
			return text, err
		}
		frame, err := d.DecodeAll(b[:end], nil)
		if err != nil {
			return text, err
		}
		text, b = append(text, frame...), b[end:]
	}
	return text, nil
}

// frameLength returns the length of the zstd frame at the beginning of b.
func frameLength(b []byte) (int, error) {
	var h zstd.Header
	if err := h.Decode(b); err != nil {
		return 0, err
	}
	for at := h.HeaderSize; at+3 <= len(b); {
		block := int(b[at]) | int(b[at+1])<<8 | int(b[at+2])<<16
		at += 3
		if block>>1&3 == 1 {
			at++
		} else {
			at += block >> 3
		}
		if block&1 == 1 && h.HasCheckSum {
			at += 4
		}
		if block&1 == 1 && at <= len(b) {
			return at, nil
		}
	}
	return 0, io.ErrUnexpectedEOF
}

// recording returns a recording disk, and a slow process to run on it.
func recording(t *testing.T, c *host.Connection, out string) (*crashtest.Disk, process) {
	t.Helper()
	p := process{conn: c, folder: t.TempDir(), out: out, slowly: true}
	d, err := crashtest.New(p.folder, "cp.json.keys")
	if err != nil {
		t.Fatal(err)
	}
	d.Syncing = func(name string) {
		if name == out {
			time.Sleep(2 * time.Millisecond) // meanwhile pages are appended
		}
	}
	return d, p
}

// crashesAtOnce is the number of concurrent recoveries.
const crashesAtOnce = 8

// crashStep returns the step between the crashes that are tried: 1 for all.
func crashStep() int {
	switch {
	case hosttest.Raced:
		return 37
	case testing.Short():
		return 7
	}
	return 1
}

// wantRecovery runs another process on each state that a crash of a disk may leave, from an operation on. It checks that all
// events are there in the end, and returns how many crashes it tried.
func wantRecovery(t *testing.T, d *crashtest.Disk, from int, depot *invented.Depot, c *host.Connection, out string) (crashes int) {
	t.Helper()
	dir, n := t.TempDir(), 0
	slots := make(chan struct{}, crashesAtOnce)
	var wg sync.WaitGroup
	for crash := range d.Crashes(from) {
		if n++; n%crashStep() != 0 {
			continue
		}
		if crashes++; t.Failed() {
			break
		}
		slots <- struct{}{}
		folder := filepath.Join(dir, fmt.Sprintf("crash-%d", n))
		wg.Go(func() {
			defer func() { <-slots }()
			if err := recovered(crash, folder, depot, c, out); err != nil {
				t.Errorf("%s: %v\n%s", crash, err, d)
			}
		})
	}
	wg.Wait()
	return crashes
}

// recovered runs a process on the state that a crash left.
func recovered(crash crashtest.Crash, folder string, depot *invented.Depot, c *host.Connection, out string) error {
	if err := crash.Restore(folder); err != nil {
		return err
	}
	disk, err := crashtest.New(folder) // does no real syncs
	if err != nil {
		return err
	}
	if _, err := (process{conn: c, folder: folder, out: out}).run(disk); err != nil {
		return err
	}
	if err := once(depot, folder, out); err != nil {
		return err
	}
	return os.RemoveAll(folder)
}

// TestRun_AnyCrash_KeepsEachRecordOnce crashes after each operation on the files, the checkpoint and the keys. In the end the
// next process has every event once. That holds also if the machine crashes during a second process, after the first was
// killed.
func TestRun_AnyCrash_KeepsEachRecordOnce(t *testing.T) {
	t.Parallel()
	m := invented.Connector.Module(t)
	for _, out := range []string{"out.ndjson", "out.ndjson.zst"} {
		t.Run(out, func(t *testing.T) {
			o := (&invented.Depot{Note: 900}).Fill(12)
			dial, stop := ingesttest.Serve(o)
			defer stop()
			c := ingesttest.Connect(t, m, host.Config{}, host.ConnectOptions{Dial: dial})
			defer func() { _ = c.Close(context.Background()) }()
			d, p := recording(t, c, out)
			if s, err := p.run(d); err != nil || s.Records != 12 {
				t.Fatalf("%+v, %v", s, err)
			}
			wantOnce(t, o, p.folder, out)
			once, again, operations := wantRecovery(t, d, 0, o, c, out), 0, d.Operations()
			for _, k := range []struct {
				nth        int
				kind, name string
			}{{1, "write", out}, {3, "write", out}, {1, crashtest.Half + "write", out}, {3, crashtest.Half + "write", out}, {1, "rename", out}, {2, "link", out}, {1, "rename", "cp.json.new"}, {2, "write", "cp.json.new"}} {
				d, p := recording(t, c, out)
				d.Kill(k.nth, k.kind, k.name)
				_, err := p.run(d)
				if !d.Revive() {
					t.Fatalf("the run had no %s %s number %d: %v", k.kind, k.name, k.nth, err)
				}
				killed := d.Operations()
				p.slowly, p.together = false, true
				if _, err := p.run(d); err != nil {
					t.Fatalf("after being killed at %s %s: %v", k.kind, k.name, err)
				}
				wantOnce(t, o, p.folder, out)
				again += wantRecovery(t, d, killed, o, c, out)
			}
			t.Logf("%d operations, %d crashes, %d crashes of a second process", operations, once, again)
		})
	}
}
