package oktatest

import (
	"slices"

	"github.com/tidwall/gjson"
)

// seededPasswordSettings are the settings of the default password policy. Its members come from a recording
// (okta/terraform-provider-okta, fixture TestAccDataSourceOktaDefaultPolicy_readPasswordPolicy).
const seededPasswordSettings = `{"password":{"complexity":{"minLength":8,"minLowerCase":1,"minUpperCase":1,"minNumber":1,"minSymbol":0,` +
	`"excludeUsername":true,"dictionary":{"common":{"exclude":false}},"excludeAttributes":[]},"age":{"maxAgeDays":0,"expireWarnDays":0,"minAgeMinutes":0,"historyCount":4},` +
	`"lockout":{"maxAttempts":10,"autoUnlockMinutes":0,"userLockoutNotificationChannels":[],"showLockoutFailures":false}},` +
	`"recovery":{"factors":{"recovery_question":{"status":"INACTIVE","properties":{"complexity":{"minLength":4}}},"okta_email":{"status":"ACTIVE","properties":{"recoveryToken":{"tokenLifetimeMinutes":60}}},"okta_sms":{"status":"INACTIVE"},"okta_call":{"status":"INACTIVE"}}},` +
	`"delegation":{"options":{"skipUnlock":false}}}`

// Okta returns the settings of an enrollment policy complete and in its own order. An authenticator that a PUT does not
// name is NOT_ALLOWED. A recording of okta/terraform-provider-okta shows this: a policy of type MFA_ENROLL got 10
// authenticators and returned 24. Only enabled authenticators are in it, as Okta's OpenAPI document says
// (AuthenticatorEnrollmentPolicySettings). Classic has factors instead of authenticators, with the same behaviour here.

// enrollmentOrder is the order of authenticators in recorded responses.
var enrollmentOrder = []string{"custom_app", "custom_otp", "okta_email", "webauthn", "google_otp", "okta_verify", "onprem_mfa",
	"okta_password", "phone_number", "security_question"}

// enrollmentFactors are the factors of a Classic org, by name.
var enrollmentFactors = []string{"google_otp", "okta_email", "okta_otp", "okta_push", "okta_question", "okta_sms"}

// enrollable returns the keys of the enabled authenticators, in Okta's order.
func enrollable() []string {
	return slices.DeleteFunc(slices.Clone(enrollmentOrder), func(key string) bool {
		return !slices.ContainsFunc(seededAuthenticators, func(a seededAuthenticator) bool { return a.key == key && a.status == active })
	})
}

func (o *Org) seededEnrollment() string {
	if o.cfg.Engine != "idx" {
		return factorSettings(map[string]string{"okta_email": "OPTIONAL", "okta_push": "OPTIONAL"})
	}
	return authenticatorSettings(map[string]string{"okta_email": "OPTIONAL", "okta_password": "REQUIRED", "okta_verify": "OPTIONAL", "webauthn": "OPTIONAL"})
}

var enrollModes = []string{"NOT_ALLOWED", "OPTIONAL", "REQUIRED"}

// enrollmentOf returns the settings that result from a PUT. Missing settings are like empty ones.
func (o *Org) enrollmentOf(given gjson.Result) (string, error) {
	modes := map[string]string{}
	known, refused := enrollmentFactors, ""
	if o.cfg.Engine != "idx" {
		given.Get("factors").ForEach(func(key, value gjson.Result) bool {
			modes[key.Str] = value.Get("enroll.self").Str
			return true
		})
	} else {
		known = enrollable()
		if given.Exists() && given.Get("type").Str != "AUTHENTICATORS" {
			return "", invalid("settings.type", "settings.type: must be AUTHENTICATORS in this org")
		}
		for _, one := range given.Get("authenticators").Array() {
			modes[one.Get("key").Str] = one.Get("enroll.self").Str
		}
	}
	for key, mode := range modes {
		if !slices.Contains(known, key) || !slices.Contains(enrollModes, mode) {
			refused = max(refused, key)
		}
	}
	switch {
	case refused != "":
		return "", invalid("settings", "settings: "+refused+" is not enabled in this org, or has no enroll.self of NOT_ALLOWED, OPTIONAL or REQUIRED")
	case o.cfg.Engine != "idx":
		return factorSettings(modes), nil
	}
	return authenticatorSettings(modes), nil
}

func authenticatorSettings(modes map[string]string) string {
	buf := append(appendKey(appendField([]byte{'{'}, "type", "AUTHENTICATORS"), "authenticators"), '[')
	for i, key := range enrollable() {
		if i > 0 {
			buf = append(buf, ',')
		}
		buf = appendEnroll(appendField(append(buf, '{'), "key", key), modes[key])
	}
	return string(append(buf, "]}"...))
}

func factorSettings(modes map[string]string) string {
	buf := append(appendKey([]byte{'{'}, "factors"), '{')
	for _, key := range enrollmentFactors {
		buf = append(appendKey(buf, key), '{')
		buf = appendEnroll(append(appendKey(buf, "consent"), `{"type":"NONE"}`...), modes[key])
	}
	return string(append(buf, "}}"...))
}

// appendEnroll appends the member enroll and closes the object.
func appendEnroll(buf []byte, mode string) []byte {
	if mode == "" {
		mode = "NOT_ALLOWED"
	}
	buf = append(appendKey(buf, "enroll"), '{')
	return append(appendField(buf, "self", mode), "}}"...)
}
