package egress

import (
	"compress/flate"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"strings"
)

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
