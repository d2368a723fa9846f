package ingest_test

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/checkpoint"
	"github.com/mach5/okta-connector/host/hosttest"
	"github.com/mach5/okta-connector/host/hosttest/invented"
	"github.com/mach5/okta-connector/host/ingest"
)

// TestDrain_InventedKind_ResumesFromFile drains a source of another service, and resumes in a second run.
func TestDrain_InventedKind_ResumesFromFile(t *testing.T) {
	const operation = "poll_movements"
	depot := &invented.Depot{}
	c := hosttest.Serve(t, invented.Connector.Module(t), depot, host.Config{Name: "depot"}, host.ConnectOptions{})
	path := filepath.Join(t.TempDir(), "checkpoint")
	drain := func() (numbers []string) {
		t.Helper()
		file, err := checkpoint.Open(path, checkpoint.Identity{Kind: "depot", Connection: "depot", BaseURL: "x", Operation: operation})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = file.Close() }()
		at, err := file.Load()
		if err != nil {
			t.Fatal(err)
		}
		recent := ingest.OpenRecent(path+".keys", at)
		defer func() { _ = recent.Close() }()
		sink := &memory{}
		d := &ingest.Drain{Connection: "depot", Operation: operation, Key: "no", Sink: sink, Checkpoint: file, At: at, Recent: recent,
			Feed: ingest.Source(c, host.SourceOptions{Operation: operation, Config: []byte(`{"page_size":4}`)})}
		if err := d.Run(context.Background()); err != nil {
			t.Fatal(err)
		}
		for _, line := range sink.Lines {
			numbers = append(numbers, gjson.Get(line, "no").Raw)
		}
		return numbers
	}
	var want []string
	for i := range 10 {
		depot.Put(fmt.Sprint("saw-", i), "A")
		want = append(want, fmt.Sprint(i+1))
	}
	if got := drain(); !slices.Equal(got, want) {
		t.Errorf("drained %q, want %q", got, want)
	}
	depot.Put("saw-1", "B")
	if got := drain(); !slices.Equal(got, []string{"11"}) {
		t.Errorf("then drained %q, want only the last movement", got)
	}
}

// TestRange_InventedKind_ReadsItsTimes: the times of this kind are not RFC 3339.
func TestRange_InventedKind_ReadsItsTimes(t *testing.T) {
	at := time.Date(2026, 1, 31, 9, 30, 15, 0, time.UTC)
	depot := &invented.Depot{Now: func() time.Time { return at }}
	depot.Put("saw-1", "A")
	c := hosttest.Serve(t, invented.Connector.Module(t), depot, host.Config{Name: "depot"}, host.ConnectOptions{})
	pages := 0
	for page, err := range ingest.Range(c, "list_items", nil, "changed")(t.Context(), nil) {
		if err != nil {
			t.Fatal(err)
		}
		if pages++; !page.Watermark.Equal(at) {
			t.Errorf("the watermark is %s, want %s", page.Watermark, at)
		}
	}
	if pages != 1 {
		t.Errorf("%d pages", pages)
	}
}
