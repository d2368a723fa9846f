//go:build unix

package httpsink

import (
	"errors"
	"net"
	"syscall"
)

// closedByPeer reports whether the other side closed a connection and nothing is left to read. It reads nothing, and
// may run concurrently with a reader.
func closedByPeer(c net.Conn) (closed bool) {
	s, ok := c.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return false
	}
	_ = raw.Control(func(fd uintptr) { // an error means that this side closed the connection
		var b [1]byte
		n, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		closed = err == nil && n == 0 || errors.Is(err, syscall.ECONNRESET)
	})
	return closed
}
