package egress

import (
	"context"
	"crypto/tls"
	"net"
	"net/http/httptrace"
	"sync/atomic"
)

// trail follows one attempt through net/http. It reports whether a byte of it may have reached the service, and
// prevents net/http from repeating a write.
//
// net/http repeats what it considers safe. When an HTTP/2 server resets a stream with PROTOCOL_ERROR, it repeats a
// request without a body endlessly, tens of thousands of times a minute, whether or not the server processed it.
type trail struct {
	write  bool               // must not be repeated once it may have been sent
	cancel context.CancelFunc // ends the attempt

	conn     *countedConn // connection of the latest try
	base     int64        // writes that had started on conn when it was assigned
	http2    bool         // conn is shared with other requests
	left     bool         // bytes may have been sent on an earlier connection
	tries    int          // connections that net/http used
	stopped  bool         // net/http was kept from a forbidden repeat
	headers  atomic.Bool  // an HTTP/2 connection accepted the headers
	tlsError atomic.Bool  // a handshake failed
}

func (t *trail) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		GotConn:      t.gotConn,
		WroteHeaders: func() { t.headers.Store(true) },
		TLSHandshakeDone: func(_ tls.ConnectionState, err error) {
			if err != nil {
				t.tlsError.Store(true)
			}
		},
	}
}

// maxTries is how often net/http may send a GET within one attempt.
const maxTries = 3

// gotConn is called by net/http before each of its tries, on the goroutine of RoundTrip.
func (t *trail) gotConn(info httptrace.GotConnInfo) {
	if t.conn != nil {
		if t.http2 {
			t.left = t.left || t.headers.Load()
		} else {
			t.left = t.left || !t.conn.seal(t.base)
		}
	}
	conn, secure := info.Conn.(*tls.Conn)
	if secure {
		t.conn, _ = conn.NetConn().(*countedConn)
	} else {
		t.conn, _ = info.Conn.(*countedConn)
	}
	if t.conn == nil { // not our connection: nothing is known about it
		t.left = true
		return
	}
	t.http2, t.base = secure && t.conn.isHTTP2(conn), t.conn.begun.Load()
	if t.tries++; t.left && (t.write || t.tries > maxTries) {
		t.stopped = true
		if t.cancel(); !t.http2 { // HTTP/2 checks the context before it writes, HTTP/1 does not
			t.conn.seal(t.base)
		}
	}
}

// sent reports whether a byte of the attempt may have reached the service. Call it once, after RoundTrip failed. If
// nothing was sent yet, it prevents that it is sent later.
func (t *trail) sent() bool {
	switch {
	case t.left:
		return true
	case t.conn == nil:
		return false
	case t.http2: // its writes cannot be told apart from others
		return true
	}
	return !t.conn.seal(t.base)
}

// countedConn counts the writes that start on a connection.
type countedConn struct {
	net.Conn
	begun atomic.Int64
	proto atomic.Int32 // 0 if not known yet, else 1 or 2
}

// sealed is a count that writing never reaches.
const sealed = 1 << 62

// Write implements net.Conn.
func (c *countedConn) Write(b []byte) (int, error) {
	if c.begun.Add(1) > sealed {
		return 0, net.ErrClosed
	}
	return c.Conn.Write(b)
}

// seal closes the connection if no write started since base, and reports whether it did.
func (c *countedConn) seal(base int64) bool {
	if !c.begun.CompareAndSwap(base, sealed) {
		return false
	}
	_ = c.Close()
	return true
}

func (c *countedConn) isHTTP2(conn *tls.Conn) bool {
	if p := c.proto.Load(); p != 0 {
		return p == 2
	}
	is := conn.ConnectionState().NegotiatedProtocol == "h2"
	if is {
		c.proto.Store(2)
	} else {
		c.proto.Store(1)
	}
	return is
}
