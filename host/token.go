package host

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/url"
	"strings"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host/egress"
)

// secret gives the guest a placeholder for the connection's token, fresh for each call.
func (c *call) secret(ref string) abi.Secret {
	if ref != abi.TokenRef {
		return abi.Secret{Error: "no such secret"}
	}
	if c.placeholder == "" {
		var b [16]byte
		_, _ = rand.Read(b[:]) // never fails
		c.placeholder = "{secret:" + hex.EncodeToString(b[:]) + "}"
	}
	return abi.Secret{Scheme: scheme, Placeholder: c.placeholder}
}

// authorize replaces the placeholder in the Authorization header by the token, and refuses it anywhere else.
func (c *call) authorize(req *abi.Request) (string, error) {
	header := ""
	for name, value := range req.Headers {
		if strings.EqualFold(name, "Authorization") {
			if header != "" {
				return "", fmt.Errorf("two Authorization headers")
			}
			header = value
			delete(req.Headers, name)
		}
	}
	if c.placeholder != "" && c.mentions(req) {
		return "", fmt.Errorf("the placeholder of a secret stands outside the Authorization header")
	}
	if header == "" {
		return "", nil
	}
	if c.placeholder == "" || header != scheme+" "+c.placeholder {
		return "", fmt.Errorf("the Authorization header is not the scheme and placeholder of secret_get")
	}
	return scheme + " " + c.conn.token.Reveal(), nil
}

// mentions looks for the placeholder in everything that a guest can put into a request. Nothing would replace it
// there: it is looked for because only a guest that means harm, or has a bug, would put it there.
func (c *call) mentions(req *abi.Request) bool {
	mark := strings.Trim(c.placeholder, "{}")
	has := func(s string) bool {
		if strings.Contains(s, mark) {
			return true
		}
		plain, err := url.QueryUnescape(s)
		return err == nil && strings.Contains(plain, mark)
	}
	for _, v := range req.Path {
		if has(v) {
			return true
		}
	}
	for _, q := range req.Query {
		if has(q[0]) || has(q[1]) {
			return true
		}
	}
	for n, v := range req.Headers {
		if has(n) || has(v) {
			return true
		}
	}
	return has(req.Link) || bytes.Contains(req.Body, []byte(mark))
}

func (c *call) echoes(resp *egress.Response, headers map[string][]string) bool {
	token := c.conn.token.Reveal()
	for _, values := range headers {
		for _, v := range values {
			if strings.Contains(v, token) {
				return true
			}
		}
	}
	return strings.Contains(resp.RequestID, token) || resp.Body.Len() <= searchAtOnce && c.holdsToken(resp.Body.Bytes())
}

func (c *call) holdsToken(b []byte) bool { return bytes.Contains(b, []byte(c.conn.token.Reveal())) }
