package connector

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/hostcall"
	"github.com/mach5/okta-connector/guest/hostcall/hosttest"
)

// shelves is a service of n books. It links its pages in one way.
type shelves struct {
	n, most int // books, and the maximum of a page
	body    func(books string, from, to, n int) string
	from    func(query map[string]string) int
	header  bool
	asked   []string
}

func (s *shelves) answer(req abi.Request) hosttest.Answer {
	query := map[string]string{}
	for _, q := range req.Query {
		if _, twice := query[q[0]]; twice {
			return hosttest.Answer{Status: 400, Body: `{"code":"twice","message":"` + q[0] + ` is sent twice"}`}
		}
		query[q[0]] = q[1]
	}
	if req.Link != "" {
		_, text, _ := strings.Cut(req.Link, "?")
		for part := range strings.SplitSeq(text, "&") {
			name, value, _ := strings.Cut(part, "=")
			query[name] = value
		}
	}
	s.asked = append(s.asked, fmt.Sprint(query))
	if query["genre"] != "crime" {
		return hosttest.Answer{Status: 400, Body: `{"code":"genre","message":"the filter is gone"}`}
	}
	size, _ := strconv.Atoi(query["size"])
	if size = min(size, s.most); size == 0 {
		size = s.most
	}
	from := s.from(query)
	to := min(from+size, s.n)
	books := []string{}
	for i := from; i < to; i++ {
		books = append(books, fmt.Sprintf(`{"isbn":%d}`, 100+i))
	}
	a := hosttest.Answer{Status: 200, Body: s.body("["+strings.Join(books, ",")+"]", from, to, s.n)}
	if s.header && to < s.n {
		a.Headers = map[string][]string{"link": {fmt.Sprintf(`<https://x.example/books?genre=crime&from=%d>; rel="next"`, to)}}
	}
	return a
}

func number(name string) func(map[string]string) int {
	return func(q map[string]string) int { n, _ := strconv.Atoi(q[name]); return n }
}

// library returns a connector with one list.
func library(l List) *Connector {
	l.Endpoint, l.Query, l.Records = "GET /books", []Param{{"genre", "genre"}}, "books"
	return &Connector{Service: Service{Name: "Library", PageParam: "size", LinkParams: "from"}, Operations: [][]Operation{{{
		Name: "list_books", Class: abi.Read, Surfaces: []abi.Surface{abi.Axon, abi.Ingest, abi.SQL}, Key: "isbn",
		Inputs:    []Input{{"genre", false, `{"type":"string"}`}, {"page_size", false, `{"type":"integer"}`}, LimitInput, CursorInput},
		Endpoints: []*abi.Endpoint{{Endpoint: "GET /books"}}, List: &l, Source: l.Follow,
	}}}}
}

// pages are the ways in which services link pages.
var pages = map[string]struct {
	list    List
	service shelves
}{
	"a Link header": {List{MaxPage: 100}, shelves{header: true, from: number("from"),
		body: func(books string, _, _, _ int) string { return `{"books":` + books + `}` }}},
	"a link in the body": {List{MaxPage: 100, Next: "next"}, shelves{from: number("from"),
		body: func(books string, _, to, n int) string {
			if to == n {
				return `{"books":` + books + `,"next":null}`
			}
			return fmt.Sprintf(`{"books":%s,"next":"https://x.example/books?genre=crime&from=%d"}`, books, to)
		}}},
	"a link in an object of the body": {List{MaxPage: 100, Next: "_links.next"}, shelves{from: number("from"),
		body: func(books string, _, to, n int) string {
			if to == n {
				return `{"books":` + books + `,"_links":{}}`
			}
			return fmt.Sprintf(`{"books":%s,"_links":{"next":{"href":"/books?genre=crime&from=%d"}}}`, books, to)
		}}},
	"a token in the body": {List{MaxPage: 100, Next: "meta.after", NextParam: "after"}, shelves{
		from: func(q map[string]string) int {
			n, _ := strconv.Atoi(strings.TrimPrefix(strings.TrimSuffix(q["after"], "=&"), "t/"))
			return n
		},
		body: func(books string, _, to, n int) string {
			if to == n {
				return `{"books":` + books + `,"meta":{"after":""}}`
			}
			return fmt.Sprintf(`{"books":%s,"meta":{"after":"t/%d=&"}}`, books, to)
		}}},
	"a number as token": {List{Next: "after", NextParam: "after"}, shelves{from: number("after"),
		body: func(books string, _, to, n int) string {
			if to == n {
				return `{"books":` + books + `}`
			}
			return fmt.Sprintf(`{"books":%s,"after":%d}`, books, to)
		}}},
	"a token with a value for the end": {List{MaxPage: 100, Next: "after", NextParam: "after", NextEnd: "end"}, shelves{from: number("after"),
		body: func(books string, _, to, n int) string {
			if to == n {
				return `{"books":` + books + `,"after":"end"}`
			}
			return fmt.Sprintf(`{"books":%s,"after":"%d"}`, books, to)
		}}},
	"an offset": {List{MaxPage: 100, Offset: "skip"}, shelves{from: number("skip"),
		body: func(books string, _, _, _ int) string { return `{"books":` + books + `}` }}},
	"page numbers": {List{MaxPage: 2, PageNumber: "page"}, shelves{
		from: func(q map[string]string) int { n := number("page")(q); return max(0, n-1) * number("size")(q) },
		body: func(books string, _, _, _ int) string { return `{"books":` + books + `}` }}},
}

func run(t *testing.T, cn *Connector, s *shelves, input string) (abi.InvokeOutput, []string) {
	t.Helper()
	host := &hosttest.Host{Answer: s.answer}
	text, err := cn.Invoke(hostcall.New(host), `{"operation":"list_books","input":`+input+`,"settings":{}}`)
	var out abi.InvokeOutput
	if err == nil {
		err = json.Unmarshal([]byte(text), &out)
	}
	if err != nil {
		t.Fatal(err)
	}
	return out, host.Records
}

func books(n int) (all []string) {
	for i := range n {
		all = append(all, fmt.Sprintf(`{"isbn":%d}`, 100+i))
	}
	return all
}

func TestList_EachWayOfPaging_HasEveryRecordOnce(t *testing.T) {
	for name, c := range pages {
		for n := range 8 {
			t.Run(fmt.Sprint(name, "/", n), func(t *testing.T) {
				s := c.service
				s.n, s.most = n, 2
				out, got := run(t, library(c.list), &s, `{"genre":"crime"}`)
				if out.Outcome != abi.Succeeded || out.NextCursor != "" || !slices.Equal(got, books(n)) {
					t.Errorf("%+v %+v: %q, asked %q", out, out.Error, got, s.asked)
				}
				for limit := 1; limit < n; limit++ { // cut, and resumed from the cursor
					var all []string
					cursor := ""
					for range n {
						out, got := run(t, library(c.list), &s, fmt.Sprintf(`{"genre":"crime","limit":%d%s}`, limit, cursor))
						if out.Outcome != abi.Succeeded {
							t.Fatalf("%+v", out.Error)
						}
						if all = append(all, got...); out.NextCursor == "" {
							break
						}
						cursor = `,"cursor":"` + out.NextCursor + `"`
					}
					if !slices.Equal(all, books(n)) {
						t.Errorf("%d at a time: %q, asked %q", limit, all, s.asked)
					}
				}
			})
		}
	}
}

func TestFollow_EachWayOfPaging_EmitsEachRecordOnce(t *testing.T) {
	for name, c := range pages {
		if c.list.PageNumber != "" { // refused by Check
			continue
		}
		t.Run(name, func(t *testing.T) {
			s := c.service
			s.most = 2
			host, at := &hosttest.Host{Answer: s.answer}, "null"
			for ; s.n < 9; s.n++ {
				for range 9 {
					text, err := library(c.list).Source(hostcall.New(host), `{"operation":"list_books","config":{"genre":"crime"},"settings":{},"checkpoint":`+at+`}`)
					var out abi.SourceOutput
					if err == nil {
						err = json.Unmarshal([]byte(text), &out)
					}
					if err != nil || out.Outcome != abi.Succeeded {
						t.Fatalf("%v %+v", err, out.Error)
					}
					if at = string(out.Checkpoint); out.CaughtUp {
						break
					}
				}
				if !slices.Equal(host.Records, books(s.n)) {
					t.Fatalf("of %d: %q", s.n, host.Records)
				}
			}
		})
	}
}

// TestList_UnexpectedNext_IsAnError: ending the list there would lose its rest silently.
func TestList_UnexpectedNext_IsAnError(t *testing.T) {
	for _, c := range []struct{ next, param, want string }{
		{`"3"`, "", "NextParam"},
		{`3`, "", "NextParam"},
		{`"https://x.example/authors?from=2"`, "", "GET /books"},
		{`true`, "", "boolean"},
		{`["a"]`, "", "array"},
		{`{"cursor":"a"}`, "", "without href"},
		{`true`, "after", "boolean"},
		{`{"cursor":"a"}`, "after", "without href"},
	} {
		for _, size := range []int{0, hostcall.MaxBody} {
			if size > 0 && c.next == `true` { // a large body is not read, so true looks absent
				continue
			}
			s := shelves{n: 7, most: 2, from: number("from"), body: func(books string, _, _, _ int) string {
				return `{"books":` + books + `,"next":` + c.next + `,"pad":"` + strings.Repeat("x", size) + `"}`
			}}
			out, _ := run(t, library(List{MaxPage: 100, Next: "next", NextParam: c.param}), &s, `{"genre":"crime"}`)
			if out.Outcome != abi.Unavailable || !strings.Contains(out.Error.Message, c.want) || !strings.Contains(out.Error.Message, "next") || out.Error.Retryable {
				t.Errorf("%s, param %q, %d bytes: %s %+v, want unavailable and %q", c.next, c.param, size, out.Outcome, out.Error, c.want)
			}
		}
	}
}

func TestList_TokenThatRepeats_EndsAsACircle(t *testing.T) {
	s := shelves{n: 7, most: 2, from: number("after"), body: func(books string, _, _, _ int) string { return `{"books":` + books + `,"next":"2"}` }}
	out, _ := run(t, library(List{MaxPage: 100, Next: "next", NextParam: "after"}), &s, `{"genre":"crime"}`)
	if out.Error == nil || out.Error.Code != "circle" {
		t.Errorf("%+v %+v", out, out.Error)
	}
}
