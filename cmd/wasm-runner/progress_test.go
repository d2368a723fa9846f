package main

import (
	"strings"
	"testing"
	"time"

	"github.com/mach5/okta-connector/host"
)

func TestTheProgressLineTellsHowItGoes(t *testing.T) {
	p := &progress{began: time.Now().Add(-10 * time.Second), quota: func() []host.Quota {
		return []host.Quota{
			{Bucket: "/api/v1/users", Limit: 600, Remaining: 590, ResetIn: time.Second},
			{Bucket: "/api/v1/logs", Limit: 120, Remaining: 7, ResetIn: 41 * time.Second},
			{Bucket: "unknown"},
		}
	}}
	p.page(1_234_000)
	p.page(567)
	line := p.line()
	for _, want := range []string{"1,234,567 records", "2 pages", "123,4", "7 of 120 requests left (/api/v1/logs, 41s)"} {
		if !strings.Contains(line, want) {
			t.Errorf("%q, want %q in it", line, want)
		}
	}
	var none *progress // no terminal
	none.page(1)
	none.end()
}

func TestThousands(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567"} {
		if got := thousands(n); got != want {
			t.Errorf("thousands(%d) = %s, want %s", n, got, want)
		}
	}
}
