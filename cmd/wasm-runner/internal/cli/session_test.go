package cli

import (
	"os"
	"slices"
	"testing"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host"
)

func TestForReading_OfAConnectionWithCeilings_NeedsNoJournal(t *testing.T) {
	a := NewApp(Streams{}, os.LookupEnv)
	a.Flags.Grants = []string{"write"}
	got := a.ForReading(host.Config{Name: "okta", Approve: []abi.Class{abi.Write}, MaxWritesPerMinute: 1, MaxDestructivePerHour: 1})
	if got.Name != "okta" || got.Approve != nil || got.MaxWritesPerMinute != 0 || got.MaxDestructivePerHour != 0 || !slices.Equal(got.Grants, []abi.Class{abi.Read, abi.Write}) {
		t.Errorf("%+v", got)
	}
}

func TestGrants_OfAConnection_StayAsTheyAre(t *testing.T) {
	a := NewApp(Streams{}, os.LookupEnv)
	a.Flags.Grants = []string{"write", "read"}
	own := make([]abi.Class, 1, 4)
	own[0] = abi.Read
	if got := a.Grants(own); !slices.Equal(got, []abi.Class{abi.Read, abi.Write}) || own[:2][1] != "" {
		t.Errorf("%v, and the connection's own became %v", got, own[:2])
	}
}

func TestSession_WithSeveralConnections_KeepsTheirOrder(t *testing.T) {
	first, second, third := &host.Connection{}, &host.Connection{}, &host.Connection{}
	s := &Session{}
	for _, c := range []*host.Connection{first, second, third} {
		s.Add(c)
	}
	if all := s.Connections(); s.Conn != first || !slices.Equal(all, []*host.Connection{first, second, third}) {
		t.Errorf("%p: %v", s.Conn, all)
	}
}
