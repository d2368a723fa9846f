//go:build long

package sdktest

import (
	"net/http"
	"slices"
	"testing"

	"github.com/okta/okta-sdk-golang/v6/okta"

	"github.com/mach5/okta-connector/guest/okta/oktatest"
)

func TestGroup_CreatedFilledRenamedDeleted_IsRead(t *testing.T) {
	server, client := start(t, oktatest.Config{Events: -1})
	ctx := t.Context()
	profile := okta.NewOktaUserGroupProfile()
	profile.SetName("Night Shift")
	body := okta.NewAddGroupRequest()
	body.SetProfile(*profile)
	group, _, err := client.GroupAPI.AddGroup(ctx).Group(*body).Execute()
	if err != nil {
		t.Fatal(err)
	}
	id, user := group.GetId(), server.UserIDs()[1]
	for range 2 {
		if _, err := client.GroupAPI.AssignUserToGroup(ctx, id, user).Execute(); err != nil {
			t.Error("add:", err)
		}
	}
	members, _, err := client.GroupAPI.ListGroupUsers(ctx, id).Execute()
	if err != nil || len(members) != 1 || members[0].GetId() != user {
		t.Errorf("members %v, %v", members, err)
	}
	profile.SetName("Late Shift")
	body.SetProfile(*profile)
	if _, _, err := client.GroupAPI.ReplaceGroup(ctx, id).Group(*body).Execute(); err != nil {
		t.Error("replace:", err)
	}
	if _, err := client.GroupAPI.UnassignUserFromGroup(ctx, id, user).Execute(); err != nil {
		t.Error("remove:", err)
	}
	if _, err := client.GroupAPI.DeleteGroup(ctx, id).Execute(); err != nil {
		t.Error("delete:", err)
	}
	if response, err := client.GroupAPI.DeleteGroup(ctx, id).Execute(); err == nil || response.StatusCode != http.StatusNotFound {
		t.Errorf("deleting again: %v", err)
	}
	if server.Effects() != 5 {
		t.Errorf("%d effects, want 5", server.Effects())
	}
}

func TestSessionsAndFactors_Removed_AreGone(t *testing.T) {
	server, client := start(t, oktatest.Config{Events: -1})
	ctx := t.Context()
	ada := server.UserIDs()[1]
	sessions := server.SignIns(ada).Sessions
	session, _, err := client.SessionAPI.GetSession(ctx, sessions[0]).Execute()
	if err != nil || session.GetUserId() != ada {
		t.Errorf("session %v, %v", session, err)
	}
	if _, err := client.SessionAPI.RevokeSession(ctx, sessions[0]).Execute(); err != nil {
		t.Error("revoke:", err)
	}
	if _, err := client.UserSessionsAPI.RevokeUserSessions(ctx, ada).OauthTokens(true).Execute(); err != nil {
		t.Error("revoke all:", err)
	}
	if left := server.SignIns(ada); len(left.Sessions) > 0 || left.OAuthTokens || left.RememberedDevices {
		t.Errorf("left: %+v", left)
	}

	factors, _, err := client.UserFactorAPI.ListFactors(ctx, ada).Execute()
	if err != nil {
		t.Fatal(err)
	}
	at := slices.IndexFunc(factors, func(f okta.ListFactors200ResponseInner) bool { return f.UserFactorPush != nil })
	if len(factors) != len(server.Factors(ada)) || at < 0 {
		t.Fatalf("%d factors, the push one is number %d", len(factors), at)
	}
	if _, err := client.UserFactorAPI.UnenrollFactor(ctx, ada, factors[at].UserFactorPush.GetId()).Execute(); err != nil {
		t.Error("unenroll:", err)
	}
	if left := len(server.Factors(ada)); left != len(factors)-2 {
		t.Errorf("%d factors left of %d, want two fewer", left, len(factors))
	}
}
