package egress

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"
)

// errPrivate means that a name leads to an address inside a network, where an org of Okta's cannot be.
var errPrivate = errors.New("not a public address")

// dialer resolves a name, judges the addresses, and dials one of those that it judged: a second look-up could give
// another answer.
func dialer(c Config) func(ctx context.Context, network, address string) (net.Conn, error) {
	lookup := c.Lookup
	if lookup == nil {
		lookup = net.DefaultResolver.LookupIPAddr
	}
	dial := c.Dial
	if dial == nil {
		dial = (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext
	}
	loopback := isLoopback(c.BaseURL.Hostname())
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		host, port, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		var addresses []netip.Addr
		if a, err := netip.ParseAddr(host); err == nil {
			addresses = []netip.Addr{a}
		} else {
			found, err := lookup(ctx, host)
			if err != nil {
				return nil, err
			}
			for _, f := range found {
				if a, ok := netip.AddrFromSlice(f.IP); ok {
					addresses = append(addresses, a.Unmap().WithZone(f.Zone))
				}
			}
		}
		var last error = fmt.Errorf("%s has no address", host)
		for _, a := range addresses {
			if !c.AllowPrivateNetwork && !public(a) && !(loopback && a.IsLoopback()) {
				last = fmt.Errorf("%s is %s: %w; set allow_private_network if that is meant", host, a, errPrivate)
				continue
			}
			conn, err := dial(ctx, network, net.JoinHostPort(a.String(), port))
			if err == nil {
				return conn, nil
			}
			last = err
		}
		return nil, last
	}
}

var shared = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),
	netip.MustParsePrefix("100.64.0.0/10"),   // carrier-grade NAT
	netip.MustParsePrefix("192.0.0.0/24"),    // protocol assignments
	netip.MustParsePrefix("192.0.2.0/24"),    // documentation
	netip.MustParsePrefix("198.18.0.0/15"),   // benchmarks
	netip.MustParsePrefix("198.51.100.0/24"), // documentation
	netip.MustParsePrefix("203.0.113.0/24"),  // documentation
	netip.MustParsePrefix("240.0.0.0/4"),     // reserved
	netip.MustParsePrefix("64:ff9b::/96"),    // NAT64: an IPv4 address in disguise
	netip.MustParsePrefix("64:ff9b:1::/48"),
	netip.MustParsePrefix("2002::/16"),     // 6to4, likewise
	netip.MustParsePrefix("2001:db8::/32"), // documentation
}

func public(a netip.Addr) bool {
	a = a.Unmap()
	if !a.IsGlobalUnicast() || a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast() {
		return false
	}
	for _, p := range shared {
		if p.Contains(a.WithZone("")) {
			return false
		}
	}
	return true
}
