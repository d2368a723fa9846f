package attack

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"time"

	"github.com/mach5/okta-connector/abi/conformance"
	"github.com/mach5/okta-connector/host/secrets"
	"github.com/mach5/okta-connector/host/sink"
	"github.com/mach5/okta-connector/host/sink/httpsink"
	"github.com/mach5/okta-connector/host/sink/sinktest"
)

// sinks returns the attacks on what leaves the host as records.
func sinks() (all []conformance.Attack) {
	for what, address := range map[string]string{"this host": "0.0.0.0", "this host of IPv6": "::", "an IPv4-mapped one": "::ffff:0.0.0.0"} {
		all = append(all, conformance.NewAttack("sinks", "localhost, over http, that leads to "+what, "plain http of sinks", func(ctx context.Context) error {
			var hits atomic.Int64
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { hits.Add(1) }))
			defer server.Close()
			s, err := httpsink.New(strings.Replace(server.URL, "127.0.0.1", "localhost", 1), httpsink.Options{Form: httpsink.NDJSON, Authorization: secrets.New("ApiKey k"),
				Patience: time.Nanosecond, Lookup: func(context.Context, string) ([]net.IPAddr, error) {
					return []net.IPAddr{{IP: net.ParseIP(address)}}, nil
				}})
			if err != nil {
				return err
			}
			defer func() { _ = s.Close() }()
			switch err := s.Write(ctx, sinktest.Numbered(0, 1)); {
			case hits.Load() > 0:
				return errors.New("the records and the authorization were sent")
			case !errors.Is(err, sink.ErrRefused):
				return errors.Join(errors.New("the sink did not refuse the address"), err)
			}
			return nil
		}))
	}
	return all
}
