package network_test

import (
	"context"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/mach5/okta-connector/host/network"
	"github.com/mach5/okta-connector/host/network/proxytest"
	"github.com/mach5/okta-connector/host/secrets"
)

// command is a resolver whose secret costs a command, and changes from read to read.
type command struct {
	reads  atomic.Int32
	values []string // the last one stays
}

func (c *command) Resolve(context.Context, string) (secrets.Value, error) {
	n := int(c.reads.Add(1))
	return secrets.New(c.values[min(n, len(c.values))-1]), nil
}

// TestConnect_WithCredentialsOfACommand_ReadsThemAgainAfterARefusal dials often. A refusal is no failure if other credentials
// work.
func TestConnect_WithCredentialsOfACommand_ReadsThemAgainAfterARefusal(t *testing.T) {
	service, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = service.Close() }()
	proxy := proxytest.New(t, func(p *proxytest.Proxy) { p.Credentials = "ada:new" })
	for name, c := range map[string]struct {
		values []string
		works  bool
		reads  int32 // at most
	}{
		"right":   {[]string{"ada:new"}, true, 1},
		"changed": {[]string{"ada:old", "ada:new"}, true, 2},
		"wrong":   {[]string{"ada:old"}, false, 1 + 2*20},
	} {
		from := &command{values: c.values}
		r, err := network.Settings{Proxy: "http://" + proxy.Address, Secret: "exec:[x]", Resolver: from}.Route(&url.URL{Scheme: "https", Host: "example.com"}, nil)
		if err != nil {
			t.Fatal(err)
		}
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				conn, err := r.Proxy.Connect(t.Context(), (&net.Dialer{}).DialContext, nil, service.Addr().String())
				if (err == nil) != c.works {
					t.Errorf("%s: %v", name, err)
				}
				if err == nil {
					_ = conn.Close()
				}
			})
		}
		all.Wait()
		if n := from.reads.Load(); n > c.reads {
			t.Errorf("%s: read %d times for 20 tunnels, want at most %d", name, n, c.reads)
		}
	}
}
