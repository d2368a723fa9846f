package httpsink

import (
	"bytes"
	"net/http"
	"slices"
	"strings"

	"github.com/tidwall/gjson"
)

// refusalIn returns why an answer with a success status does not acknowledge NDJSON, or "" if it does. Most services
// answer with an empty body or with counts. Some report refused records in a body with status 200.
func refusalIn(status int, kind string, answer []byte) string {
	text := bytes.TrimSpace(bytes.TrimPrefix(answer, []byte("\xef\xbb\xbf")))
	switch {
	case kind == "text/html", len(text) > 0 && text[0] == '<':
		return "a web page"
	case status == http.StatusMultiStatus, status == http.StatusPartialContent:
		return "a status that means that not all records were accepted"
	case len(text) == 0 || text[0] != '{' || !gjson.ValidBytes(text):
		return ""
	}
	v := gjson.ParseBytes(text)
	for _, one := range append(v.Get("status").Array(), v, v.Get("partialSuccess")) { // some services answer for each stream
		if reportsFailure(one) {
			return "a body that says that not all records were accepted"
		}
	}
	return ""
}

// The members with which services report refused records in an answer.
var (
	reasons  = []string{"error", "errors", "failures", "exception"}
	counts   = []string{"failed", "rejected", "dropped", "num_rejected_docs", "rejectedLogRecords"}
	verdicts = []string{"success", "ok", "acknowledged"}
	failures = []string{"error", "failed", "failure", "fail"}
)

// reportsFailure reports whether an object or a status says that something failed.
func reportsFailure(v gjson.Result) bool {
	if v.Type == gjson.String {
		return slices.Contains(failures, strings.ToLower(v.Str))
	}
	failed := false
	v.ForEach(func(name, m gjson.Result) bool {
		switch {
		case slices.Contains(reasons, name.Str):
			failed = !isEmpty(m)
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

// isEmpty reports whether the value of an error member means that there is no error.
func isEmpty(v gjson.Result) bool {
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
