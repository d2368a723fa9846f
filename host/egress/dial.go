package egress

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/mach5/okta-connector/host/network"
)

// Errors for a name that resolves to an address which is not allowed.
var (
	errPrivate = errors.New("not a public address")
	errPlain   = errors.New("not a loopback address")
)

// dialError is the error for a connection that could not be established.
type dialError struct{ error }

func (e dialError) Unwrap() error { return e.error }

// Limits for dialling.
const (
	dialTimeout = 10 * time.Second       // for one address
	dialStagger = 300 * time.Millisecond // before the next address is tried in parallel, as in RFC 8305
)

type dialFunc = func(ctx context.Context, network, address string) (net.Conn, error)

// dialer resolves a name, checks the addresses, and dials one of the checked ones. It does not resolve the name
// again, since the result could differ. Over plain http only loopback addresses are dialled. With a proxy, only the
// proxy resolves the name, and an address in BaseURL is checked.
func dialer(c Config) dialFunc {
	lookup := c.Lookup
	if lookup == nil {
		lookup = net.DefaultResolver.LookupIPAddr
	}
	dial := c.Dial
	if dial == nil {
		dial = (&net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}).DialContext
	}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		host, port, err := net.SplitHostPort(address)
		if err != nil {
			return nil, dialError{err}
		}
		if c.Route.Proxy != nil {
			return throughProxy(ctx, c, dialProxy(c, lookup, dial), address)
		}
		found, err := resolve(ctx, lookup, host)
		if err != nil {
			return nil, dialError{err}
		}
		var judged []string
		refused := error(&net.DNSError{Err: "no address found", Name: host, IsNotFound: true})
		for _, a := range found {
			if err := c.judge(host, a); err != nil {
				refused = err
			} else {
				judged = append(judged, net.JoinHostPort(a.String(), port))
			}
		}
		if len(judged) == 0 {
			return nil, dialError{refused}
		}
		conn, err := race(ctx, dial, network, judged)
		if err != nil {
			return nil, dialError{err}
		}
		return &countedConn{Conn: conn}, nil
	}
}

// judge returns why requests may not go to an address of a host, or nil.
func (c *Config) judge(host string, a netip.Addr) error {
	switch {
	case c.BaseURL.Scheme == "http" && !thisMachine(a): // whatever a resolver or a hosts file says of localhost
		return fmt.Errorf("%s is %s: %w, and http would send the token in plain text; use https in base_url", host, a, errPlain)
	case c.AllowPrivateNetwork || public(a) || network.Loopback(c.BaseURL.Hostname()) && a.IsLoopback():
		return nil
	}
	return fmt.Errorf("%s is %s: %w; set allow_private_network to allow it", host, a, errPrivate)
}

// thisMachine reports whether only this machine is behind an address.
func thisMachine(a netip.Addr) bool { return a.IsLoopback() && a.Zone() == "" }

// throughProxy opens a tunnel to an address. The bytes that open it do not count as bytes of a request.
func throughProxy(ctx context.Context, c Config, dial dialFunc, address string) (net.Conn, error) {
	host := c.BaseURL.Hostname()
	if a, err := netip.ParseAddr(host); err == nil {
		if err := c.judge(host, a.Unmap()); err != nil {
			return nil, dialError{err}
		}
	}
	conn, err := c.Route.Proxy.Connect(ctx, dial, c.Route.Authorities(), address)
	if err != nil {
		return nil, dialError{err}
	}
	return &countedConn{Conn: conn}, nil
}

// dialProxy returns a function that dials the proxy. Only the user names a proxy, so its addresses may be private. A
// request in plain text goes only to a proxy on this machine.
func dialProxy(c Config, lookup func(context.Context, string) ([]net.IPAddr, error), dial dialFunc) dialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		host, port, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		found, err := resolve(ctx, lookup, host)
		if err != nil {
			return nil, err
		}
		var addresses []string
		for _, a := range found {
			if c.BaseURL.Scheme == "http" && !thisMachine(a) {
				return nil, fmt.Errorf("%s is %s: %w, and http would send the token in plain text; use https in base_url", host, a, errPlain)
			}
			addresses = append(addresses, net.JoinHostPort(a.String(), port))
		}
		if len(addresses) == 0 {
			return nil, &net.DNSError{Err: "no address found", Name: host, IsNotFound: true}
		}
		return race(ctx, dial, network, addresses)
	}
}

func resolve(ctx context.Context, lookup func(context.Context, string) ([]net.IPAddr, error), host string) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a.Unmap()}, nil
	}
	found, err := lookup(ctx, host)
	if err != nil {
		return nil, err
	}
	addresses := make([]netip.Addr, 0, len(found))
	for _, f := range found {
		if a, ok := netip.AddrFromSlice(f.IP); ok {
			addresses = append(addresses, a.Unmap().WithZone(f.Zone))
		}
	}
	return addresses, nil
}

// race dials the addresses in order. It starts the next one when the last failed or is slow, and returns the first
// connection. If there is none, it returns the first error.
func race(ctx context.Context, dial dialFunc, network string, addresses []string) (net.Conn, error) {
	if len(addresses) == 1 {
		return dial(ctx, network, addresses[0])
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type result struct {
		conn net.Conn
		err  error
	}
	results := make(chan result)
	start := func(address string) {
		conn, err := dial(ctx, network, address)
		select {
		case results <- result{conn, err}:
		case <-ctx.Done():
			if conn != nil {
				_ = conn.Close()
			}
		}
	}
	var first error
	next, running := 0, 0
	slow := time.NewTimer(0)
	defer slow.Stop()
	for {
		select {
		case <-slow.C:
			if next < len(addresses) {
				go start(addresses[next])
				next, running = next+1, running+1
				slow.Reset(dialStagger)
			}
		case r := <-results:
			if r.err == nil {
				return r.conn, nil
			}
			if first == nil {
				first = r.err
			}
			if running--; running == 0 && next == len(addresses) {
				return nil, first
			}
			slow.Reset(0)
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// special are the blocks of global unicast addresses that are not on the public internet.
var special = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),
	netip.MustParsePrefix("100.64.0.0/10"),   // carrier-grade NAT
	netip.MustParsePrefix("192.0.0.0/24"),    // protocol assignments
	netip.MustParsePrefix("192.0.2.0/24"),    // documentation
	netip.MustParsePrefix("192.88.99.0/24"),  // 6to4 relays
	netip.MustParsePrefix("198.18.0.0/15"),   // benchmarks
	netip.MustParsePrefix("198.51.100.0/24"), // documentation
	netip.MustParsePrefix("203.0.113.0/24"),  // documentation
	netip.MustParsePrefix("240.0.0.0/4"),     // reserved
	netip.MustParsePrefix("2001::/23"),       // protocol assignments, Teredo among them
	netip.MustParsePrefix("2001:db8::/32"),   // documentation
	netip.MustParsePrefix("2002::/16"),       // 6to4: embeds an IPv4 address
	netip.MustParsePrefix("3fff::/20"),       // documentation
}

var (
	globalIPv6 = netip.MustParsePrefix("2000::/3") // all allocated addresses
	nat64      = netip.MustParsePrefix("64:ff9b::/96")
)

// public reports whether an address is on the public internet. On an IPv6-only network, public IPv4 addresses appear
// as 64:ff9b::<address>.
func public(a netip.Addr) bool {
	a = a.WithZone("").Unmap()
	if nat64.Contains(a) {
		b := a.As16()
		a = netip.AddrFrom4([4]byte(b[12:]))
	}
	if !a.IsGlobalUnicast() || a.IsPrivate() || a.Is6() && !globalIPv6.Contains(a) {
		return false
	}
	for _, p := range special {
		if p.Contains(a) {
			return false
		}
	}
	return true
}
