package extismhost

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	extism "github.com/extism/go-sdk"

	"github.com/mach5/okta-connector/abi"
)

// call is the state of one run of an export.
type call struct {
	host        *Host
	op          *abi.Operation
	placeholder string
	bodies      [][]byte // body of handle h at index h-1
	emitted     []record
}

// record is an emitted record with its key and the handle of its body.
type record struct {
	json   json.RawMessage
	key    string
	handle uint64
}

type callKey struct{}

// functions returns the imports of abi/README.md, section 3.
func functions() []extism.HostFunction {
	define := func(name string, params int, run func(ctx context.Context, c *call, arg func(i int) []byte, stack []uint64) any) extism.HostFunction {
		types := slices.Repeat([]extism.ValueType{extism.ValueTypeI64}, params)
		f := extism.NewHostFunctionWithStack(name, func(ctx context.Context, p *extism.CurrentPlugin, stack []uint64) {
			c, ok := ctx.Value(callKey{}).(*call)
			if !ok {
				panic(name + ": called outside a call")
			}
			var answer []byte
			switch v := run(ctx, c, func(i int) []byte {
				b, err := p.ReadBytes(stack[i])
				if err != nil {
					panic(err)
				}
				return bytes.TrimRight(b, " ")
			}, stack).(type) {
			case uint64:
				stack[0] = v
				return
			case []byte:
				answer = v
			default:
				var err error
				if answer, err = json.Marshal(v); err != nil {
					panic(err)
				}
			}
			for len(answer)%8 != 0 { // whole words are passed faster
				answer = append(answer, ' ')
			}
			offset, err := p.WriteBytes(answer)
			if err != nil {
				panic(err)
			}
			stack[0] = offset
		}, types, []extism.ValueType{extism.ValueTypeI64})
		f.SetNamespace(abi.Namespace)
		return f
	}
	type argument = func(int) []byte
	return []extism.HostFunction{
		define("http_send", 1, func(ctx context.Context, c *call, arg argument, _ []uint64) any { return c.send(ctx, arg(0)) }),
		define("body_read", 3, func(_ context.Context, c *call, _ argument, s []uint64) any {
			body := c.body(s[0])
			from := min(s[1], uint64(len(body)))
			return slices.Clone(body[from : from+min(s[2], uint64(len(body))-from)])
		}),
		define("records_emit", 2, func(_ context.Context, c *call, arg argument, s []uint64) any {
			sum, err := c.emit(s[0], arg(1))
			if err != nil {
				return abi.EmitSummary{Error: err.Error()}
			}
			return sum
		}),
		define("record_emit", 1, func(_ context.Context, c *call, arg argument, _ []uint64) any {
			c.emitted = append(c.emitted, record{json: arg(0)})
			return uint64(1)
		}),
		define("secret_get", 1, func(_ context.Context, c *call, arg argument, _ []uint64) any {
			if string(arg(0)) != abi.TokenRef {
				return abi.Secret{Error: "unknown secret"}
			}
			if c.placeholder == "" {
				c.placeholder = "{secret:" + rand.Text() + "}"
			}
			return abi.Secret{Header: c.host.auth.Header, Scheme: c.host.auth.Prefix, Placeholder: c.placeholder}
		}),
		define("wait", 1, func(ctx context.Context, _ *call, _ argument, s []uint64) any {
			d := time.Duration(min(s[0], 86_400_000)) * time.Millisecond
			if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < d {
				return uint64(0)
			}
			select {
			case <-time.After(d):
				return uint64(1)
			case <-ctx.Done():
				return uint64(0)
			}
		}),
	}
}

func failed(code abi.SendCode, message string) abi.Response {
	return abi.Response{Error: &abi.SendError{Code: code, Message: message}}
}

// send implements http_send.
func (c *call) send(ctx context.Context, text []byte) abi.Response {
	var r abi.Request
	if err := json.Unmarshal(text, &r); err != nil {
		return failed(abi.SendMalformed, err.Error())
	}
	i := slices.IndexFunc(c.op.Endpoints, func(e abi.Endpoint) bool { return e.Endpoint == r.Endpoint })
	if i < 0 || c.op.Endpoints[i].Method() != http.MethodGet {
		return failed(abi.SendDenied, fmt.Sprintf("endpoint %q is not granted to %s, or is not a read", r.Endpoint, c.op.Name))
	}
	target, err := c.target(c.op.Endpoints[i], r)
	if err != nil {
		return failed(abi.SendMalformed, err.Error())
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return failed(abi.SendMalformed, err.Error())
	}
	for name, value := range r.Headers {
		if auth := c.host.auth; strings.EqualFold(name, auth.Header) {
			if value != strings.TrimPrefix(auth.Prefix+" "+c.placeholder, " ") || c.placeholder == "" {
				return failed(abi.SendDenied, "the "+auth.Header+" header must be the scheme and placeholder of secret_get")
			}
			value = strings.TrimPrefix(auth.Prefix+" "+c.host.config.Token, " ")
		}
		req.Header.Set(name, value)
	}
	resp, err := c.host.client.Do(req)
	if err != nil {
		code := abi.SendConnect
		if errors.Is(err, context.DeadlineExceeded) {
			code = abi.SendTimeout
		}
		return abi.Response{Error: &abi.SendError{Code: code, Message: err.Error(), Sent: true}}
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return abi.Response{Error: &abi.SendError{Code: abi.SendInterrupted, Message: err.Error(), Sent: true}}
	}
	if resp.StatusCode >= 300 && resp.StatusCode < 400 && resp.StatusCode != http.StatusNotModified {
		return abi.Response{Error: &abi.SendError{Code: abi.SendRedirect, Message: "the service responded with a redirect, which is never followed: check the base URL", Sent: true}}
	}
	out := abi.Response{Status: resp.StatusCode, Headers: map[string][]string{}}
	for _, name := range slices.Concat(abi.ResponseHeaders(), c.host.manifest.ResponseHeaders) {
		if values := resp.Header.Values(name); len(values) > 0 {
			out.Headers[name] = values
		}
	}
	if len(body) > 0 {
		c.bodies = append(c.bodies, body)
		out.Body, out.Length = uint64(len(c.bodies)), int64(len(body))
	}
	return out
}

// target returns the URL of a request: the base URL, the endpoint's path with filled blanks or the link's path, and
// the query. The origin of a link is ignored.
func (c *call) target(e abi.Endpoint, r abi.Request) (string, error) {
	at := *c.host.base
	if r.Link != "" {
		link, err := url.Parse(r.Link)
		if err != nil || !fits(e.Template(), link.EscapedPath()) {
			return "", fmt.Errorf("the link's path does not fit %s", e.Endpoint)
		}
		return at.Scheme + "://" + at.Host + link.EscapedPath() + "?" + link.RawQuery, nil
	}
	var path []string
	for segment := range strings.SplitSeq(e.Template(), "/") {
		if name, blank := abi.Blank(segment); blank {
			value := r.Path[name]
			if value == "" || value == "." || value == ".." {
				return "", fmt.Errorf("the blank %s of %s must not be %q", name, e.Endpoint, value)
			}
			segment = url.PathEscape(value)
		}
		path = append(path, segment)
	}
	var query []string
	for _, q := range r.Query {
		query = append(query, url.QueryEscape(q[0])+"="+url.QueryEscape(q[1]))
	}
	target := at.Scheme + "://" + at.Host + strings.Join(path, "/")
	if len(query) > 0 {
		target += "?" + strings.Join(query, "&")
	}
	return target, nil
}

// fits reports whether a path matches a template.
func fits(template, path string) bool {
	want, have := strings.Split(template, "/"), strings.Split(path, "/")
	return slices.EqualFunc(want, have, func(w, h string) bool {
		_, blank := abi.Blank(w)
		return w == h || blank && h != "" && h != "." && h != ".."
	})
}

func (c *call) body(handle uint64) []byte {
	if handle == 0 || handle > uint64(len(c.bodies)) {
		return nil
	}
	return c.bodies[handle-1]
}

// records returns the emitted records.
func (c *call) records() []json.RawMessage {
	all := make([]json.RawMessage, len(c.emitted))
	for i, r := range c.emitted {
		all[i] = r.json
	}
	return all
}

// output returns the result of an invoke (abi/README.md, section 4). It omits records of a list whose key came on an
// earlier page.
func (c *call) output(out abi.InvokeOutput) json.RawMessage {
	if !out.List {
		if out.Output != nil || !out.Outcome.OK() || len(c.emitted) == 0 {
			return out.Output
		}
		return c.emitted[0].json
	}
	var b bytes.Buffer
	b.WriteString(`{"records":[`)
	first, seen := true, map[string]uint64{}
	for _, r := range c.emitted {
		if page, again := seen[r.key]; again && r.key != "" && page != r.handle {
			continue
		}
		seen[r.key] = r.handle
		if !first {
			b.WriteByte(',')
		}
		first = false
		b.Write(r.json)
	}
	b.WriteString(`],"next_cursor":`)
	if out.NextCursor == "" {
		b.WriteString("null")
	} else {
		text, _ := json.Marshal(out.NextCursor) // a string always encodes
		b.Write(text)
	}
	if members := bytes.TrimSpace(out.Output); len(members) > 2 {
		b.WriteByte(',')
		b.Write(bytes.TrimSpace(members[1 : len(members)-1]))
	}
	b.WriteByte('}')
	return b.Bytes()
}
