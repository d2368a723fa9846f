package egress

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"github.com/mach5/okta-connector/host/pacing"
)

// refusal is what the body of a 429 says, read as the manifest describes. The zero value says nothing.
type refusal struct {
	code, summary string
	other         bool          // the limit is not the bucket's
	wait          time.Duration // for another limit: how long to wait, by Retry-After or the text; 0 if unknown
}

// Limits for reading the body of a 429.
const (
	maxRefusal = 64 << 10 // bytes of a body that are parsed
	maxCode    = 64       // bytes
	maxSummary = 1 << 10  // bytes
)

// refusal reads a 429. Without a readable code, such as from a gateway, it counts for the bucket.
func (c *Client) refusal(resp *Response) refusal {
	errors := c.config.Service.Errors
	if errors == nil || resp.Body == nil || resp.Body.Len() > maxRefusal || !gjson.ValidBytes(resp.Body.Bytes()) {
		return refusal{}
	}
	body := gjson.ParseBytes(resp.Body.Bytes())
	r := refusal{code: clipped(member(body, errors.Code), maxCode)}
	if r.code == "" {
		return refusal{}
	}
	if errors.Summary != "" {
		r.summary = clipped(member(body, errors.Summary), maxSummary)
	}
	if r.other = !slices.Contains(errors.Buckets, r.code); !r.other {
		return r
	}
	r.wait = pacing.RetryAfter(http.Header{"Retry-After": resp.Header.Values("Retry-After"), "Date": resp.Header.Values("Date")}, c.config.Service.Habits)
	if c.wait != nil && r.wait == 0 {
		if m := c.wait.FindStringSubmatch(r.summary); m != nil {
			if s, err := strconv.ParseUint(m[1], 10, 16); err == nil {
				r.wait = time.Duration(s) * time.Second
			}
		}
	}
	return r
}

// member returns the string at a path of object keys joined by dots, or "".
func member(v gjson.Result, path string) string {
	for key := range strings.SplitSeq(path, ".") {
		if !v.IsObject() {
			return ""
		}
		next := gjson.Result{}
		v.ForEach(func(k, m gjson.Result) bool {
			if k.Str == key {
				next = m
			}
			return next.Type == gjson.Null
		})
		v = next
	}
	if v.Type != gjson.String {
		return ""
	}
	return v.Str
}

// clipped returns at most n bytes of a text, cut where a character begins.
func clipped(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "")
}
