//go:build long

package sdktest

import (
	"strings"
	"testing"

	"github.com/okta/okta-sdk-golang/v6/okta"
	"github.com/tidwall/gjson"

	"github.com/mach5/okta-connector/guest/okta/oktatest"
)

func TestApplication_AssignedToUserAndGroup_IsRead(t *testing.T) {
	server, client := start(t, oktatest.Config{Events: -1})
	ctx := t.Context()
	apps, _, err := client.ApplicationAPI.ListApplications(ctx).Limit(10).Execute()
	if err != nil || len(apps) != len(server.Applications()) || apps[0].BookmarkApplication == nil {
		t.Fatalf("%d applications, %v", len(apps), err)
	}
	app := apps[2].BasicAuthApplication.GetId() // an active application: Okta assigns groups only to those
	if one, _, err := client.ApplicationAPI.GetApplication(ctx, app).Execute(); err != nil || one.BasicAuthApplication.GetLabel() != "Printer" {
		t.Errorf("%+v %v", one, err)
	}
	ada := server.UserIDs()[1]
	body := okta.NewAppUserAssignRequest()
	body.SetId(ada)
	body.SetScope("USER")
	assigned, _, err := client.ApplicationUsersAPI.AssignUserToApplication(ctx, app).AppUser(*body).Execute()
	if err != nil || assigned.GetScope() != "USER" {
		t.Fatalf("%+v %v", assigned, err)
	}
	users, _, err := client.ApplicationUsersAPI.ListApplicationUsers(ctx, app).Execute()
	if err != nil || len(users) != 1 || users[0].GetId() != ada {
		t.Errorf("%d users, %v", len(users), err)
	}

	group := gjson.GetBytes(server.Groups()[2], "id").Str
	member := server.Members(group)[1]
	if member == ada {
		t.Fatal("Ada has the application directly")
	}
	assignment := okta.NewApplicationGroupAssignment()
	assignment.SetPriority(3)
	given, _, err := client.ApplicationGroupsAPI.AssignGroupToApplication(ctx, app, group).ApplicationGroupAssignment(*assignment).Execute()
	if err != nil || given.GetPriority() != 3 {
		t.Errorf("%+v %v", given, err)
	}
	through, _, err := client.ApplicationUsersAPI.GetApplicationUser(ctx, app, member).Execute()
	if err != nil || through.GetScope() != "GROUP" {
		t.Errorf("%+v %v", through, err)
	}
	_, err = client.ApplicationUsersAPI.UnassignUserFromApplication(ctx, app, member).Execute()
	refused(t, "removing an application that comes through a group", err, "E0000046")
	if _, err := client.ApplicationGroupsAPI.UnassignApplicationFromGroup(ctx, app, group).Execute(); err != nil {
		t.Error("unassign group:", err)
	}
	if _, err := client.ApplicationUsersAPI.UnassignUserFromApplication(ctx, app, ada).Execute(); err != nil {
		t.Error("unassign user:", err)
	}
	_, err = client.ApplicationUsersAPI.UnassignUserFromApplication(ctx, app, ada).Execute()
	refused(t, "a second time", err, "E0000007")
	if server.Effects() != 4 {
		t.Errorf("%d effects, want 4", server.Effects())
	}
}

func TestPolicy_Replaced_IsRead(t *testing.T) {
	server, client := start(t, oktatest.Config{Events: -1})
	ctx := t.Context()
	policies, _, err := client.PolicyAPI.ListPolicies(ctx).Type_("PASSWORD").Execute()
	if err != nil || len(policies) != 1 || policies[0].PasswordPolicy == nil {
		t.Fatalf("%d policies, %v", len(policies), err)
	}
	// This client cannot read its rules: it requires a member that rules for all groups do not have.
	have := policies[0].PasswordPolicy
	policy := okta.NewPasswordPolicy(have.GetName(), have.GetType()) // the client would send read-only members
	policy.SetConditions(have.GetConditions())
	policy.SetSettings(have.GetSettings())
	policy.SetDescription("Reviewed")
	replaced, _, err := client.PolicyAPI.ReplacePolicy(ctx, have.GetId()).Policy(okta.CreatePolicyRequest{PasswordPolicy: policy}).Execute()
	if err != nil || replaced.PasswordPolicy.GetDescription() != "Reviewed" {
		t.Fatalf("%+v %v", replaced, err)
	}
	if server.Effects() != 1 {
		t.Errorf("%d effects, want 1", server.Effects())
	}
}

func TestZone_AddressAdded_IsRead(t *testing.T) {
	server, client := start(t, oktatest.Config{Events: -1})
	ctx := t.Context()
	zones, _, err := client.NetworkZoneAPI.ListNetworkZones(ctx).Filter(`usage eq "BLOCKLIST"`).Execute()
	if err != nil || len(zones) != 2 || zones[0].IPNetworkZone == nil || zones[1].DynamicNetworkZone == nil {
		t.Fatalf("%d zones, %v", len(zones), err)
	}
	have := zones[0].IPNetworkZone
	zone := okta.NewIPNetworkZone(have.GetName(), have.GetType())
	zone.SetUsage(have.GetUsage())
	zone.SetSystem(have.GetSystem()) // BlockedIpZone needs it: okta/terraform-provider-okta#2690
	address := okta.NewNetworkZoneAddress()
	address.SetType("RANGE")
	address.SetValue("192.0.2.7")
	zone.SetGateways([]okta.NetworkZoneAddress{*address})
	replaced, _, err := client.NetworkZoneAPI.ReplaceNetworkZone(ctx, have.GetId()).Zone(okta.ListNetworkZones200ResponseInner{IPNetworkZone: zone}).Execute()
	if err != nil {
		t.Fatal(err)
	}
	if got := replaced.IPNetworkZone.GetGateways(); len(got) != 1 || !strings.HasPrefix(got[0].GetValue(), "192.0.2.7-") {
		t.Errorf("gateways %v", got)
	}
	if read, _, err := client.NetworkZoneAPI.GetNetworkZone(ctx, have.GetId()).Execute(); err != nil || len(read.IPNetworkZone.GetGateways()) != 1 {
		t.Errorf("%+v %v", read, err)
	}
	if server.Effects() != 1 {
		t.Errorf("%d effects, want 1", server.Effects())
	}
}
