package egress

import (
	"net"
	"net/url"
	"strings"

	"golang.org/x/net/http/httpproxy"
)

// proxyVariables are the environment variables that other programs read a proxy from.
var proxyVariables = []string{"HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "HTTP_PROXY", "http_proxy"}

// UnusedProxy returns the name of the environment variable that sets a proxy for an address, or "". It respects
// NO_PROXY. A Client without a proxy mentions the name when it cannot reach the address.
func UnusedProxy(base *url.URL, lookupEnv func(string) (string, bool)) string {
	env := func(name string) string {
		v, _ := lookupEnv(name)
		return v
	}
	for _, name := range proxyVariables {
		if env(name) == "" {
			continue
		}
		if excluded(base, env("NO_PROXY")+","+env("no_proxy")) {
			return ""
		}
		return name
	}
	return ""
}

// excluded reports whether a NO_PROXY list contains an address. Loopback addresses are always excluded.
func excluded(base *url.URL, list string) bool {
	if ip := net.ParseIP(base.Hostname()); base.Hostname() == "localhost" || ip.IsLoopback() {
		return strings.Contains(list, base.Hostname()) || strings.Contains(list, "*")
	}
	any := httpproxy.Config{HTTPProxy: "http://proxy.invalid", HTTPSProxy: "http://proxy.invalid", NoProxy: list}
	proxy, err := any.ProxyFunc()(base)
	return err == nil && proxy == nil
}
