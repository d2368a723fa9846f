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
	"github.com/mach5/okta-connector/internal/hide"
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
		auth, canonical := c.host.auth, http.CanonicalHeaderKey(name)
		if !strings.EqualFold(name, auth.Header) && !slices.Contains(abi.RequestHeaders(), canonical) || req.Header.Values(canonical) != nil {
			return failed(abi.SendMalformed, fmt.Sprintf("header %q may not be set, or is set twice", name))
		}
		if !strings.EqualFold(name, auth.Header) && canonical != "Content-Type" && !mayHeader(c.op.Endpoints[i], canonical, value) {
			return failed(abi.SendMalformed, fmt.Sprintf("%s does not declare the value %q of the header %s", r.Endpoint, value, canonical))
		}
		if strings.EqualFold(name, auth.Header) {
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
	if c.echoes(body, out.Headers) {
		return abi.Response{Error: &abi.SendError{Code: abi.SendTainted, Message: "the response contains the connection's token and was discarded: check the base URL", Sent: true}}
	}
	if e := c.op.Endpoints[i]; len(e.Sensitive) > 0 { // a body that is not JSON is removed completely
		body, _, _ = hide.Members{Remove: slices.DeleteFunc(slices.Clone(e.Sensitive), func(p string) bool { return slices.Contains(e.Reveals, p) })}.From(body)
	}
	if len(body) > 0 {
		c.bodies = append(c.bodies, body)
		out.Body, out.Length = uint64(len(c.bodies)), int64(len(body))
	}
	return out
}

// minSearched is the length of the shortest token that is searched for in answers, in bytes. Shorter ones would match unrelated
// text.
const minSearched = 4

// echoes reports whether an answer contains the token, which the guest must never see.
func (c *call) echoes(body []byte, headers map[string][]string) bool {
	token := c.host.config.Token
	if len(token) < minSearched {
		return false
	}
	for _, values := range headers {
		if slices.ContainsFunc(values, func(v string) bool { return strings.Contains(v, token) }) {
			return true
		}
	}
	return bytes.Contains(body, []byte(token))
}

// target returns the URL of a request: the base URL, the endpoint's path with its path parameters or the path of a link, and
// the query. A link's origin is ignored.
func (c *call) target(e abi.Endpoint, r abi.Request) (string, error) {
	at := *c.host.base
	if r.Link != "" {
		link, err := url.Parse(r.Link)
		if err != nil || len(r.Link) > abi.MaxLink || link.Fragment != "" || !fits(e, link.EscapedPath()) {
			return "", fmt.Errorf("the link does not fit %s", e.Endpoint)
		}
		if abi.CheckQuery(link.RawQuery) != nil || len(link.RawQuery) > abi.MaxQuery {
			return "", fmt.Errorf("the query of the link for %s is too long, or has a control character", e.Endpoint)
		}
		names, err := url.ParseQuery(link.RawQuery)
		if err != nil {
			return "", fmt.Errorf("the query of the link for %s is not escaped properly", e.Endpoint)
		}
		for name := range names {
			if !c.mayQuery(e, name) {
				return "", fmt.Errorf("the link for %s may not have the query parameter %q", e.Endpoint, name)
			}
		}
		return at.Scheme + "://" + at.Host + link.EscapedPath() + "?" + link.RawQuery, nil
	}
	var path []string
	blanks := 0
	for segment := range strings.SplitSeq(e.Template(), "/") {
		if name, blank := abi.Blank(segment); blank {
			blanks++
			if err := abi.CheckBlank(r.Path[name], e.Divides(name)); err != nil {
				return "", fmt.Errorf("path parameter %s of %s: %w", name, e.Endpoint, err)
			}
			segment = url.PathEscape(r.Path[name])
		}
		path = append(path, segment)
	}
	if blanks != len(r.Path) {
		return "", fmt.Errorf("%s has %d path parameters, and %d values are given", e.Endpoint, blanks, len(r.Path))
	}
	var query []string
	for _, q := range r.Query {
		if !c.mayQuery(e, q[0]) || abi.CheckQuery(q[0]) != nil || q[0] == "" {
			return "", fmt.Errorf("%s may not have the query parameter %q", e.Endpoint, q[0])
		}
		if err := abi.CheckQuery(q[1]); err != nil {
			return "", fmt.Errorf("query parameter %s: %w", q[0], err)
		}
		query = append(query, url.QueryEscape(q[0])+"="+url.QueryEscape(q[1]))
	}
	target := at.Scheme + "://" + at.Host + strings.Join(path, "/")
	if all := strings.Join(query, "&"); len(all) > abi.MaxQuery {
		return "", fmt.Errorf("the query has more than %d bytes", abi.MaxQuery)
	} else if all != "" {
		target += "?" + all
	}
	return target, nil
}

// mayQuery reports whether a request to an endpoint may have a query parameter. A module of minor version 0 declares none.
func (c *call) mayQuery(e abi.Endpoint, name string) bool {
	return slices.Contains(e.Query, name) || c.host.manifest.Minor == 0 && e.Query == nil && !abi.OverridesMethod(name)
}

// mayHeader reports whether a read of an endpoint may have a header with a value.
func mayHeader(e abi.Endpoint, name, value string) bool {
	h, declared := e.Header(name)
	return slices.Contains(h.Values, value) || name == "Accept" && value == "application/json" ||
		declared && name == "If-Match" && len(h.Values) == 0 && abi.EntityTag(value)
}

// fits reports whether an escaped path matches an endpoint. A segment must not be a path step, however often a server decodes it.
func fits(e abi.Endpoint, path string) bool {
	want, have := strings.Split(e.Template(), "/"), strings.Split(path, "/")
	return slices.EqualFunc(want, have, func(w, h string) bool {
		name, blank := abi.Blank(w)
		if !blank {
			return w == h
		}
		plain, err := url.PathUnescape(h)
		return err == nil && abi.CheckBlank(plain, e.Divides(name)) == nil
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
