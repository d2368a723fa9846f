package oktatest

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/tidwall/gjson"
)

// attribute describes the values of one attribute in a user's profile. The zero attribute is a string of any length.
type attribute struct {
	kind     string // "" is string; boolean, integer, number, array (of strings)
	least    int    // characters
	most     int    // characters; 0 means no limit
	pattern  *regexp.Regexp
	possible []string // the only allowed values, if any
}

var (
	address  = regexp.MustCompile(`^[^@\s]+@[^@\s]+$`)
	country  = regexp.MustCompile(`^[A-Za-z]{2}$`)
	locale   = regexp.MustCompile(`^[a-z]{2,3}([_-][A-Za-z]{2,8})*$`)
	language = regexp.MustCompile(`^[A-Za-z]{1,8}([_-][A-Za-z0-9]{1,8})*$`)
	timezone = regexp.MustCompile(`^[A-Za-z_+-]+(/[A-Za-z0-9_+-]+)*$`)
	webPage  = regexp.MustCompile(`^[a-z][a-z0-9+.-]*://\S+$`)
)

// defaultAttributes are the attributes of Okta's default schema, with the lengths of its OpenAPI document
// (UserProfile). The patterns of a locale, a time zone and a login are documented too:
// https://support.okta.com/help/s/article/users-not-updating-from-profile-source
var defaultAttributes = map[string]attribute{
	"login": {least: 5, most: 100}, "email": {least: 5, most: 100, pattern: address}, "secondEmail": {least: 5, most: 100, pattern: address},
	"firstName": {least: 1, most: 50}, "lastName": {least: 1, most: 50}, "middleName": {}, "honorificPrefix": {}, "honorificSuffix": {},
	"title": {}, "displayName": {}, "nickName": {}, "profileUrl": {pattern: webPage}, "primaryPhone": {most: 100}, "mobilePhone": {most: 100},
	"streetAddress": {most: 1024}, "city": {most: 128}, "state": {most: 128}, "zipCode": {most: 50}, "countryCode": {most: 2, pattern: country},
	"postalAddress": {most: 4096}, "preferredLanguage": {pattern: language}, "locale": {pattern: locale}, "timezone": {pattern: timezone},
	"userType": {}, "employeeNumber": {}, "costCenter": {}, "organization": {}, "division": {}, "department": {}, "managerId": {}, "manager": {},
}

// profileAttributes returns Okta's default attributes of a user and the custom ones: NAME, NAME:TYPE or
// NAME:VALUE|VALUE….
func profileAttributes(custom []string) map[string]attribute {
	known := map[string]attribute{}
	for name, a := range defaultAttributes {
		known[name] = a
	}
	for _, spec := range custom {
		name, kind, _ := strings.Cut(spec, ":")
		a := attribute{kind: kind}
		switch {
		case strings.Contains(kind, "|"):
			a = attribute{possible: strings.Split(kind, "|")}
		case !slices.Contains([]string{"", "string", "boolean", "integer", "number", "array"}, kind):
			panic("oktatest: Config.ProfileAttributes: " + spec + ": unknown type " + kind)
		}
		known[name] = a
	}
	return known
}

// check returns what is wrong with a value, or "". "Does not match required pattern" is Okta's text for an e-mail
// address (from okta-sdk-golang's tests); the other texts are guesses.
func (a attribute) check(v gjson.Result) string {
	if !a.takes(v) {
		kind := a.kind
		if kind == "" {
			kind = "string"
		}
		return "Invalid value data type, expected " + kind
	}
	if a.kind != "" && a.kind != "string" {
		return ""
	}
	switch n := len([]rune(v.Str)); {
	case v.Str == "" && a.possible == nil: // like an absent value
	case n < a.least:
		return fmt.Sprintf("The field must have at least %d characters", a.least)
	case a.most > 0 && n > a.most:
		return "The field is too long"
	case a.pattern != nil && !a.pattern.MatchString(v.Str):
		return "Does not match required pattern"
	case a.possible != nil && !slices.Contains(a.possible, v.Str):
		return "The value must be one of " + strings.Join(a.possible, ", ")
	}
	return ""
}

func (a attribute) takes(v gjson.Result) bool {
	switch a.kind {
	case "boolean":
		return v.IsBool()
	case "number":
		return v.Type == gjson.Number
	case "integer":
		return v.Type == gjson.Number && !strings.ContainsAny(v.Raw, ".eE")
	case "array":
		return v.IsArray() && !slices.ContainsFunc(v.Array(), func(e gjson.Result) bool { return e.Type != gjson.String })
	}
	return v.Type == gjson.String
}
