package okta

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/hostcall"
	"github.com/mach5/okta-connector/guest/hostcall/hosttest"
)

// A web server that is no Okta org answers everything with a 404. No operation may take that for "there is none".
func TestA404OfSomebodyElseIsNeverAnAnswer(t *testing.T) {
	elsewhere := func() *hosttest.Host {
		return &hosttest.Host{Answer: func(abi.Request) hosttest.Answer {
			return answer(404, "<!DOCTYPE HTML>\n<html lang=\"en\"><title>Error response</title>File not found</html>")
		}}
	}
	for _, op := range operations() {
		if op.name == "validate" { // whose answer is what is wrong
			continue
		}
		t.Run(op.name, func(t *testing.T) {
			out := invokeNative(t, elsewhere(), op.name, op.example)
			if out.Outcome != abi.Unavailable || out.Error == nil {
				t.Fatalf("%s %+v: %s", out.Outcome, out.Error, out.Output)
			}
			if !op.on(abi.SQL) {
				return
			}
			input, _ := json.Marshal(abi.TableInput{Operation: op.name, Input: json.RawMessage(op.example)})
			raw, err := Table(hostcall.New(elsewhere()), string(input))
			var page abi.TableOutput
			if err != nil || json.Unmarshal([]byte(raw), &page) != nil || page.Outcome != abi.Unavailable {
				t.Errorf("as a table: %s %v", raw, err)
			}
		})
	}
	t.Run("validate", func(t *testing.T) {
		out := invokeNative(t, elsewhere(), "validate", `{}`)
		if text := string(out.Output); !strings.Contains(text, `"valid":false`) || !strings.Contains(text, "mend base_url first") || strings.Contains(text, "create a token") {
			t.Errorf("%s", text)
		}
	})
	t.Run("a write that was lost", func(t *testing.T) {
		invoking{"", `{"group":"` + builders + `"}`, answering{ofGroup: {noRoles}, oneGroup: {answer(200, builder), answer(404, "<html>")}, "DELETE /api/v1/groups/{groupId}": {lost}},
			abi.Unknown, "unknown", "", nil, 0}.run(t, "delete_group")
	})
	t.Run("a write", func(t *testing.T) {
		invoking{"", `{"group":"` + builders + `"}`, answering{ofGroup: {noRoles}, oneGroup: {answer(200, builder)}, "DELETE /api/v1/groups/{groupId}": {answer(404, "<html>")}},
			abi.Unavailable, "not_okta", "", []string{"base_url"}, 0}.run(t, "delete_group")
	})
}
