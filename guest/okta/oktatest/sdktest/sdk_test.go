//go:build long

package sdktest

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/okta/okta-sdk-golang/v6/okta"

	"github.com/mach5/okta-connector/guest/okta/oktatest"
)

func connect(t *testing.T, server *oktatest.Server) *okta.APIClient {
	t.Helper()
	address := strings.TrimPrefix(server.URL, "http://")
	transport := &http.Transport{ // the client drops the port of its URL
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, address)
		},
	}
	t.Cleanup(transport.CloseIdleConnections)
	cfg, err := okta.NewConfiguration(
		okta.WithOrgUrl(server.URL),
		okta.WithToken(server.Token()),
		okta.WithTestingDisableHttpsCheck(true),
		okta.WithCache(false),
		okta.WithHttpClientPtr(&http.Client{Transport: transport}),
		okta.WithRateLimitMaxRetries(0),
	)
	if err != nil {
		t.Fatal(err)
	}
	return okta.NewAPIClient(cfg)
}

func start(t *testing.T, cfg oktatest.Config) (*oktatest.Server, *okta.APIClient) {
	t.Helper()
	server := oktatest.New(cfg).Start()
	t.Cleanup(func() { server.Close() })
	return server, connect(t, server)
}

func TestUser_CreatedSuspendedDeactivated_HasEachStatus(t *testing.T) {
	server, client := start(t, oktatest.Config{Events: -1})
	ctx := t.Context()

	profile := okta.NewUserProfile()
	profile.SetLogin("mira.solano@example.com")
	profile.SetEmail("mira.solano@example.com")
	profile.SetFirstName("Mira")
	profile.SetLastName("Solano")
	password := okta.NewPasswordCredential()
	password.SetValue("Correct horse battery 9")
	credentials := okta.NewUserCredentialsWritable()
	credentials.SetPassword(*password)
	body := okta.NewCreateUserRequest(*profile)
	body.SetCredentials(*credentials)

	created, _, err := client.UserAPI.CreateUser(ctx).Body(*body).Activate(true).Execute()
	if err != nil {
		t.Fatal(err)
	}
	if created.GetStatus() != "ACTIVE" {
		t.Errorf("status %q, want ACTIVE", created.GetStatus())
	}
	if _, response, err := client.UserAPI.CreateUser(ctx).Body(*body).Execute(); err == nil || response.StatusCode != http.StatusBadRequest {
		t.Errorf("creating the same login again: %v", err)
	}

	read, _, err := client.UserAPI.GetUser(ctx, "mira.solano@example.com").Execute()
	if err != nil {
		t.Fatal(err)
	}
	if read.GetId() != created.GetId() {
		t.Errorf("read %q, created %q", read.GetId(), created.GetId())
	}

	id := created.GetId()
	if _, err := client.UserLifecycleAPI.SuspendUser(ctx, id).Execute(); err != nil {
		t.Error("suspend:", err)
	}
	if _, err := client.UserLifecycleAPI.UnsuspendUser(ctx, id).Execute(); err != nil {
		t.Error("unsuspend:", err)
	}
	if _, err := client.UserLifecycleAPI.DeactivateUser(ctx, id).Execute(); err != nil {
		t.Error("deactivate:", err)
	}
	if _, err := client.UserLifecycleAPI.DeactivateUser(ctx, id).Execute(); err == nil {
		t.Error("a second deactivate succeeded")
	}
	read, _, err = client.UserAPI.GetUser(ctx, id).Execute()
	if err != nil {
		t.Fatal(err)
	}
	if read.GetStatus() != "DEPROVISIONED" {
		t.Errorf("status %q, want DEPROVISIONED", read.GetStatus())
	}

	events, _, err := client.SystemLogAPI.ListLogEvents(ctx).Filter(fmt.Sprintf("target.id eq %q", id)).Execute()
	if err != nil {
		t.Fatal(err)
	}
	var kinds []string
	for _, e := range events {
		kinds = append(kinds, e.GetEventType())
	}
	want := "[user.lifecycle.create user.lifecycle.activate user.lifecycle.suspend user.lifecycle.unsuspend user.lifecycle.deactivate]"
	if got := fmt.Sprint(kinds); got != want {
		t.Errorf("events\n got %s\nwant %s", got, want)
	}
	if server.Effects() != 4 {
		t.Errorf("%d effects, want 4", server.Effects())
	}
}

func TestUsers_ListedInPages_AreComplete(t *testing.T) {
	server, client := start(t, oktatest.Config{Users: 120})
	users, response, err := client.UserAPI.ListUsers(t.Context()).Search("status pr").Limit(50).Execute()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for pages := 1; ; pages++ {
		for _, u := range users {
			seen[u.GetId()] = true
		}
		if !response.HasNextPage() {
			if pages != 3 {
				t.Errorf("%d pages, want 3", pages)
			}
			break
		}
		users = nil
		if response, err = response.Next(&users); err != nil {
			t.Fatal(err)
		}
	}
	for _, id := range server.UserIDs() {
		if !seen[id] {
			t.Errorf("user %s was not listed", id)
		}
	}
}

func TestGroupsAndRoles_Listed_AreRead(t *testing.T) {
	server, client := start(t, oktatest.Config{})
	groups, _, err := client.GroupAPI.ListGroups(t.Context()).Execute()
	if err != nil {
		t.Fatal(err)
	}
	if len(groups) != len(server.Groups()) {
		t.Errorf("%d groups, want %d", len(groups), len(server.Groups()))
	}
	roles, _, err := client.RoleAssignmentAUserAPI.ListAssignedRolesForUser(t.Context(), server.UserIDs()[0]).Execute()
	if err != nil {
		t.Fatal(err)
	}
	if len(roles) != 1 {
		t.Errorf("%d roles of the token's owner, want 1", len(roles))
	}
}
