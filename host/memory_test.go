package host_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/hosttest"
)

// limitedRig is a rig whose process may hold so many bytes.
func limitedRig(t *testing.T, memory *host.ProcessMemory, limits host.Limits, body string) (*host.Connection, *hosttest.Recorder) {
	t.Helper()
	m := hosttest.Package("./host/testdata/hostile", hostileManifest(), host.LoadOptions{Memory: 64 << 20, ProcessMemory: memory}).Module(t)
	seen := &hosttest.Recorder{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) })}
	return hosttest.Serve(t, m, seen, host.Config{Grants: abi.Classes()}, host.ConnectOptions{Limits: limits}), seen
}

const oneLog, emitAll = `{"endpoint":"GET /api/v1/logs"}`, `{}`

// TestProcessMemory_BelowTheModule_RefusesCalls: nothing is sent, and the caller learns that it may repeat.
func TestProcessMemory_BelowTheModule_RefusesCalls(t *testing.T) {
	memory := host.NewProcessMemory(1 << 20)
	c, seen := limitedRig(t, memory, host.Limits{}, `[]`)
	_, err := c.Invoke(context.Background(), "read", said(`{"outcome":"succeeded"}`, emitAll, oneLog))
	hosttest.WantOutcome(t, err, abi.Unavailable, "memory")
	if !strings.Contains(err.Error(), "--max-process-memory") || len(seen.URIs()) > 0 || memory.Held() != 0 {
		t.Errorf("%v, sent %v, held %d", err, seen.URIs(), memory.Held())
	}
}

// TestProcessMemory_OfABody_IsCountedBeforeItIsRead: the module learns it, and the process goes on.
func TestProcessMemory_OfABody_IsCountedBeforeItIsRead(t *testing.T) {
	memory := host.NewProcessMemory(24 << 20)
	c, _ := limitedRig(t, memory, host.Limits{}, `[{"a":"`+strings.Repeat("x", 20<<20)+`"}]`)
	res, err := c.Invoke(context.Background(), "read", json.RawMessage(`{"do":"send","requests":[`+oneLog+`]}`))
	if err != nil || !strings.Contains(string(res.Output), "--max-process-memory") {
		t.Errorf("%v, %.300s", err, res.Output)
	}
	if memory.Held() != 0 {
		t.Errorf("held %d", memory.Held())
	}
}

// TestProcessMemory_AfterCalls_IsFree: whatever a call ended as, and also for rows that are not closed.
func TestProcessMemory_AfterCalls_IsFree(t *testing.T) {
	memory := host.NewProcessMemory(256 << 20)
	c, _ := limitedRig(t, memory, host.Limits{CallTimeout: 2 * time.Second, HeldBytes: 1 << 20}, `[`+strings.Repeat(`{"id":"1","a":"`+strings.Repeat("x", 1000)+`"},`, 99)+`{}]`)
	ctx := context.Background()
	emits := emitAll + `,{"kind":"k","skip":1000}`
	for _, input := range []json.RawMessage{
		said(`{"outcome":"succeeded","list":true}`, emits, oneLog), said(`{"outcome":"succeeded"}`, emits, oneLog), said(`garbage`, emits, oneLog),
		said(`{"outcome":"succeeded","list":true}`, emits, strings.Repeat(oneLog+",", 30)+oneLog),
		json.RawMessage(`{"do":"send and panic","requests":[` + oneLog + `]}`), json.RawMessage(`{"do":"eat"}`), json.RawMessage(`{"do":"eat kernel memory"}`),
	} {
		_, _ = c.Invoke(ctx, "read", input)
		if memory.Held() != 0 {
			t.Fatalf("after %.200s: held %d", input, memory.Held())
		}
	}
	page := said(`{"outcome":"succeeded","cursor":"next","checkpoint":{"v":1},"caught_up":true}`, emits, oneLog)
	for range c.SourcePages(ctx, host.SourceOptions{Operation: "read", Config: page}) {
		if memory.Held() == 0 {
			t.Error("a page that is read is not counted")
		}
	}
	rows, err := c.Table(ctx, "read", page, host.TableOptions{})
	if err == nil {
		_, err = rows.Next()
	}
	if err != nil || memory.Held() == 0 {
		t.Fatal(err, memory.Held())
	}
	rows = nil //nolint:ineffassign,wastedassign // it is collected
	for range 100 {
		if runtime.GC(); memory.Held() == 0 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("held %d", memory.Held())
}

// TestProcessMemory_KeysOfRows_AreCounted: only rows of several pages remember the keys of their records.
func TestProcessMemory_KeysOfRows_AreCounted(t *testing.T) {
	memory := host.NewProcessMemory(256 << 20)
	const records = 1000
	var body strings.Builder
	for i := range records {
		fmt.Fprintf(&body, `,{"id":"%d"}`, i)
	}
	c, _ := limitedRig(t, memory, host.Limits{}, "["+body.String()[1:]+"]")
	held := map[string]int64{}
	for _, cursor := range []string{"", "next"} {
		rows, err := c.Table(context.Background(), "read", said(`{"outcome":"succeeded","cursor":"`+cursor+`"}`, emitAll, oneLog), host.TableOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if page, err := rows.Next(); err != nil || len(page) != records {
			t.Fatalf("%d records, %v", len(page), err)
		}
		held[cursor] = memory.Held()
		if rows.Close(); memory.Held() != 0 {
			t.Errorf("after the rows, %d bytes are held", memory.Held())
		}
	}
	if more := held["next"] - held[""]; more < records*8 {
		t.Errorf("the keys of %d records are counted as %d bytes", records, more)
	}
}
