package okta

import (
	"testing"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/hostcall/hosttest"
)

// TestDeleteDevice_EachResponse_HasItsOutcome: the device's status in the output is read back.
func TestDeleteDevice_EachResponse_HasItsOutcome(t *testing.T) {
	const read, del, in = "GET /api/v1/devices/{deviceId}", "DELETE /api/v1/devices/{deviceId}", `{"device":"guo1","action":"delete"}`
	const of = " [deviceId:guo1]"
	device := func(status string) hosttest.Answer { return answer(200, `{"id":"guo1","status":"`+status+`"}`) }
	off, gone, done := deviceLifecycle("deactivate").Endpoint, notFound("Device"), answer(204, "")
	for _, c := range []invoking{
		{"a deactivated device", in, answering{read: {device("DEACTIVATED"), gone}, del: {done}}, abi.Succeeded, "", read + of + "\n" + del + of + "\n" + read + of, []string{`"before":"DEACTIVATED","after":"DELETED"`}, 0},
		{"an active device", in, answering{read: {device("ACTIVE"), device("DEACTIVATED"), gone}, off: {done}, del: {done}}, abi.Succeeded, "", "", []string{`"before":"ACTIVE","after":"DELETED"`}, 0},
		{"a deleted device", in, answering{read: {gone}}, abi.Unchanged, "", read + of, nil, 0},
		{"accepted, still there", in, answering{read: {device("DEACTIVATED")}, del: {done}}, abi.Unknown, "unknown", "", []string{"does not show"}, 0},
		{"accepted, gone late", in, answering{read: {device("DEACTIVATED"), device("DEACTIVATED"), gone}, del: {done}}, abi.Succeeded, "", "", nil, 0},
		{"accepted, cannot be read back", in, answering{read: {device("DEACTIVATED"), forbidden}, del: {done}}, abi.Succeeded, "", "", []string{"could not be read"}, 0},
	} {
		c.run(t, "device_lifecycle_action")
	}
}
