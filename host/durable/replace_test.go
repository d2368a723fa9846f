package durable_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/mach5/okta-connector/host/durable"
	"github.com/mach5/okta-connector/host/durable/crashtest"
)

// A crash at any moment keeps one of the two contents, and the new one after
// Replace has returned.
func TestReplace_Crash_KeepsTheOldOrTheNew(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	if err := os.WriteFile(path, []byte("content 0"), 0o600); err != nil {
		t.Fatal(err)
	}
	d, err := crashtest.New(dir)
	if err != nil {
		t.Fatal(err)
	}
	var returned [4]int // how many operations there were when each Replace returned
	for i := 1; i < len(returned); i++ {
		if err := durable.Replace(d, path, fmt.Appendf(nil, "content %d", i)); err != nil {
			t.Fatal(err)
		}
		returned[i] = d.Operations()
	}
	crashes := 0
	for c := range d.Crashes(0) {
		crashes++
		least := 0
		for i, n := range returned {
			if c.After >= n {
				least = i
			}
		}
		got := string(c.Files["file"])
		if got != fmt.Sprintf("content %d", least) && got != fmt.Sprintf("content %d", least+1) {
			t.Errorf("%s: %q, want content %d or the next", c, got, least)
		}
		if c.After == returned[least] && got != fmt.Sprintf("content %d", least) {
			t.Errorf("%s: %q, though content %d was durable", c, got, least)
		}
	}
	if crashes < 10 {
		t.Errorf("%d crashes", crashes)
	}
}

// The temporary file of an interrupted Replace does not prevent the next.
func TestReplace_AfterAnInterruptedOne_Succeeds(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	if err := os.WriteFile(path+".new", []byte("hal"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := durable.Replace(durable.OS, path, []byte("whole")); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(path); string(b) != "whole" || err != nil {
		t.Errorf("%q, %v", b, err)
	}
	if entries, err := os.ReadDir(dir); len(entries) != 1 || err != nil {
		t.Errorf("%v, %v", entries, err)
	}
}
