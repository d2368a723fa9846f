package okta

import (
	"path"
	"slices"
	"strings"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/connector"
	"github.com/mach5/okta-connector/guest/hostcall"
	"github.com/mach5/okta-connector/guest/jsonval"
)

var roleTargetOperations = []connector.Operation{
	{
		Name:     "add_role_target",
		Addition: true,
		Summary: "Adds a group or application to those that a role of a user, group or client is for. The first target limits a role that was for all. " +
			"An existing target is unchanged.",
		Class:       abi.Privileged,
		Surfaces:    axon,
		Idempotency: abi.Verified,
		Inputs:      roleTargetInputs,
		Require:     roleTargetRequire,
		Example:     `{"group":"00gywNmfSjI0s5CWcwkO","role":"HELP_DESK_ADMIN","target_group":"00gAZhiZ2jWHoHFtcwkO"}`,
		Rejects:     "own_account role_type short_name through_group too_many",
		Endpoints:   append(targetChanges("PUT"), &getApp),
		Do:          func(c *connector.Call) connector.Result { return setRoleTarget(c, true) },
	},
	{
		Name:     "remove_role_target",
		Addition: true,
		Summary: "Removes a group or application from those that a role of a user, group or client is for. A missing target is unchanged. " +
			"The last one cannot be removed: without targets, a role is for all.",
		Class:       abi.Privileged,
		Surfaces:    axon,
		Idempotency: abi.Verified,
		Inputs:      roleTargetInputs,
		Require:     roleTargetRequire,
		Example:     `{"group":"00gywNmfSjI0s5CWcwkO","role":"HELP_DESK_ADMIN","target_group":"00gLFTnJJZSd570BcwkO"}`,
		Rejects:     "last_target own_account role_type short_name through_group too_many",
		Endpoints:   targetChanges("DELETE"),
		Do:          func(c *connector.Call) connector.Result { return setRoleTarget(c, false) },
	},
}

// roleTargetInputs name a group by id: its name could mean another group if a run settles an earlier one, whose write
// names two groups.
var roleTargetInputs = []connector.Input{
	roleTarget, {"group", false, connector.IDSchema("64", "id of the group that has the role")}, roleClient,
	{"role", true, `{"type":"string","minLength":1,"maxLength":64,"pattern":"^[A-Za-z0-9_]+$","description":"id of the role assignment, or its type, such as HELP_DESK_ADMIN"}`},
	{"target_group", false, `{"type":"string","pattern":"^00g[A-Za-z0-9]{17}$","description":"id of a group to administer, such as 00gAZhiZ2jWHoHFtcwkO; lookup_group finds it by name"}`},
	{"target_application", false, `{"type":"string","pattern":"^0oa[A-Za-z0-9]{17}$","description":"id of an application to administer; lookup_application finds it by label"}`},
}

const roleTargetRequire = `"description":"give exactly one of user, group and client, and either target_group or target_application","allOf":[` + oneOfPrincipals +
	`,{"oneOf":[{"required":["target_group"]},{"required":["target_application"]}]}]`

// targetChanges returns the endpoints that a change of targets uses: the reads, and those with the method.
func targetChanges(method string) []*abi.Endpoint {
	all := []*abi.Endpoint{&getUser, &getUsers, &getGroup, &getMe, &getUserGroups, &getUserRoles, &getGroupRoles, &getClientRoles,
		&getUserGroupTargets, &getUserAppTargets, &getGroupGroupTargets, &getGroupAppTargets, &getClientGroupTargets, &getClientAppTargets}
	for _, role := range [...]*abi.Endpoint{&deleteUserRole, &deleteGroupRole, &deleteClientRole} {
		group := "/targets/groups/{groupId}"
		if role == &deleteGroupRole {
			group = "/targets/groups/{targetGroupId}"
		}
		for _, target := range [...]string{group, "/targets/catalog/apps/{appName}/{appId}"} {
			all = append(all, &abi.Endpoint{Endpoint: method + " " + role.Template() + target, Bucket: role.Bucket, Scopes: role.Scopes})
		}
	}
	return all
}

// roleWithTargets is a role of a principal and the targets that it has.
type roleWithTargets struct {
	principal
	role    jsonval.Value
	kind    string // "targets/groups" or "targets/catalog/apps"
	targets []jsonval.Value
}

// findRoleWithTargets finds the role that the input names, and reads its targets.
func findRoleWithTargets(c *connector.Call) (r roleWithTargets, failed *connector.Result) {
	refuse := func(refused connector.Result) (roleWithTargets, *connector.Result) { return r, &refused }
	if id := c.Input.Get("group").Str(); id != "" {
		r.principal = groupPrincipal(id)
	} else if r.principal, failed = findPrincipal(c); failed != nil {
		return r, failed
	}
	roles, failed := assignments(c, r.principal)
	if failed != nil {
		return r, failed
	}
	found := false
	r.role, found = assignedRole(roles, r.principal, c.Str("role"))
	r.kind = "targets/groups"
	if c.Str("target_application") != "" {
		r.kind = "targets/catalog/apps"
	}
	typ, by := r.role.Get("type").Str(), r.role.Get("assignmentType").Str()
	switch {
	case !found:
		return refuse(connector.Fail(abi.NotFound, string(abi.NotFound), "the "+r.noun+" has no role "+jsonval.Quote(c.Str("role"))+": list_roles has the roles and their ids"))
	case by != "" && by != r.direct:
		return refuse(connector.Refuse("through_group", "the user has the role "+typ+" through "+groupOf(r.role)+": change the group's role instead"))
	case targetsOf(typ) != r.kind:
		return refuse(connector.Refuse("role_type", "a role of type "+typ+" has no targets among "+path.Base(r.kind)+
			": APP_ADMIN has applications, and USER_ADMIN, HELP_DESK_ADMIN and GROUP_MEMBERSHIP_ADMIN have groups"))
	}
	r.targets, failed = r.read(c)
	return r, failed
}

// read returns the targets of the role; none if it is for all.
func (r *roleWithTargets) read(c *connector.Call) ([]jsonval.Value, *connector.Result) {
	all, left, failed := c.Gather(connector.Gathering{Request: hostcall.Request{Endpoint: r.get + "/" + r.kind, Path: r.assignmentPath(r.role.Get("id").Str()), Query: connector.Pairs("limit", "200")},
		Size: 200, Most: connector.MaxPages, What: "targets", Type: "RoleAssignment", Noun: "role assignment"})
	if left {
		refused := connector.Refuse("too_many", "the role has more targets than this operation reads: change them in Okta")
		return nil, &refused
	}
	return all, failed
}

// request returns the request that adds or removes a target. Okta names an application by its name in the catalogue too.
func (r *roleWithTargets) request(c *connector.Call, want bool, id string) (hostcall.Request, *connector.Result) {
	method, role := "DELETE", r.assignmentPath(r.role.Get("id").Str())
	if want {
		method = "PUT"
	}
	endpoint := method + strings.TrimPrefix(r.get, "GET") + "/" + r.kind
	if r.kind == "targets/groups" {
		blank := "groupId"
		if r.blank == blank {
			blank = "targetGroupId"
		}
		return hostcall.Request{Endpoint: endpoint + "/{" + blank + "}", Path: append(role, hostcall.Pair{Name: blank, Value: id})}, nil
	}
	var app connector.Object
	if at := indexByID(r.targets, id); at >= 0 {
		app.Value = r.targets[at]
	} else {
		var failed *connector.Result
		if app, failed = c.ReadObject(hostcall.Request{Endpoint: getApp.Endpoint, Path: connector.Pairs("appId", id)}, "AppInstance", "application"); failed != nil {
			return hostcall.Request{}, failed
		}
	}
	return hostcall.Request{Endpoint: endpoint + "/{appName}/{appId}", Path: append(role, connector.Pairs("appName", app.Get("name").Str(), "appId", id)...)}, nil
}

// indexByID returns the index of the object of an id; -1 if there is none.
func indexByID(all []jsonval.Value, id string) int {
	return slices.IndexFunc(all, func(v jsonval.Value) bool { return v.Get("id").Str() == id })
}

func setRoleTarget(c *connector.Call, want bool) connector.Result {
	r, failed := findRoleWithTargets(c)
	if failed != nil {
		return *failed
	}
	id, every := c.Input.Get("target_group").Str()+c.Input.Get("target_application").Str(), path.Base(r.kind)
	output := func(n int, is bool) string {
		var w jsonval.Writer
		w.Str(r.noun, r.id).Str("role_assignment", r.role.Get("id").Str()).Str("type", r.role.Get("type").Str()).Str("target", id)
		return w.Bool("is_target", is).Bool("limited", n > 0).String()
	}
	unlimited := len(r.targets) == 0
	if has := indexByID(r.targets, id) >= 0; has == want {
		done := connector.Result{Outcome: abi.Unchanged, Output: output(len(r.targets), has)}
		if unlimited {
			done.Warnings = []string{"the role has no targets: it is for all " + every + ", also this one"}
		}
		return done
	}
	req, failed := r.request(c, want, id)
	if failed != nil {
		return *failed
	}
	if !want && len(r.targets) == 1 {
		refused := connector.Refuse("last_target", "Okta does not remove a role's last target, because the role would then be for all "+every+": add another target first, or run revoke_role")
		return *refused.Withholding(req.Endpoint, req.Path)
	}
	var effects []string
	if !want || unlimited {
		if refused := checkOwnRole(c, r.principal, r.role, "limiting", "a part of it").Withholding(req.Endpoint, req.Path); refused != nil {
			return *refused
		}
	}
	if want && unlimited {
		effects = []string{"the role was for all " + every + ", and is now for this one only"}
	}
	look := func() (connector.Reading, connector.Result) {
		now, failed := r.read(c)
		switch {
		case failed != nil:
			return connector.Unclear, connector.Result{}
		case (indexByID(now, id) >= 0) == want:
			return connector.Holds, connector.Result{Output: output(len(now), want)}
		}
		return connector.Absent, connector.Result{}
	}
	what, undone := "adding target "+id+" to a role of "+r.noun+" "+r.id, "the target was not added"
	if !want {
		what, undone = "removing target "+id+" from a role of "+r.noun+" "+r.id, "the target was not removed"
	}
	return c.ChangePatiently(connector.Change{
		Request: req, Type: "RoleAssignment", Noun: "role assignment",
		What:    what,
		Undone:  undone,
		Effects: effects,
		Once:    want && !unlimited, // it gives power
		Done: func(hostcall.Response) connector.Result {
			return c.ReadBack(look, what, connector.LaggingTime, output(1, want))
		},
		Refused: func(refused connector.Result) connector.Result {
			if is, now := look(); refused.Err.Upstream != nil && refused.Err.Upstream.Status == 404 && is == connector.Holds && !want { // another client has removed it
				return connector.Result{Outcome: abi.Unchanged, Output: now.Output}
			}
			return refused
		},
		Look: look,
	})
}
