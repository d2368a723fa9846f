package audit

import (
	"fmt"
	"testing"
	"time"

	"github.com/mach5/okta-connector/host/audit"
)

func TestWindows_ThatLieClose_AreOne(t *testing.T) {
	at := func(minutes int) time.Time { return time.Unix(0, 0).Add(time.Duration(minutes) * time.Minute) }
	of := func(minutes int) *audit.Invoke {
		return &audit.Invoke{Record: audit.Record{Time: at(minutes), DurationMS: 60_000}}
	}
	long := of(500)
	long.Started = at(400)
	got := windowsOf([]*audit.Invoke{of(60), of(0), of(200), long, of(450)})
	want := [][2]time.Time{{at(-6), at(65)}, {at(194), at(205)}, {at(395), at(505)}}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}
