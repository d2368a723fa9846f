package oktatest

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/tidwall/gjson"
)

const longestPassword = 72 // bytes; bcrypt's limit, which Okta has too

// passwordSettings returns the settings of the first password policy. All users are in the groups of the seeded one.
func (o *Org) passwordSettings() gjson.Result {
	var first *policy
	for _, p := range o.policies {
		if p.kind == "PASSWORD" && !p.inactive && (first == nil || p.priority < first.priority) {
			first = p
		}
	}
	if first == nil {
		return gjson.Result{}
	}
	return gjson.GetBytes(first.body, "settings.password")
}

// checkPassword checks a password against the org's policy. The Users API documents the parts of a username: at least
// four characters, split at , . _ # @ and -, without the top-level domain
// (https://github.com/okta/okta-developer-docs/pull/3511). The refusal is that of
// https://developer.okta.com/docs/reference/error-codes/#E0000001, whose cause lists the requirements.
func (o *Org) checkPassword(profile gjson.Result, value string) error {
	settings := o.passwordSettings()
	rules := settings.Get("complexity")
	kinds := map[string]int{}
	for _, r := range value {
		switch {
		case unicode.IsLower(r):
			kinds["minLowerCase"]++
		case unicode.IsUpper(r):
			kinds["minUpperCase"]++
		case unicode.IsDigit(r):
			kinds["minNumber"]++
		case !unicode.IsLetter(r) && r != ' ':
			kinds["minSymbol"]++
		}
	}
	least := rules.Get("minLength").Int()
	wanted := []string{fmt.Sprintf("at least %d characters", least)}
	met := int64(utf8.RuneCountInString(value)) >= least && len(value) <= longestPassword
	for _, kind := range []struct{ name, words string }{
		{"minLowerCase", "a lowercase letter"}, {"minUpperCase", "an uppercase letter"}, {"minNumber", "a number"}, {"minSymbol", "a symbol"},
	} {
		if n := rules.Get(kind.name).Int(); n > 0 {
			wanted = append(wanted, kind.words)
			met = met && int64(kinds[kind.name]) >= n
		}
	}
	if rules.Get("excludeUsername").Bool() {
		wanted = append(wanted, "no parts of your username")
		met = met && !containsPartOf(value, profile.Get("login").Str)
	}
	for _, name := range rules.Get("excludeAttributes").Array() {
		wanted = append(wanted, "does not include your "+name.Str)
		part := strings.ToLower(profile.Get(name.Str).Str)
		met = met && (part == "" || !strings.Contains(strings.ToLower(value), part))
	}
	if met {
		return nil
	}
	cause := "password: Password requirements were not met. Password requirements: " + strings.Join(wanted, ", ") + "."
	if n := settings.Get("age.historyCount").Int(); n > 0 {
		cause += fmt.Sprintf(" Your password cannot be any of your last %d passwords.", n)
	}
	return invalid("password", cause)
}

func containsPartOf(password, login string) bool {
	password = strings.ToLower(password)
	if at := strings.LastIndexByte(login, '.'); at > strings.IndexByte(login, '@') {
		login = login[:at] // without the top-level domain
	}
	for _, part := range strings.FieldsFunc(strings.ToLower(login), func(r rune) bool { return strings.ContainsRune(",._#@-", r) }) {
		if len(part) >= 4 && strings.Contains(password, part) {
			return true
		}
	}
	return false
}

// providers are the providers of credentials: Okta's OpenAPI document, AuthenticationProviderWritable.
var providers = []string{"ACTIVE_DIRECTORY", "FEDERATION", "IMPORT", "LDAP", "OKTA", "SOCIAL"}

// shortestAnswer is the minimum length of the answer to a recovery question: the password policy's
// settings.recovery.factors.recovery_question.
const shortestAnswer = 4
