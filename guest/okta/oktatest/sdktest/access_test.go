//go:build long

package sdktest

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/okta/okta-sdk-golang/v6/okta"
	"github.com/tidwall/gjson"

	"github.com/mach5/okta-connector/guest/okta/oktatest"
)

// refused checks that Okta's client reports a refusal with a status and an error code.
func refused(t *testing.T, what string, err error, code string) {
	t.Helper()
	var refusal *okta.GenericOpenAPIError
	if !errors.As(err, &refusal) || !strings.Contains(string(refusal.Body()), `"`+code+`"`) {
		t.Errorf("%s: %v, want %s", what, err, code)
	}
}

func TestDevice_SuspendedDeactivatedDeleted_HasEachStatus(t *testing.T) {
	server, client := start(t, oktatest.Config{Events: -1})
	ctx := t.Context()
	devices, response, err := client.DeviceAPI.ListDevices(ctx).Search(`status eq "ACTIVE"`).Limit(2).Expand("userSummary").Execute()
	if err != nil {
		t.Fatal(err)
	}
	if len(devices) != 2 || !response.HasNextPage() {
		t.Errorf("%d devices, next page: %v; want 2 and one", len(devices), response.HasNextPage())
	}
	id := devices[0].GetId()
	if _, err := client.DeviceAPI.SuspendDevice(ctx, id).Execute(); err != nil {
		t.Error("suspend:", err)
	}
	_, err = client.DeviceAPI.SuspendDevice(ctx, id).Execute()
	refused(t, "a second suspend", err, "E0000001")
	_, err = client.DeviceAPI.DeleteDevice(ctx, id).Execute()
	refused(t, "deleting a suspended device", err, "E0000001")
	if _, err := client.DeviceAPI.DeactivateDevice(ctx, id).Execute(); err != nil {
		t.Error("deactivate:", err)
	}
	read, _, err := client.DeviceAPI.GetDevice(ctx, id).Execute()
	if err != nil {
		t.Fatal(err)
	}
	if read.GetStatus() != "DEACTIVATED" {
		t.Errorf("status %q, want DEACTIVATED", read.GetStatus())
	}
	if _, err := client.DeviceAPI.DeleteDevice(ctx, id).Execute(); err != nil {
		t.Error("delete:", err)
	}
	_, _, err = client.DeviceAPI.GetDevice(ctx, id).Execute()
	refused(t, "reading a deleted device", err, "E0000007")
	owned, _, err := client.UserResourcesAPI.ListUserDevices(ctx, server.UserIDs()[1]).Execute()
	if err != nil {
		t.Fatal(err)
	}
	if len(owned) != 1 {
		t.Errorf("%d devices of Ada, want the other one", len(owned))
	}
	if server.Effects() != 3 {
		t.Errorf("%d effects, want 3", server.Effects())
	}
}

func TestAuthorizationServers_Listed_AreRead(t *testing.T) {
	server, client := start(t, oktatest.Config{})
	ctx := t.Context()
	servers, _, err := client.AuthorizationServerAPI.ListAuthorizationServers(ctx).Execute()
	if err != nil {
		t.Fatal(err)
	}
	if len(servers) != len(server.AuthorizationServers()) {
		t.Errorf("%d authorization servers, want %d", len(servers), len(server.AuthorizationServers()))
	}
	scopes, _, err := client.AuthorizationServerScopesAPI.ListOAuth2Scopes(ctx, "default").Execute()
	if err != nil {
		t.Fatal(err)
	}
	claims, _, err := client.AuthorizationServerClaimsAPI.ListOAuth2Claims(ctx, "default").Execute()
	if err != nil {
		t.Fatal(err)
	}
	clients, _, err := client.AuthorizationServerClientsAPI.ListOAuth2ClientsForAuthorizationServer(ctx, "default").Execute()
	if err != nil {
		t.Fatal(err)
	}
	if len(scopes) != 8 || len(claims) != 6 || len(clients) != 3 {
		t.Errorf("%d scopes, %d claims, %d clients", len(scopes), len(claims), len(clients))
	}
}

func TestAuthenticators_OfAClassicOrg_AreRefused(t *testing.T) {
	_, client := start(t, oktatest.Config{Engine: "v1"})
	_, response, err := client.AuthenticatorAPI.ListAuthenticators(t.Context()).Execute()
	refused(t, "authenticators", err, "E0000015")
	if response == nil || response.StatusCode != http.StatusUnauthorized {
		t.Errorf("answer %v, want 401", response)
	}
}

func TestRoles_AssignedAndRevoked_AreRead(t *testing.T) {
	server, client := start(t, oktatest.Config{})
	ctx := t.Context()
	custom, _, err := client.RoleECustomAPI.ListRoles(ctx).Execute()
	if err != nil {
		t.Fatal(err)
	}
	ids, _ := server.CustomRoles()
	if got := custom.GetRoles(); len(got) != 2 || got[0].GetId() != ids[0] {
		t.Errorf("custom roles %v, want %v", got, ids)
	}
	role, _, err := client.RoleECustomAPI.GetRole(ctx, "Password Desk").Execute()
	if err != nil {
		t.Fatal(err)
	}
	if role.GetId() != ids[0] {
		t.Errorf("the role with its label is %s, want %s", role.GetId(), ids[0])
	}

	group := gjson.GetBytes(server.Groups()[4], "id").Str
	held := func() string { return fmt.Sprintf("%s", server.AssignedRoles(group)) }
	body := okta.AssignRoleToGroupRequest{StandardRoleAssignmentSchema: okta.NewStandardRoleAssignmentSchema("APP_ADMIN")}
	if _, _, err := client.RoleAssignmentBGroupAPI.AssignRoleToGroup(ctx, group).AssignRoleRequest(body).Execute(); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(held(), "IFIFAX2BIRGUSTQ") {
		t.Errorf("the group has the roles %s", held())
	}
	if _, err := client.RoleAssignmentBGroupAPI.UnassignRoleFromGroup(ctx, group, "IFIFAX2BIRGUSTQ").Execute(); err != nil {
		t.Error("revoke:", err)
	}
	_, err = client.RoleAssignmentBGroupAPI.UnassignRoleFromGroup(ctx, group, "IFIFAX2BIRGUSTQ").Execute()
	refused(t, "a second revocation", err, "E0000007")
	if held() != "[]" {
		t.Errorf("the group has the roles %s", held())
	}
}

func TestAuthenticators_Listed_AreRead(t *testing.T) {
	server, client := start(t, oktatest.Config{})
	authenticators, _, err := client.AuthenticatorAPI.ListAuthenticators(t.Context()).Execute()
	if err != nil {
		t.Fatal(err)
	}
	if len(authenticators) != len(server.Authenticators()) {
		t.Errorf("%d authenticators, want %d", len(authenticators), len(server.Authenticators()))
	}
}
