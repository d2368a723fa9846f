package httpsink

import "testing"

// TestRefusalIn_SuccessStatus_FindsRefusals uses answers as services document them, and as proxies give them.
func TestRefusalIn_SuccessStatus_FindsRefusals(t *testing.T) {
	for _, c := range []struct {
		status       int
		kind, answer string
		taken        bool
	}{
		{200, "", "", true}, {204, "", "", true}, {202, "application/json", `{}`, true}, {200, "text/plain", "OK", true}, {200, "text/plain", "Ok.\n", true},
		{200, "application/json", `{"text":"Success","code":0}`, true},
		{200, "application/json", `{"ingested":3,"failed":0,"failures":[],"processedBytes":9}`, true},
		{200, "application/json", `{"num_docs_for_processing":3,"num_rejected_docs":0}`, true},
		{200, "application/json", `{"code":200,"status":[{"name":"okta","successful":3,"failed":0}]}`, true},
		{200, "application/json", `{"partialSuccess":{}}`, true}, {200, "application/json", `{"errors":false,"error":null,"success":true,"status":"ok"}`, true},
		{200, "application/json", `[1]`, true}, {200, "application/json", `{"error`, true}, {200, "application/json", `{"errors":[],"exception":{}}`, true},
		{200, "text/html", "", false}, {200, "application/json", "<!doctype html>", false}, {200, "", "\xef\xbb\xbf <html>", false},
		{207, "application/json", `{}`, false}, {206, "", "", false},
		{200, "application/json", `{"text":"No data","code":5}`, false},
		{200, "application/json", `{"ingested":2,"failed":1,"failures":[{"error":"x"}]}`, false},
		{200, "application/json", `{"num_docs_for_processing":3,"num_rejected_docs":1}`, false},
		{200, "application/json", `{"code":200,"status":[{"name":"okta","successful":3,"failed":0},{"name":"b","failed":2}]}`, false},
		{200, "application/json", `{"partialSuccess":{"rejectedLogRecords":"0"}}`, true}, {200, "application/json", `{"partialSuccess":{"rejectedLogRecords":2}}`, false},
		{200, "application/json", `{"error":"quota exceeded"}`, false}, {200, "application/json", `{"errors":["bad line 3"]}`, false},
		{200, "application/json", `{"success":false}`, false}, {200, "application/json", `{"status":"error","message":"x"}`, false}, {200, "application/json", `{"errors":true}`, false},
		{200, "application/json", `{"error":{"type":"x"}}`, false},
	} {
		if why := refusalIn(c.status, c.kind, []byte(c.answer)); (why == "") != c.taken {
			t.Errorf("%d %s %q: %q", c.status, c.kind, c.answer, why)
		}
	}
}
