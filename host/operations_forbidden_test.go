package host_test

import (
	"context"
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host/oktatest"
)

// doWithout are endpoints that an operation can do without, and what it then says.
var doWithout = map[string]abi.Outcome{
	"validate GET /api/v1/users/me":                       abi.Succeeded, // a finding
	"validate GET /api/v1/org":                            abi.Succeeded,
	"add_group_member GET /api/v1/users/{id}/groups":      abi.Succeeded, // the write itself tells less
	"remove_group_member GET /api/v1/users/{id}/groups":   abi.Succeeded,
	"inventory_export GET /api/v1/groups":                 abi.Succeeded, // named in skipped
	"inventory_export GET /api/v1/groups/{groupId}/users": abi.Succeeded,
	"revoke_session GET /api/v1/sessions/{sessionId}":     abi.Succeeded,
	"list_policies GET /api/v1/policies":                  abi.Rejected,
}

// TestAMissingPermissionIsSaid takes each endpoint away from each operation's example, one at a time.
func TestAMissingPermissionIsSaid(t *testing.T) {
	now := time.Date(2026, 1, 3, 0, 0, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	ctx := context.Background()
	c, _ := actor(t, nil)
	tried := 0
	for _, op := range c.Module().Manifest().Operations {
		t.Run(op.Name, func(t *testing.T) {
			w := newWorld(t, oktatest.Config{Now: clock})
			if res, err := w.Invoke(ctx, op.Name, op.Example); err != nil && res.Outcome != abi.Unchanged {
				t.Fatalf("the example: %+v", res.Error)
			}
			var used []string
			for _, r := range w.org.Requests() {
				if !slices.Contains(used, r.Pattern) && r.Pattern != "GET /.well-known/okta-organization" {
					used = append(used, r.Pattern)
				}
			}
			for _, endpoint := range used {
				tried++
				w := newWorld(t, oktatest.Config{Now: clock, Forbid: []string{endpoint}})
				res, _ := w.Invoke(ctx, op.Name, json.RawMessage(op.Example))
				if want, ok := doWithout[op.Name+" "+endpoint]; ok && res.Outcome == want {
					continue
				}
				if res.Outcome != abi.Rejected || res.Error.Code != "forbidden" || res.Error.Upstream == nil || res.Error.Upstream.Code != "E0000006" {
					t.Errorf("without %s: %s %+v", endpoint, res.Outcome, res.Error)
				}
				if endpoint[:3] != "GET" && len(used) > 0 && w.org.Writes() > 0 && op.Name != "delete_user" && op.Name != "device_lifecycle_action" {
					t.Errorf("without %s something was written", endpoint)
				}
			}
		})
	}
	if tried < 70 {
		t.Errorf("%d endpoints were tried", tried)
	}
}
