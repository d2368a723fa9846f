package egress

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host/network"
)

// ParseBaseURL checks the origin of a connection and returns it with its host in lower case and without a default
// port. It requires https, and allows http only for a loopback address. Errors say what to write instead, and never
// repeat a user, query or fragment. known is what the manifest says of the service's addresses, or nil.
func ParseBaseURL(s string, known *abi.BaseURL) (*url.URL, error) {
	if known == nil {
		known = &abi.BaseURL{}
	}
	example := cmp.Or(known.Example, "https://example.com")
	if s == "" {
		return nil, errors.New("it is empty: give the org's origin, such as " + example)
	}
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.Opaque != "" || u.Hostname() == "" {
		return nil, errors.New("it is not a URL with a host: give the org's origin, such as " + example)
	}
	host := strings.ToLower(u.Hostname())
	advice := "https://" + strings.TrimSuffix(strings.ToLower(u.Host), ":")
	plain := u.Scheme == "http" && network.Loopback(host)
	if plain {
		advice = "http" + strings.TrimPrefix(advice, "https")
	}
	switch {
	case u.User != nil:
		return nil, errors.New("it contains a user or token: remove it, and put the token behind token_secret_ref")
	case !isHost(host):
		return nil, errors.New("its host must be an IP address, or a name of letters, digits, '-' and '.' (punycode for others)")
	case strings.ContainsAny(s, "?#"):
		return nil, errors.New("it has a query or fragment: base_url is the origin only, " + advice)
	case u.Path != "" && u.Path != "/":
		return nil, fmt.Errorf("drop the path %s: base_url is the origin only, %s", printable(u.EscapedPath()), advice)
	case u.Scheme != "https" && !plain:
		return nil, fmt.Errorf("its scheme is %q: use https (http is allowed only for a loopback address)", printable(u.Scheme))
	case strings.HasSuffix(u.Host, ":"):
		return nil, errors.New("it ends in a colon without a port")
	case u.Port() != "" && !isPort(u.Port()):
		return nil, fmt.Errorf("%s is not a port: use 1 to 65535", printable(u.Port()))
	}
	for _, console := range known.Consoles {
		if org, ok := strings.CutSuffix(strings.TrimSuffix(host, "."), console.Suffix); ok && org != "" {
			return nil, fmt.Errorf("it is the Admin Console's address: use https://%s%s", org, console.Use)
		}
	}
	origin := &url.URL{Scheme: u.Scheme, Host: strings.ToLower(u.Host)}
	if p := u.Port(); u.Scheme == "https" && p == "443" || u.Scheme == "http" && p == "80" {
		origin.Host = strings.TrimSuffix(origin.Host, ":"+p)
	}
	return origin, nil
}

// isHost reports whether a host, in lower case and without brackets, is a plain name or address.
func isHost(host string) bool {
	if a, err := netip.ParseAddr(host); err == nil {
		return a.Zone() == ""
	}
	return strings.Trim(host, "abcdefghijklmnopqrstuvwxyz0123456789-.") == "" && !strings.HasPrefix(host, ".") &&
		!strings.Contains(host, "..") && len(host) <= 253
}

func isPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && n > 0
}

// ThisMachine reports whether a host of a URL names this machine.
func ThisMachine(host string) bool {
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	a, err := netip.ParseAddr(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || err == nil && (a.Unmap().IsLoopback() || a.IsUnspecified())
}
