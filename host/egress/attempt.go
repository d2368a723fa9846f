package egress

import (
	"compress/flate"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"strings"

	"github.com/mach5/okta-connector/abi"
)

// attempt makes a request once, and reads its answer to the end.
func (c *Client) attempt(ctx context.Context, r *request) (*Response, *abi.SendError) {
	timed, cancel := context.WithTimeout(ctx, c.config.Timeout)
	defer cancel()
	t := &trail{write: !r.read(), cancel: cancel}
	req := &http.Request{Method: r.method, URL: r.url, Host: r.url.Host, Header: r.header, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}
	// Without a body a POST, PUT or PATCH says Content-Length: 0; some services answer 411 to one that does not.
	if r.body != nil {
		// Without GetBody net/http cannot make the request again by itself after bytes of it have left.
		req.Body, req.ContentLength = &onceReader{r.body}, int64(len(r.body))
	}
	resp, err := c.transport.RoundTrip(req.WithContext(httptrace.WithClientTrace(timed, t.trace())))
	if err != nil {
		return nil, c.sendError(ctx, timed, err, t)
	}
	defer func() { _ = resp.Body.Close() }()
	switch resp.StatusCode {
	case 301, 302, 303, 307, 308:
		return nil, &abi.SendError{Code: abi.SendRedirect, Sent: true, Status: resp.StatusCode,
			Message: fmt.Sprintf("%s answered with a redirect (%d), which is never followed: is base_url right?", c.config.BaseURL.Host, resp.StatusCode)}
	case http.StatusSwitchingProtocols:
		return nil, &abi.SendError{Code: abi.SendInterrupted, Sent: true,
			Message: c.config.BaseURL.Host + " answered in another protocol (101): is base_url right?"}
	}
	body, err := c.body(resp)
	if err != nil {
		e := c.bodyError(ctx, timed, err)
		e.Status, e.RequestID = resp.StatusCode, c.requestID(resp.Header)
		return nil, e
	}
	answer := &Response{Status: resp.StatusCode, Header: resp.Header, Body: body, RequestID: c.requestID(resp.Header)}
	if c.config.BaseURL.Scheme == "http" && wantsHTTPS(answer) {
		body.Release()
		return nil, &abi.SendError{Code: abi.SendTLS, Sent: true, Lasting: true, Status: resp.StatusCode,
			Message: c.config.BaseURL.Host + " speaks https, and base_url says http: write https"}
	}
	return answer, nil
}

// requestID is the service's own id of a request, "" where it names none.
func (c *Client) requestID(h http.Header) string {
	if c.config.Service.RequestIDHeader == "" {
		return ""
	}
	return h.Get(c.config.Service.RequestIDHeader)
}

// errEncoding is a body that is not what its Content-Encoding says.
var errEncoding = errors.New("not encoded as it says")

// body reads and decodes a body; nil is an empty one.
func (c *Client) body(resp *http.Response) (*Buffer, error) {
	if resp.ContentLength == 0 || resp.StatusCode == http.StatusNoContent {
		return nil, nil
	}
	switch strings.ToLower(strings.TrimSpace(resp.Header.Get("Content-Encoding"))) {
	case "", "identity":
		return readBuffer(resp.Body, resp.ContentLength, c.config.MaxBody)
	case "gzip":
	default:
		return nil, errEncoding
	}
	z, _ := c.gzips.Get().(*gzip.Reader)
	if z == nil {
		z = new(gzip.Reader)
	}
	if err := z.Reset(resp.Body); err == io.EOF { // chunked and empty
		return nil, nil
	} else if err != nil {
		return nil, encoding(err)
	}
	expected := int64(-1)
	if resp.ContentLength > 0 {
		expected = min(resp.ContentLength*8, c.config.MaxBody) // JSON shrinks to about an eighth
	}
	b, err := readBuffer(z, expected, c.config.MaxBody)
	if err != nil {
		return nil, encoding(err)
	}
	c.gzips.Put(z)
	return b, nil
}

// encoding tells a body that is no gzip from one that did not come whole.
func encoding(err error) error {
	var corrupt flate.CorruptInputError
	if errors.Is(err, gzip.ErrHeader) || errors.Is(err, gzip.ErrChecksum) || errors.As(err, &corrupt) {
		return errEncoding
	}
	return err
}

// onceReader is a body that net/http has no way to rewind.
type onceReader struct{ b []byte }

// Read implements io.Reader.
func (r *onceReader) Read(p []byte) (int, error) {
	if len(r.b) == 0 {
		return 0, io.EOF
	}
	n := copy(p, r.b)
	r.b = r.b[n:]
	return n, nil
}

// Close implements io.Closer.
func (r *onceReader) Close() error { return nil }
