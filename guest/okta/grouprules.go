package okta

import (
	"github.com/mach5/okta-connector/guest/connector"
	"strings"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/hostcall"
	"github.com/mach5/okta-connector/guest/jsonval"
)

var getGroupRules = abi.Endpoint{Endpoint: "GET /api/v1/groups/rules", Bucket: "/api/v1/groups", Scopes: readGroups}

// maxRulePages bounds the reading of group rules: 10 pages of 200.
const maxRulePages = 10

// groupRules reads the org's group rules. unread says why they, or the rest of them, could not be read; empty is all.
func groupRules(c *connector.Call) (rules []jsonval.Value, unread string) {
	rules, left, failed := c.Gather(connector.Gathering{Request: hostcall.Request{Endpoint: getGroupRules.Endpoint, Query: connector.Pairs("limit", "200")}, Size: 200, Most: maxRulePages, What: "group rules"})
	switch {
	case failed != nil:
		return rules, failed.Err.Message
	case left:
		return rules, "there are more than were read"
	}
	return rules, ""
}

// ruleEffects says what a change of a group does to group rules: those that says finds, in its words. Where the rules
// cannot be read, it says that.
func ruleEffects(c *connector.Call, what string, says func(rule jsonval.Value) string) (warnings []string) {
	rules, unread := groupRules(c)
	for _, r := range rules {
		if text := says(r); text != "" {
			warnings = append(warnings, text)
		}
	}
	if unread != "" {
		warnings = append(warnings, "it could not be checked whether a group rule "+what+": "+unread)
	}
	return warnings
}

// assigns reports whether a rule puts users into a group.
func assigns(rule jsonval.Value, group string) bool {
	for id := range rule.At("actions", "assignUserToGroups", "groupIds").Elements() {
		if id.Str() == group {
			return true
		}
	}
	return false
}

// ruleName names a rule for a person.
func ruleName(rule jsonval.Value) string {
	return "group rule " + jsonval.Quote(rule.Get("name").Str()) + " (" + rule.Get("id").Str() + ", " + rule.Get("status").Str() + ")"
}

// removalEffects says which rules a removed member is excluded from. Okta does so for good, and does not tell whether it was the
// rule that had put the user there: https://support.okta.com/help/s/article/How-to-Remove-a-User-From-a-Group-Rule-Exclusion-List
func removalEffects(c *connector.Call, group, user string) []string {
	return ruleEffects(c, "had put the user there", func(rule jsonval.Value) string {
		if !assigns(rule, group) || rule.Get("status").Str() != "ACTIVE" {
			return ""
		}
		for id := range rule.At("conditions", "people", "users", "exclude").Elements() {
			if id.Str() == user {
				return ""
			}
		}
		return ruleName(rule) + " adds users to this group: if it had put the user there, Okta excludes the user from the rule for good, so that it never adds the user again. " +
			"Only an administrator can take the user off the rule's exclusion list"
	})
}

// deletionEffects says what goes with a group: the applications that its members had through it, and the rules that become
// INVALID, which are those that add users to it, and those whose condition names it.
func deletionEffects(c *connector.Call, group string) []string {
	const applications = "its members lose the applications that they have through this group alone. Which ones was not looked up"
	return append([]string{applications}, ruleEffects(c, "uses the group", func(rule jsonval.Value) string {
		switch {
		case assigns(rule, group):
			return ruleName(rule) + " adds users to this group, and becomes INVALID without it: it then adds users to none of its groups"
		case strings.Contains(rule.Get("conditions").Raw(), jsonval.Quote(group)), strings.Contains(rule.At("conditions", "expression", "value").Str(), group):
			return ruleName(rule) + " names this group in its condition, and becomes INVALID without it"
		}
		return ""
	})...)
}

// renamingEffects says which rules name a group by its name in their condition.
func renamingEffects(c *connector.Call, name string) []string {
	return ruleEffects(c, "names the group", func(rule jsonval.Value) string {
		if strings.Contains(rule.At("conditions", "expression", "value").Str(), jsonval.Quote(name)) {
			return ruleName(rule) + " names " + jsonval.Quote(name) + " in its condition: where it means this group, it no longer finds the group's members"
		}
		return ""
	})
}
