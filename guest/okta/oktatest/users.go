package oktatest

import (
	"cmp"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/tidwall/gjson"
	"github.com/tidwall/sjson"
)

// userEndpoints serves the users of https://developer.okta.com/docs/api/openapi/okta-management/management/tag/User/.
func userEndpoints() []endpoint {
	return []endpoint{
		{pattern: "GET /api/v1/users", bucket: "/api/v1/users", handle: listUsers},
		{pattern: "POST /api/v1/users", bucket: "/api/v1/users", handle: createUser},
		{pattern: "GET /api/v1/users/me", bucket: "/api/v1/users/me", handle: getUser},
		{pattern: "GET /api/v1/users/{id}", bucket: "/api/v1/users/{id:.+}", handle: getUser},
		{pattern: "POST /api/v1/users/{id}", bucket: "/api/v1/users/{id}", handle: updateUser},
		{pattern: "PUT /api/v1/users/{id}", bucket: "/api/v1/users/{id}", handle: updateUser},
		{pattern: "DELETE /api/v1/users/{id}", bucket: "/api/v1/users/{id}", handle: deleteUser},
		{pattern: "GET /api/v1/users/{id}/groups", bucket: "/api/v1/users", handle: listUserGroups},
	}
}

// findUser returns the user in a path: an id, a login, a short name, or "me" for the token's owner.
func (o *Org) findUser(name string) (*user, error) {
	if strings.ContainsAny(name, `/\`) { // such a login cannot be in a path (developer.okta.com, Users API; simstudioai/sim#7258)
		return nil, notFound(name, "User")
	}
	if name == "me" {
		if len(o.users.all) > 0 && o.users.all[0].live.exists {
			return o.users.all[0], nil
		}
	} else if u := o.users.find(name); u != nil {
		return u, nil
	}
	return nil, notFound(name, "User")
}

func (o *Org) userAnswer(c *call, u *user) answer {
	return answer{
		header: http.Header{"Etag": {u.etag()}},
		body:   o.appendUser(nil, u, &u.live, c.origin, allLinks),
	}
}

func getUser(o *Org, c *call) (answer, error) {
	name := c.PathValue("id")
	if name == "" {
		name = "me"
	}
	u, err := o.findUser(name)
	if err != nil {
		return answer{}, err
	}
	a := o.userAnswer(c, u)
	a.body = embedUser(omitFromUser(a.body, c.Header.Get("Content-Type")), u, c.URL.Query().Get("expand"))
	return a, nil
}

// credentialLinks are the links that okta-response=omitCredentialsLinks removes from a user.
var credentialLinks = []string{"changePassword", "changeRecoveryQuestion", "forgotPassword", "resetPassword", "resetFactors", "unlock"}

// omitFromUser removes what the okta-response parameter of a Content-Type says.
func omitFromUser(body []byte, contentType string) []byte {
	_, parameters, err := mime.ParseMediaType(contentType)
	if err != nil {
		// Unquoted commas, which Okta's own examples have, are not a valid media type.
		_, list, _ := strings.Cut(contentType, "okta-response=")
		parameters = map[string]string{"okta-response": list}
	}
	for name := range strings.SplitSeq(parameters["okta-response"], ",") {
		var paths []string
		switch strings.TrimSpace(name) {
		case "omitCredentials":
			paths = []string{"credentials"}
		case "omitCredentialsLinks":
			for _, link := range credentialLinks {
				paths = append(paths, "_links."+link)
			}
		}
		for _, path := range paths {
			if shorter, err := sjson.DeleteBytes(body, path); err == nil {
				body = shorter
			}
		}
	}
	return body
}

// embedUser adds what expand asks for: blocks, which a locked-out user has, or the classification.
func embedUser(body []byte, u *user, expand string) []byte {
	var embedded []byte
	switch expand {
	case "blocks":
		embedded = []byte(`{"blocks":[]}`)
		if u.live.status == lockedOut {
			embedded = []byte(`{"blocks":[{"type":"DEVICE_BASED","appliesTo":"ANY_DEVICES"}]}`)
		}
	case "classification":
		embedded = appendField([]byte(`{"classification":{`), "type", "STANDARD")
		embedded = append(appendTime(embedded, "lastUpdated", u.live.created), "}}"...)
	default:
		return body
	}
	return append(appendRaw(body[:len(body)-1], "_embedded", embedded), '}')
}

func createUser(o *Org, c *call) (answer, error) {
	body, err := c.object()
	if err != nil {
		return answer{}, err
	}
	activate, err := c.flag("activate", true)
	if err != nil {
		return answer{}, err
	}
	nextLogin := c.URL.Query().Get("nextLogin")
	if nextLogin != "" && nextLogin != "changePassword" {
		return answer{}, invalid("nextLogin", "'nextLogin' must be changePassword.")
	}
	now := millisOf(c.now)
	state := userState{
		exists: true, since: now, created: now, lastUpdated: now, provider: "OKTA", typeID: o.userType(), status: staged,
	}
	if err := o.setProfile(&state, nil, body.Get("profile"), true); err != nil {
		return answer{}, err
	}
	if err := o.setProvider(&state, body.Get("credentials"), c.URL.Query()); err != nil {
		return answer{}, err
	}
	if err := o.setCredentials(&state, body.Get("credentials"), now); err != nil {
		return answer{}, err
	}
	switch {
	case nextLogin != "" && !state.password:
		return answer{}, errExpireNeedsPassword
	case nextLogin != "" && !activate:
		return answer{}, errExpireNeedsActivation
	}
	if err := o.setUserType(&state, body.Get("type.id")); err != nil {
		return answer{}, err
	}
	if err := o.setRealm(&state, body.Get("realmId")); err != nil {
		return answer{}, err
	}
	if o.users.byLogin[loginKey(state.login)] != nil {
		return answer{}, loginTaken()
	}
	var joined []*group
	for _, id := range body.Get("groupIds").Array() {
		g, err := o.findGroup(id.String())
		if err == nil {
			err = g.managed()
		}
		if err != nil {
			return answer{}, err
		}
		joined = append(joined, g)
	}
	if activate {
		state.activated, state.statusChanged = now, now
		switch {
		case nextLogin != "":
			state.status, state.expired = passwordExpired, true
		case state.password, state.provider != "OKTA":
			state.status = active
		default:
			state.status = provisioned
		}
	}
	u := &user{id: o.ids.next("00u", 20), live: state}
	o.users.add(u)
	if state.status == provisioned { // an activation link is mailed, the first mail to this user
		_ = o.mail(c, u)
	}
	o.emit(c, "user.lifecycle.create", "Create Okta user", o.userTarget(u))
	if activate {
		o.emit(c, "user.lifecycle.activate", "Activate Okta user", o.userTarget(u))
	}
	for _, g := range joined {
		if o.join(g, u, now) {
			o.emit(c, "group.user_membership.add", "Add user to group membership", o.userTarget(u), g.target())
		}
	}
	o.applyRules(c, u)
	return o.userAnswer(c, u), nil
}

// updateUser changes the members that a POST names, or replaces the profile with a PUT. A deactivated user answers 404
// (https://github.com/okta/okta-sdk-java/issues/721). The provider is read-only (Okta's OpenAPI document,
// AuthenticationProvider) and ignored (https://github.com/okta/okta-sdk-nodejs/issues/369). Only a PUT changes the
// type.
func updateUser(o *Org, c *call) (answer, error) {
	u, err := o.findUser(c.PathValue("id"))
	if err != nil {
		return answer{}, err
	}
	if u.live.moving(o.cfg.Now) {
		return answer{}, errMoving
	}
	if u.live.status == deprovisioned {
		return answer{}, notFound(c.PathValue("id"), "User")
	}
	body, err := c.object()
	if err != nil {
		return answer{}, err
	}
	if match := c.Header.Get("If-Match"); match != "" && match != "*" && match != u.etag() {
		return answer{}, errETag
	}
	if _, err := c.flag("strict", false); err != nil {
		return answer{}, err
	}
	now := millisOf(c.now)
	next := u.live
	replace := c.Method == http.MethodPut
	if profile := body.Get("profile"); profile.Exists() || replace && !body.Get("credentials").Exists() {
		base := o.appendProfile(nil, &u.live)
		if replace {
			base = nil
		}
		if err := o.setProfile(&next, base, profile, replace); err != nil {
			return answer{}, err
		}
	}
	if other := o.users.byLogin[loginKey(next.login)]; other != nil && other != u {
		return answer{}, loginTaken()
	}
	if err := o.setCredentials(&next, body.Get("credentials"), now); err != nil {
		return answer{}, err
	}
	if replace {
		if err := o.setUserType(&next, body.Get("type.id")); err != nil {
			return answer{}, err
		}
	}
	if err := o.setRealm(&next, body.Get("realmId")); err != nil {
		return answer{}, err
	}
	profileChanged := !sameObject(o.profileOf(&u.live), o.profileOf(&next))
	passwordChanged := body.Get("credentials.password").Exists()
	if !profileChanged && !passwordChanged && next.question == u.live.question && next.typeID == u.live.typeID && next.realmID == u.live.realmID {
		return o.userAnswer(c, u), nil
	}
	next.lastUpdated = now
	o.change(u, now, next)
	if passwordChanged {
		o.emit(c, "user.account.update_password", "User update password for Okta", o.userTarget(u))
	}
	if profileChanged || !passwordChanged {
		o.emit(c, "user.account.update_profile", "Update user profile for Okta", o.userTarget(u))
	}
	o.applyRules(c, u)
	return o.userAnswer(c, u), nil
}

// deleteUser deactivates a user that is not deactivated yet, and deletes one that is.
func deleteUser(o *Org, c *call) (answer, error) {
	u, err := o.findUser(c.PathValue("id"))
	if err != nil {
		return answer{}, err
	}
	if _, err := c.flag("sendEmail", false); err != nil {
		return answer{}, err
	}
	if u.live.moving(o.cfg.Now) {
		return answer{}, errMoving
	}
	if u.live.status != deprovisioned {
		o.deactivate(c, u)
		return answer{status: http.StatusNoContent}, nil
	}
	target := o.userTarget(u)
	next := u.live
	next.exists = false
	o.change(u, millisOf(c.now), next)
	o.userDeleted(c, u)
	o.emit(c, "user.lifecycle.delete.initiated", "Delete Okta user initiated", target)
	o.emit(c, "user.lifecycle.delete.completed", "Delete Okta user completed", target)
	return answer{status: http.StatusNoContent}, nil
}

// setProfile merges the attributes of given into base and checks the result. A null removes an attribute.
func (o *Org) setProfile(s *userState, base []byte, given gjson.Result, fresh bool) error {
	if !given.IsObject() {
		if !fresh {
			return invalid("profile", "profile: must be an object")
		}
		given = gjson.Parse("{}")
	}
	profile := base
	if profile == nil {
		profile = []byte("{}")
	}
	var failed error
	var unknown, bad []string
	given.ForEach(func(key, value gjson.Result) bool {
		kind, known := o.profile[key.Str]
		if !known {
			unknown = append(unknown, "Property name '"+key.Str+"' is not defined in profile")
			return true
		}
		if value.Type != gjson.Null {
			if wrong := kind.check(value); wrong != "" {
				bad = append(bad, key.Str+": "+wrong)
			}
		}
		if value.Type == gjson.Null {
			profile, failed = sjson.DeleteBytes(profile, gjson.Escape(key.Str))
		} else {
			profile, failed = sjson.SetRawBytes(profile, gjson.Escape(key.Str), []byte(value.Raw))
		}
		return failed == nil
	})
	if failed != nil {
		return errMalformed
	}
	if unknown != nil {
		return invalid("profile", unknown...)
	}
	if causes := append(bad, missingAttributes(gjson.ParseBytes(profile))...); causes != nil {
		field, _, _ := strings.Cut(causes[0], ":")
		return invalid(field, causes...)
	}
	for _, name := range []string{"mobilePhone", "secondEmail"} { // Okta always returns these two
		if !gjson.GetBytes(profile, name).Exists() {
			if profile, failed = sjson.SetRawBytes(profile, name, []byte("null")); failed != nil {
				return errMalformed
			}
		}
	}
	s.profile, s.login = profile, gjson.GetBytes(profile, "login").Str
	return nil
}

// missingAttributes returns the causes for blank required attributes and an invalid login.
func missingAttributes(profile gjson.Result) (causes []string) {
	for _, name := range []string{"login", "firstName", "lastName", "email"} {
		if strings.TrimSpace(profile.Get(name).String()) == "" {
			causes = append(causes, name+": The field cannot be left blank")
		}
	}
	if login := profile.Get("login"); !strings.Contains(login.Str, "@") {
		causes = append(causes, "login: Username must be in the form of an email address")
	}
	return causes
}

// setProvider sets the provider of a new user. Okta accepts another provider only with ?provider=true, a type and a
// name. Otherwise it creates an ordinary user (https://github.com/okta/okta-sdk-nodejs/issues/394, okta-sdk-dotnet#187,
// #748). Users of FEDERATION and SOCIAL have no password and no recovery question: Okta's OpenAPI document,
// AuthenticationProviderWritable. That these are refused, and how, is a guess.
func (o *Org) setProvider(s *userState, credentials gjson.Result, query url.Values) error {
	kind, name := credentials.Get("provider.type").Str, credentials.Get("provider.name").Str
	foreign, err := strconv.ParseBool(cmp.Or(query.Get("provider"), "false"))
	switch {
	case err != nil:
		return invalid("provider", "'provider' must be true or false.")
	case kind != "" && !slices.Contains(providers, kind):
		return invalid("provider", "provider: '"+kind+"' is not a provider")
	case !foreign || kind == "" || name == "", (kind == "FEDERATION" || kind == "SOCIAL") && name != kind:
		return nil
	}
	s.provider, s.providerName = kind, name
	if (kind == "FEDERATION" || kind == "SOCIAL") && (credentials.Get("password").Exists() || credentials.Get("recovery_question").Exists()) {
		return invalid("credentials", "credentials: users of provider "+kind+" have neither a password nor a recovery question")
	}
	return nil
}

// setCredentials records that there is a password, and the recovery question; no secret is stored. The password is
// checked against the profile of s.
func (o *Org) setCredentials(s *userState, given gjson.Result, now millis) error {
	if !given.Exists() {
		return nil
	}
	if !given.IsObject() {
		return errMalformed
	}
	if password := given.Get("password"); password.Exists() {
		if value := password.Get("value"); value.Exists() {
			if err := o.checkPassword(o.profileOf(s), value.Str); err != nil {
				return err
			}
		}
		if password.Get("value").Exists() || password.Get("hash").Exists() || password.Get("hook").Exists() {
			s.password, s.passwordChanged = true, now
		}
	}
	if recovery := given.Get("recovery_question"); recovery.Exists() {
		question := recovery.Get("question").Str
		if question == "" || utf8.RuneCountInString(recovery.Get("answer").Str) < shortestAnswer {
			return invalid("recovery_question", fmt.Sprintf("recovery_question: needs a question, and an answer of at least %d characters", shortestAnswer))
		}
		s.question = question
	}
	return nil
}

// setUserType sets a user's type, if one is given. The refusal of an unknown one is a guess.
func (o *Org) setUserType(s *userState, id gjson.Result) error {
	if !id.Exists() {
		return nil
	}
	if !slices.Contains(o.UserTypes(), id.Str) {
		return invalid("type", "type: '"+id.Str+"' is not a user type of this org")
	}
	s.typeID = id.Str
	return nil
}

func loginTaken() *apiError {
	return invalid("login", "login: An object with this field already exists in the current organization")
}

// setRealm sets a user's realm, if one is given. The refusal of an unknown one is a guess.
func (o *Org) setRealm(s *userState, id gjson.Result) error {
	if !id.Exists() || id.Type == gjson.Null {
		return nil
	}
	if !slices.Contains(o.Realms(), id.Str) {
		return invalid("realmId", "realmId: '"+id.String()+"' is not a realm of this org")
	}
	s.realmID = id.Str
	return nil
}

// object returns the body of a write as a JSON object.
func (c *call) object() (gjson.Result, error) {
	if !gjson.ValidBytes(c.body) {
		return gjson.Result{}, errMalformed
	}
	body := gjson.ParseBytes(c.body)
	if !body.IsObject() {
		return gjson.Result{}, errMalformed
	}
	return body, nil
}

// sameObject compares the members of two flat objects in any order.
func sameObject(a, b gjson.Result) bool {
	left, right := a.Map(), b.Map()
	if len(left) != len(right) {
		return false
	}
	for key, value := range left {
		if other, ok := right[key]; !ok || other.Raw != value.Raw {
			return false
		}
	}
	return true
}
