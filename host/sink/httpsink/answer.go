package httpsink

import (
	"bytes"
	"net/http"
	"slices"
	"strings"

	"github.com/tidwall/gjson"
)

// notTaken says why an answer with a status of success is no acknowledgement of NDJSON, and returns "" where it is one. Most
// services answer with nothing, or with what they counted. Some report what they did not take in a body with 200.
func notTaken(status int, kind string, answer []byte) string {
	text := bytes.TrimSpace(bytes.TrimPrefix(answer, []byte("\xef\xbb\xbf")))
	switch {
	case kind == "text/html", len(text) > 0 && text[0] == '<':
		return "a web page"
	case status == http.StatusMultiStatus, status == http.StatusPartialContent:
		return "a status that says that not all was taken"
	case len(text) == 0 || text[0] != '{' || !gjson.ValidBytes(text):
		return ""
	}
	v := gjson.ParseBytes(text)
	for _, one := range append(v.Get("status").Array(), v, v.Get("partialSuccess")) { // some answer for each stream
		if saysFailed(one) {
			return "an answer that says that not all was taken"
		}
	}
	return ""
}

// The members by which services report in an answer that records were not taken.
var (
	reasons  = []string{"error", "errors", "failures", "exception"}
	counts   = []string{"failed", "rejected", "dropped", "num_rejected_docs", "rejectedLogRecords"}
	verdicts = []string{"success", "ok", "acknowledged"}
	failures = []string{"error", "failed", "failure", "fail"}
)

// saysFailed reports whether an object, or a status, says that something failed.
func saysFailed(v gjson.Result) bool {
	if v.Type == gjson.String {
		return slices.Contains(failures, strings.ToLower(v.Str))
	}
	failed := false
	v.ForEach(func(name, m gjson.Result) bool {
		switch {
		case slices.Contains(reasons, name.Str):
			failed = !isNothing(m)
		case slices.Contains(counts, name.Str):
			failed = m.Num > 0
		case slices.Contains(verdicts, name.Str):
			failed = m.Type == gjson.False
		case name.Str == "code": // Splunk's event collector: 0 is success
			failed = m.Num != 0 && v.Get("text").Exists()
		}
		return !failed
	})
	return failed
}

// isNothing reports whether a value names no error.
func isNothing(v gjson.Result) bool {
	switch v.Type {
	case gjson.String:
		return v.Str == ""
	case gjson.Number:
		return v.Num == 0
	case gjson.JSON:
		some := false
		v.ForEach(func(_, _ gjson.Result) bool { some = true; return false })
		return !some
	}
	return v.Type != gjson.True
}
