package okta

import (
	"github.com/mach5/okta-connector/guest/connector"
	"github.com/mach5/okta-connector/guest/connector/compare"
	"github.com/mach5/okta-connector/guest/connector/replace"
	"github.com/mach5/okta-connector/guest/hostcall"
	"github.com/mach5/okta-connector/guest/jsonval"
)

// switchInput is the action of an operation that sets an object's status.
var switchInput = connector.Input{"action", true, `{"enum":["activate","deactivate"],"description":"change to make"}`}

// switchPatch returns the status that the input's action leads to, as a merge patch.
func switchPatch(c *connector.Call) jsonval.Value {
	if c.Str("action") == "activate" {
		return parsed(`{"status":"ACTIVE"}`)
	}
	return parsed(`{"status":"INACTIVE"}`)
}

// switchObject sets the status of an object with the endpoints of whole.Switches. check may refuse it.
func switchObject(c *connector.Call, whole *replace.Whole, path []hostcall.Pair, check func(before jsonval.Value) *connector.Result) connector.Result {
	return replace.Do(c, replace.Replacement{
		Whole: whole, Path: path,
		Merge: func(before jsonval.Value) (string, *connector.Result) {
			return compare.MergePatch(before, switchPatch(c)), check(before)
		},
		Gaps: func(_, _ jsonval.Value, _ compare.Comparison) []compare.Gap { return nil }, // only the status changes
	})
}
