package okta

import (
	"strconv"
	"strings"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/connector"
	"github.com/mach5/okta-connector/guest/hostcall"
	"github.com/mach5/okta-connector/guest/jsonval"
)

var (
	getGroupRules       = abi.Endpoint{Endpoint: "GET /api/v1/groups/rules", Bucket: "/api/v1/groups", Scopes: readGroups, Query: []string{"limit", "after", "search", "expand"}}
	getGroupRule        = abi.Endpoint{Endpoint: "GET /api/v1/groups/rules/{groupRuleId}", Bucket: "/api/v1/groups", Scopes: readGroups}
	activateGroupRule   = abi.Endpoint{Endpoint: "POST /api/v1/groups/rules/{groupRuleId}/lifecycle/activate", Bucket: "/api/v1/groups", Scopes: manageGroups}
	deactivateGroupRule = abi.Endpoint{Endpoint: "POST /api/v1/groups/rules/{groupRuleId}/lifecycle/deactivate", Bucket: "/api/v1/groups", Scopes: manageGroups}
)

var groupRuleOperations = []connector.Operation{
	{
		Name:        "list_group_rules",
		Addition:    true,
		Summary:     "Lists the rules that add users to groups by their attributes.",
		Class:       abi.Read,
		Surfaces:    axonSQL,
		Idempotency: abi.Safe,
		Inputs: []connector.Input{
			connector.TextInput("search", "255", "keyword in a rule"),
			{"expand", false, `{"enum":["groupIdToGroupNameMap"],"description":"adds the names of the groups"}`},
			connector.LimitInput, pageSize200, connector.CursorInput,
		},
		Example:   `{"expand":"groupIdToGroupNameMap"}`,
		Key:       "id",
		Columns:   groupRuleColumns,
		Display:   "name status expression group_ids last_updated id",
		Endpoints: []*abi.Endpoint{&getGroupRules},
		List: &connector.List{Endpoint: getGroupRules.Endpoint, Query: []connector.Param{{"search", "search"}, {"expand", "expand"}},
			Keep: []connector.Param{{"expand", "expand"}}, MaxPage: 200},
	},
	{
		Name: "group_rule_lifecycle_action",
		Summary: "Activates or deactivates a group rule. A rule that has the status is unchanged. An active rule adds all users that " +
			"match it to its groups, and so gives them what the groups give.",
		Addition:    true,
		Class:       abi.Destructive,
		Rules:       []abi.ClassRule{{Field: "action", Equals: "activate", Class: abi.Privileged}},
		Surfaces:    axon,
		Idempotency: abi.Verified,
		Inputs:      []connector.Input{connector.IDInput("rule", "the group rule's id"), switchInput},
		Example:     `{"rule":"0pruFrqpz0KnxJdVcwkO","action":"deactivate"}`,
		Key:         "id",
		Rejects:     "status",
		Endpoints:   []*abi.Endpoint{&getGroupRule, connector.WithClass(abi.Privileged, &activateGroupRule), connector.WithClass(abi.Destructive, &deactivateGroupRule)},
		Do: func(c *connector.Call) connector.Result {
			return switchObject(c, &wholeGroupRule, connector.Pairs("groupRuleId", c.Str("rule")), func(before jsonval.Value) *connector.Result {
				if before.Get("status").Str() != "INVALID" { // https://github.com/okta/terraform-provider-okta/pull/250
					return nil
				}
				r := connector.Refuse("status", "the rule is INVALID, because one of its groups was deleted: Okta can only delete it")
				return &r
			})
		},
	},
}

var groupRuleColumns = []connector.Column{
	{"id", abi.Varchar, "id", "the rule's id"},
	{"name", abi.Varchar, "name", ""},
	{"status", abi.Varchar, "status", "ACTIVE, INACTIVE, or INVALID after one of its groups was deleted"},
	{"type", abi.Varchar, "type", "group_rule"},
	{"expression", abi.Varchar, "conditions.expression.value", "which users it adds, in Okta's expression language"},
	{"group_ids", abi.JSON, "actions.assignUserToGroups.groupIds", "the groups that it adds users to"},
	{"excluded_users", abi.JSON, "conditions.people.users.exclude", "ids of users that it never adds"},
	{"excluded_groups", abi.JSON, "conditions.people.groups.exclude", ""},
	{"all_groups_valid", abi.Boolean, "allGroupsValid", "all of its groups exist"},
	{"created", abi.TimestampTZ, "created", ""},
	{"last_updated", abi.TimestampTZ, "lastUpdated", ""},
	{"conditions", abi.JSON, "conditions", ""},
	{"actions", abi.JSON, "actions", ""},
	{"embedded", abi.JSON, "_embedded", "names of the groups, with expand"},
}

// maxRulePages is how many pages of 200 group rules are read at most.
const maxRulePages = 10

// groupRules reads the org's group rules. unread says why some or all could not be read; empty if all were read.
func groupRules(c *connector.Call) (rules []jsonval.Value, unread string) {
	rules, left, failed := c.Gather(connector.Gathering{Request: hostcall.Request{Endpoint: getGroupRules.Endpoint, Query: connector.Pairs("limit", "200")}, Size: 200, Most: maxRulePages, What: "group rules"})
	switch {
	case failed != nil:
		return rules, failed.Err.Message
	case left:
		return rules, "the org has more than the " + strconv.Itoa(maxRulePages*200) + " rules that are read"
	}
	return rules, ""
}

// ruleEffects warns about the group rules that a change of a group affects. effect returns the warning for a rule, or an
// empty string. If the rules cannot be read, a warning says that.
func ruleEffects(c *connector.Call, what string, effect func(rule jsonval.Value) string) (warnings []string) {
	rules, unread := groupRules(c)
	for _, r := range rules {
		if text := effect(r); text != "" {
			warnings = append(warnings, text)
		}
	}
	if unread != "" {
		warnings = append(warnings, "could not check whether a group rule "+what+": "+unread)
	}
	return warnings
}

// assigns reports whether a rule adds users to a group.
func assigns(rule jsonval.Value, group string) bool {
	for id := range rule.At("actions", "assignUserToGroups", "groupIds").Elements() {
		if id.Str() == group {
			return true
		}
	}
	return false
}

// ruleName names a rule for messages.
func ruleName(rule jsonval.Value) string {
	return "group rule " + jsonval.Quote(rule.Get("name").Str()) + " (" + rule.Get("id").Str() + ", " + rule.Get("status").Str() + ")"
}

// removalEffects warns about rules that a removed member may be excluded from. Okta permanently excludes a member whom the
// rule had added, and does not say whether the rule had added the member:
// https://support.okta.com/help/s/article/How-to-Remove-a-User-From-a-Group-Rule-Exclusion-List
func removalEffects(c *connector.Call, group, user string) []string {
	return ruleEffects(c, "had added the user", func(rule jsonval.Value) string {
		if !assigns(rule, group) || rule.Get("status").Str() != "ACTIVE" {
			return ""
		}
		for id := range rule.At("conditions", "people", "users", "exclude").Elements() {
			if id.Str() == user {
				return ""
			}
		}
		return ruleName(rule) + " adds users to this group. If it had added this user, Okta now excludes the user from the rule, and the rule never adds the user again. " +
			"Only an administrator can remove the user from the rule's exclusion list"
	})
}

// deletionEffects warns about what is lost with a group: applications that its members had through it, and rules that
// become INVALID. Those are rules that add users to the group, or name it in their condition.
func deletionEffects(c *connector.Call, group string) []string {
	const applications = "members lose the applications that they have through this group only. Which ones was not checked"
	return append([]string{applications}, ruleEffects(c, "uses the group", func(rule jsonval.Value) string {
		switch {
		case assigns(rule, group):
			return ruleName(rule) + " adds users to this group and becomes INVALID without it: it no longer adds users to any of its groups"
		case strings.Contains(rule.Get("conditions").Raw(), jsonval.Quote(group)), strings.Contains(rule.At("conditions", "expression", "value").Str(), group):
			return ruleName(rule) + " names this group in its condition and becomes INVALID without it"
		}
		return ""
	})...)
}

// renamingEffects warns about rules whose condition contains the group's name.
func renamingEffects(c *connector.Call, name string) []string {
	return ruleEffects(c, "names the group", func(rule jsonval.Value) string {
		if strings.Contains(rule.At("conditions", "expression", "value").Str(), jsonval.Quote(name)) {
			return ruleName(rule) + " names " + jsonval.Quote(name) + " in its condition: if it means this group, it no longer matches the group's members"
		}
		return ""
	})
}
