package okta

import (
	"github.com/mach5/okta-connector/guest/connector/replace"
	"github.com/mach5/okta-connector/guest/jsonval"
)

// Endpoints that replace an object as a whole. Okta's OpenAPI document declares some members read-only; the others come
// from recordings and reports.
var (
	wholePolicy = replace.Whole{
		Get: getPolicy.Endpoint, Put: putPolicy.Endpoint, Noun: "policy", Type: "Policy",
		Own:    []string{"id", "created", "lastUpdated", "system", "_links", "_embedded"},
		Kept:   []string{"type"},
		IfTrue: []string{"system"},
		// A PUT ignores status (okta/terraform-provider-okta, fixture TestAccResourceOktaPolicyPassword_crud).
		Switches: &replace.Switches{Activate: &activatePolicy, Deactivate: &deactivatePolicy},
	}
	wholePolicyRule = replace.Whole{
		Get: getPolicyRule.Endpoint, Noun: "policy rule", Type: "PolicyRule",
		Switches: &replace.Switches{Activate: &activatePolicyRule, Deactivate: &deactivatePolicyRule},
	}
	wholeGroupRule = replace.Whole{
		Get: getGroupRule.Endpoint, Noun: "group rule", Type: "GroupRule",
		Switches: &replace.Switches{Activate: &activateGroupRule, Deactivate: &deactivateGroupRule,
			Off: func(jsonval.Value) []string {
				return []string{"users whom the rule had added stay in its groups, also those to whom it no longer applies"}
			}},
	}
	wholeZone = replace.Whole{
		Get: getZone.Endpoint, Put: putZone.Endpoint, Noun: "network zone", Type: "NetworkZone",
		Own: []string{"id", "created", "lastUpdated", "useAsBlackList", "_links", "_embedded"},
		// A PUT of BlockedIpZone needs system: true (okta/terraform-provider-okta#2690), one of DefaultExemptIpZone
		// needs useAsExemptList: true.
		Kept:     []string{"type", "system", "useAsExemptList"},
		Open:     []string{"useAsExemptList", "useAsBlackList"}, // may be given with their current value, see zoneChange.merge
		IfTrue:   []string{"system"},
		Switches: &replace.Switches{Activate: &activateZone, Deactivate: &deactivateZone, Off: zoneOff},
	}
	wholeGroup = replace.Whole{
		Get: getGroup.Endpoint, Put: putGroup.Endpoint, Noun: "group", Type: "UserGroup",
		Only: []string{"profile"},
	}
	wholeUser = replace.Whole{
		Get: getUser.Endpoint, Put: replaceUser.Endpoint, Noun: "user", Type: "User",
		Only: []string{"profile", "credentials", "type", "realmId"},
		Elsewhere: map[string]string{"credentials.provider": "an update cannot change who checks a user's password. Set Delegated Authentication in Okta. " +
			"To make an existing user a federated one, call POST /api/v1/users/{id}/lifecycle/reset_password with provider=FEDERATION"},
	}
	wholeAppGroup = replace.Whole{
		Get: getAppGroup.Endpoint, Put: putAppGroup.Endpoint, Noun: "application", Type: "AppInstance",
		Only: []string{"priority", "profile"},
	}
)

// zoneOff says what a network zone does while it is INACTIVE.
func zoneOff(before jsonval.Value) []string {
	if before.Get("usage").Str() == "BLOCKLIST" {
		return []string{"sign-ins from the addresses of this blocklist are no longer refused"}
	}
	return []string{"policies and rules that use this zone still name it, but ignore it while it is INACTIVE: " +
		"what they allow or deny may change. Which ones use it was not checked"}
}
