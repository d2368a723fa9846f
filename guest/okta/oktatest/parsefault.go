package oktatest

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ParseFault parses a fault from a command line:
//
//	KIND[:TARGET[:OPTION=VALUE[,OPTION=VALUE…]]]
//
// KIND is latency, status, status-after, reset-before, reset-after, truncate, not-json, rate-limited, concurrency,
// recipient-limited, redirect, cursor-expired or repeat-page. TARGET is a method, a path, or both with a space between
// ("POST /api/v1/users"). Empty or "*" means every request, and a path that ends with a slash means all paths below it.
// The options are the fields of [Fault]: times, skip, probability, status, latency (200ms), reset (30s), code
// (E0000109) and location. location must be last, because it may contain any characters.
//
//	reset-after:POST /api/v1/users:times=1
//	status:GET /api/v1/logs:status=503,times=2,skip=1
//	latency:*:latency=250ms,probability=0.1
//	truncate:/api/v1/
func ParseFault(s string) (Fault, error) {
	f, err := parseFault(s)
	if err != nil {
		return Fault{}, fmt.Errorf("fault %q: %w", s, err)
	}
	return f, nil
}

// FaultHelp describes the syntax of [ParseFault], a line for each kind and option.
func FaultHelp() string {
	var b strings.Builder
	b.WriteString("KIND is one of\n")
	for kind, text := range faultTexts {
		if text != "" {
			fmt.Fprintf(&b, "  %-18s %s\n", faultNames[kind], text)
		}
	}
	b.WriteString(`TARGET selects requests: a method, a path, or both ("POST /api/v1/users"); * or nothing means all of them. A path that ends
with / matches all paths below it, and {id} matches one segment.
OPTION is one of
  times=N            how many requests (default all)
  skip=N             how many to process normally first
  probability=P      probability of the fault, over 0 and up to 1 (default 1)
  latency=DURATION   time to wait first, with every kind
  status=N           for status and status-after: 400 to 599 (default 503)
  reset=DURATION     for rate-limited and concurrency: time until requests are accepted again (default the end of the window)
  code=CODE          for recipient-limited: ` + strings.Join(RecipientCodes(), ", ") + `
  location=URL       for redirect: the address; must be the last option
`)
	return b.String()
}

// faultTexts describe each kind in one line.
var faultTexts = [len(faultNames)]string{
	Latency:          "answer normally, but late",
	Status:           "answer an error, and do nothing",
	StatusAfter:      "process the request, and then answer an error",
	ResetBefore:      "break the connection, and do nothing",
	ResetAfter:       "process the request, and then break the connection without an answer",
	Truncate:         "process the request, and break the connection in the middle of the answer",
	NotJSON:          "answer an HTML page with status 200, as a proxy does, and do nothing",
	RateLimited:      "answer 429, with no request left in the window",
	Concurrency:      "answer 429, for too many concurrent requests",
	RecipientLimited: "answer 429, for too many messages to one recipient",
	Redirect:         "answer 302",
	CursorExpired:    "answer 400 to requests with a cursor (after)",
	RepeatPage:       "answer a poll of the log with the page before",
}

func parseFault(s string) (Fault, error) {
	kind, rest, _ := strings.Cut(s, ":")
	target, options, _ := strings.Cut(rest, ":")
	index := slices.Index(faultNames[1:], strings.TrimSpace(kind))
	if index < 0 {
		return Fault{}, fmt.Errorf("unknown kind %q, want one of %s", kind, strings.Join(faultNames[1:], ", "))
	}
	f := Fault{Kind: FaultKind(index + 1)}
	if err := f.parseTarget(strings.TrimSpace(target)); err != nil {
		return Fault{}, err
	}
	for options != "" {
		var option string
		if strings.HasPrefix(options, "location=") {
			option, options = options, ""
		} else {
			option, options, _ = strings.Cut(options, ",")
		}
		name, value, _ := strings.Cut(option, "=")
		if err := f.parseOption(strings.TrimSpace(name), value); err != nil {
			return Fault{}, err
		}
	}
	if f.Kind == Latency && f.Latency == 0 {
		return Fault{}, fmt.Errorf("a latency fault needs an option such as latency=200ms")
	}
	return f, nil
}

func (f *Fault) parseTarget(target string) error {
	if target == "" || target == "*" {
		return nil
	}
	method, path, both := strings.Cut(target, " ")
	if !both && strings.HasPrefix(target, "/") {
		method, path = "", target
	}
	path = strings.TrimSpace(path)
	methods := []string{"", "*", http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}
	if !slices.Contains(methods, method) {
		return fmt.Errorf("unknown method %q", method)
	}
	if path != "" && !strings.HasPrefix(path, "/") || strings.ContainsAny(path, " ?#") {
		return fmt.Errorf("path %q: want a plain path that starts with a slash", path)
	}
	if method != "*" {
		f.Method = method
	}
	f.Path = path
	return nil
}

func (f *Fault) parseOption(name, value string) (err error) {
	switch name {
	case "times":
		f.Times, err = parseCount(value)
	case "skip":
		f.Skip, err = parseCount(value)
	case "status":
		f.Status, err = strconv.Atoi(value)
		if err == nil && (f.Status < 400 || f.Status > 599) {
			err = fmt.Errorf("want a status from 400 to 599")
		}
	case "probability":
		f.Probability, err = strconv.ParseFloat(value, 64)
		if err == nil && !(f.Probability > 0 && f.Probability <= 1) {
			err = fmt.Errorf("want a number above 0 and up to 1")
		}
	case "latency":
		f.Latency, err = parseDuration(value)
	case "reset":
		f.Reset, err = parseDuration(value)
	case "code":
		if f.Code = value; recipientLimits[value] == "" {
			err = fmt.Errorf("want one of %s", strings.Join(RecipientCodes(), ", "))
		}
	case "location":
		if f.Location = value; value == "" || strings.ContainsFunc(value, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
			err = fmt.Errorf("want a URL")
		}
	default:
		return fmt.Errorf("unknown option %q, want times, skip, probability, status, latency, reset, code or location", name)
	}
	if err != nil {
		return fmt.Errorf("option %s=%q: %w", name, value, err)
	}
	return nil
}

func parseCount(value string) (int, error) {
	n, err := strconv.Atoi(value)
	if err == nil && n < 0 {
		err = fmt.Errorf("want a number of 0 or more")
	}
	return n, err
}

func parseDuration(value string) (time.Duration, error) {
	d, err := time.ParseDuration(value)
	if err == nil && d <= 0 {
		err = fmt.Errorf("want a duration above 0")
	}
	return d, err
}

// String returns f in the form of ParseFault.
func (f Fault) String() string {
	target := strings.TrimSpace(f.Method + " " + f.Path)
	if target == "" {
		target = "*"
	}
	var options []string
	add := func(name, value string) { options = append(options, name+"="+value) }
	if f.Times > 0 {
		add("times", strconv.Itoa(f.Times))
	}
	if f.Skip > 0 {
		add("skip", strconv.Itoa(f.Skip))
	}
	if f.Probability > 0 {
		add("probability", strconv.FormatFloat(f.Probability, 'g', -1, 64))
	}
	if f.Status > 0 {
		add("status", strconv.Itoa(f.Status))
	}
	if f.Latency > 0 {
		add("latency", f.Latency.String())
	}
	if f.Reset > 0 {
		add("reset", f.Reset.String())
	}
	if f.Code != "" {
		add("code", f.Code)
	}
	if f.Location != "" {
		add("location", f.Location)
	}
	s := f.Kind.String() + ":" + target
	if len(options) > 0 {
		s += ":" + strings.Join(options, ",")
	}
	return s
}
