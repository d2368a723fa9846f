package confinement

import (
	"bufio"
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"slices"
	"strings"
	"sync/atomic"
)

// resolvConf names the machine's name servers.
const resolvConf = "/etc/resolv.conf"

// keepNameServers makes Go's resolver use the current name servers when it can no longer read resolvConf. Some systems
// replace the file with each renewal of their address, and this process may not open the new one. Go would then ask this
// machine.
func keepNameServers() {
	servers := nameServers(resolvConf)
	if len(servers) == 0 {
		return
	}
	dial := net.DefaultResolver.Dial
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	var turn atomic.Uint32
	net.DefaultResolver.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		if instead(address, servers, unreadable(resolvConf)) {
			address = servers[int(turn.Add(1)-1)%len(servers)]
		}
		return dial(ctx, network, address)
	}
}

// goDefaults are the name servers that Go asks if it cannot read resolvConf.
var goDefaults = []string{"127.0.0.1:53", "[::1]:53"}

// instead reports whether Go asks this default address only because it could not read the list of servers.
func instead(address string, servers []string, unreadable bool) bool {
	return unreadable && slices.Contains(goDefaults, address) && !slices.Contains(servers, address)
}

// unreadable reports whether this process may not read a file.
func unreadable(path string) bool {
	f, err := os.Open(path)
	if err == nil {
		_ = f.Close() // read only
	}
	return errors.Is(err, fs.ErrPermission)
}

// nameServers returns the addresses of the name servers in a file.
func nameServers(path string) (all []string) {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer func() { _ = f.Close() }() // read only
	lines := bufio.NewScanner(f)
	for lines.Scan() && len(all) < 3 { // as many as resolvers use
		words := strings.Fields(lines.Text())
		if len(words) > 1 && words[0] == "nameserver" {
			if ip, _, _ := strings.Cut(words[1], "%"); net.ParseIP(ip) != nil {
				all = append(all, net.JoinHostPort(words[1], "53"))
			}
		}
	}
	return all
}
