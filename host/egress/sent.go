package egress

import (
	"context"
	"crypto/tls"
	"net"
	"net/http/httptrace"
	"sync/atomic"
)

// trail follows one attempt through net/http, to tell whether any byte of it may have reached the service, and to stop
// net/http from repeating a write by itself.
//
// net/http repeats what it believes to be safe: a request without a body is sent again, without end, when an HTTP/2
// server resets its stream with PROTOCOL_ERROR, whatever that server did with it before (tens of thousands a minute).
type trail struct {
	write  bool               // not to be repeated once it may have left
	cancel context.CancelFunc // ends the attempt

	conn     *countedConn // that the attempt was given last
	base     int64        // writes that had begun on it by then
	http2    bool         // and others share it
	left     bool         // bytes may have left on a connection before that
	tries    int          // connections that net/http took
	stopped  bool         // net/http was about to repeat what it must not, and was kept from it
	headers  atomic.Bool  // an HTTP/2 connection took the headers
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

// maxTries is how often net/http may make a GET by itself within one attempt of ours.
const maxTries = 3

// gotConn is called by net/http before each of its own attempts, on the goroutine of RoundTrip.
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
	if t.conn == nil { // not one of ours: nothing is known of it
		t.left = true
		return
	}
	t.http2, t.base = secure && t.conn.isHTTP2(conn), t.conn.begun.Load()
	if t.tries++; t.left && (t.write || t.tries > maxTries) {
		t.stopped = true
		if t.cancel(); !t.http2 { // HTTP/2 looks at the context before it writes, HTTP/1 does not
			t.conn.seal(t.base)
		}
	}
}

// sent reports whether a byte of the attempt may have reached the service. Call it once, after RoundTrip has failed: a
// request that had not begun to leave is kept from doing so.
func (t *trail) sent() bool {
	switch {
	case t.left:
		return true
	case t.conn == nil:
		return false
	case t.http2: // its writes cannot be told from those of others
		return true
	}
	return !t.conn.seal(t.base)
}

// countedConn counts the writes that begin on a connection.
type countedConn struct {
	net.Conn
	begun atomic.Int64
	proto atomic.Int32 // 0 not known yet, 1 or 2
}

// sealed is a count that no connection comes to by writing.
const sealed = 1 << 62

// Write implements net.Conn.
func (c *countedConn) Write(b []byte) (int, error) {
	if c.begun.Add(1) > sealed {
		return 0, net.ErrClosed
	}
	return c.Conn.Write(b)
}

// seal ends the connection if nothing was written since it had seen base writes, and reports that.
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
