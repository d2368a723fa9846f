package egress

import (
	"compress/flate"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"strings"
)

// maxRequestID is the size limit of a request id in bytes. A call keeps the id of each of its requests.
const maxRequestID = 256

// requestID returns the service's id of a request, or "". A longer one than maxRequestID is none.
func (c *Client) requestID(h http.Header) string {
	if c.config.Service.RequestIDHeader == "" {
		return ""
	}
	if id := h.Get(c.config.Service.RequestIDHeader); len(id) <= maxRequestID {
		return id
	}
	return ""
}

// errEncoding is the error for a body that does not match its Content-Encoding.
var errEncoding = errors.New("not encoded as its Content-Encoding says")

// body reads and decodes a response body. It returns nil for an empty one.
func (c *Client) body(resp *http.Response, memory Memory) (*Buffer, error) {
	if resp.ContentLength == 0 || resp.StatusCode == http.StatusNoContent {
		return nil, nil
	}
	switch strings.ToLower(strings.TrimSpace(resp.Header.Get("Content-Encoding"))) {
	case "", "identity":
		return readBuffer(resp.Body, resp.ContentLength, c.config.MaxBody, memory)
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
		expected = min(resp.ContentLength*8, c.config.MaxBody) // gzip shrinks JSON to about an eighth
	}
	b, err := readBuffer(z, expected, c.config.MaxBody, memory)
	if err != nil {
		return nil, encoding(err)
	}
	c.gzips.Put(z)
	return b, nil
}

// encoding distinguishes a body that is not gzip from one that was cut off.
func encoding(err error) error {
	var corrupt flate.CorruptInputError
	if errors.Is(err, gzip.ErrHeader) || errors.Is(err, gzip.ErrChecksum) || errors.As(err, &corrupt) {
		return errEncoding
	}
	return err
}

// onceReader is a body that net/http cannot rewind.
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
