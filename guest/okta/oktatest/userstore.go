package oktatest

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/tidwall/gjson"
	"golang.org/x/text/unicode/norm"
)

// Statuses of a user.
const (
	staged          = "STAGED"
	provisioned     = "PROVISIONED"
	active          = "ACTIVE"
	inactive        = "INACTIVE" // for policies, zones, rules
	recovery        = "RECOVERY"
	lockedOut       = "LOCKED_OUT"
	passwordExpired = "PASSWORD_EXPIRED"
	suspended       = "SUSPENDED"
	deprovisioned   = "DEPROVISIONED"
)

// user is one user. Its state changes; its id and place in the list do not.
type user struct {
	id     string
	seq    int // place in directory.all
	live   userState
	past   []userState // older states that search may still show; empty unless Config.SearchDelay is set
	groups []*group    // memberships, without Everyone
}

// userState is the mutable part of a user. It is copied as a whole, so its slices must not be written to.
type userState struct {
	exists   bool
	since    millis // start of this state
	revision int
	seed     int // index of a seeded profile, if profile is nil
	status   string
	login    string
	profile  []byte // a JSON object
	question string // recovery question
	provider string // provider of the credentials: OKTA, FEDERATION, …
	typeID   string

	realmID      string // if it was set
	providerName string // empty means the provider's type

	password bool
	expired  bool // the password expired before the user was suspended or locked out

	from  string // the visible status until then; see Config.TransitionTime
	until millis

	created, activated, statusChanged, lastLogin, lastUpdated, passwordChanged millis
}

// directory has the users in the order of their creation.
type directory struct {
	all     []*user // including deleted ones, so that cursors stay valid
	byID    map[string]*user
	byLogin map[string]*user // by loginKey
	version int              // incremented with every change, for caches
}

// moving reports whether a change of status is under way.
func (s *userState) moving(now func() time.Time) bool {
	return s.until != 0 && millisOf(now()) < s.until
}

// takesTime makes the change of status from before to next last for a while.
func (o *Org) takesTime(before, next *userState, now millis) {
	if t := o.cfg.TransitionTime; t > 0 {
		next.from, next.until = before.status, now+millis(t.Milliseconds())
	}
}

// loginKey returns what must differ between two logins. It ignores case and diacritical marks: Okta's OpenAPI document,
// UserProfile.login.
func loginKey(login string) string {
	login = strings.ToLower(login)
	if !strings.ContainsFunc(login, func(r rune) bool { return r >= utf8.RuneSelf }) {
		return login
	}
	return strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Mn, r) {
			return -1
		}
		return r
	}, norm.NFD.String(login))
}

// find returns a user by id, login, or the part of a login before the @ if only one user has it.
func (d *directory) find(name string) *user {
	if u := d.byID[name]; u != nil {
		return u
	}
	if u := d.byLogin[loginKey(name)]; u != nil {
		return u
	}
	if name == "" || strings.ContainsAny(name, "@/") {
		return nil
	}
	var found *user
	for _, u := range d.all {
		if u.live.exists && len(u.live.login) > len(name) && u.live.login[len(name)] == '@' && strings.EqualFold(u.live.login[:len(name)], name) {
			if found != nil {
				return nil
			}
			found = u
		}
	}
	return found
}

func (d *directory) add(u *user) {
	u.seq = len(d.all)
	d.all = append(d.all, u)
	d.byID[u.id] = u
	d.byLogin[loginKey(u.live.login)] = u
	d.version++
}

// change replaces the state of u. It keeps the old one as long as search may show it.
func (o *Org) change(u *user, now millis, next userState) {
	d := &o.users
	delete(d.byLogin, loginKey(u.live.login))
	if next.exists {
		d.byLogin[loginKey(next.login)] = u
	} else {
		delete(d.byID, u.id)
	}
	if o.cfg.SearchDelay > 0 {
		u.past = append(u.past, u.live)
	}
	next.since = now
	next.revision++
	u.live = next
	d.version++
}

// indexed returns the state of u that search shows at a time, or nil if it shows none.
func (u *user) indexed(moment millis) *userState {
	if u.live.since <= moment || u.live.since == 0 {
		return u.live.orNil()
	}
	for i := len(u.past) - 1; i >= 0; i-- {
		if u.past[i].since <= moment {
			return u.past[i].orNil()
		}
	}
	return nil
}

func (s *userState) orNil() *userState {
	if s.exists {
		return s
	}
	return nil
}

// etag returns a value that changes with every change of the user.
func (u *user) etag() string {
	sum := sha256.Sum256([]byte(u.id + strconv.Itoa(u.live.revision)))
	return `W/"` + hex.EncodeToString(sum[:]) + `"`
}

// linkSet says how many links a user has; those in lists are incomplete.
type linkSet bool

const (
	selfLink linkSet = false
	allLinks linkSet = true
)

// appendUser renders a state of u.
func (o *Org) appendUser(buf []byte, u *user, s *userState, origin string, links linkSet) []byte {
	buf = o.appendUserFields(buf, u, s)
	buf = append(appendKey(buf, "_links"), '{')
	self := "/api/v1/users/" + u.id
	if links == allLinks {
		for _, step := range transitions[s.status] {
			buf = append(appendKey(buf, step.name), '{')
			buf = appendField(buf, "href", origin+self+step.path)
			buf = append(appendField(buf, "method", "POST"), '}')
		}
		buf = appendHref(buf, "type", origin, "/api/v1/meta/types/user/"+s.typeID)
	}
	return append(appendHref(buf, "self", origin, self), "}}"...)
}

// appendUserFields renders the members that do not depend on the request, and leaves the object open.
func (o *Org) appendUserFields(buf []byte, u *user, s *userState) []byte {
	buf = appendField(append(buf, '{'), "id", u.id)
	if s.moving(o.cfg.Now) {
		buf = appendField(appendField(buf, "status", s.from), "transitioningToStatus", s.status)
	} else {
		buf = appendField(buf, "status", s.status)
	}
	buf = appendTime(buf, "created", s.created)
	buf = appendTime(buf, "activated", s.activated)
	buf = appendTime(buf, "statusChanged", s.statusChanged)
	buf = appendTime(buf, "lastLogin", s.lastLogin)
	buf = appendTime(buf, "lastUpdated", s.lastUpdated)
	buf = appendTime(buf, "passwordChanged", s.passwordChanged)
	buf = append(appendField(append(appendKey(buf, "type"), '{'), "id", s.typeID), '}')
	if s.realmID != "" {
		buf = appendField(buf, "realmId", s.realmID)
	}
	buf = o.appendProfile(appendKey(buf, "profile"), s)
	buf = append(appendKey(buf, "credentials"), '{')
	if s.password {
		buf = append(appendKey(buf, "password"), "{}"...)
	}
	if s.question != "" {
		buf = append(appendKey(buf, "recovery_question"), '{')
		buf = append(appendField(buf, "question", s.question), '}')
	}
	buf = append(appendKey(buf, "provider"), '{')
	buf = appendField(appendField(buf, "type", s.provider), "name", cmp.Or(s.providerName, s.provider))
	return append(buf, "}}"...)
}

func (o *Org) appendProfile(buf []byte, s *userState) []byte {
	if s.profile == nil {
		return o.appendSeededProfile(buf, s.seed, s.login)
	}
	return append(buf, s.profile...)
}

// profileOf returns the profile of a state as parsed JSON.
func (o *Org) profileOf(s *userState) gjson.Result {
	return gjson.ParseBytes(o.appendProfile(nil, s))
}

// displayName returns the user's name in the log.
func (o *Org) displayName(s *userState) string {
	profile := o.profileOf(s)
	return profile.Get("firstName").Str + " " + profile.Get("lastName").Str
}

// transitions are the links of a user by status: the allowed next actions.
var transitions = map[string][]struct{ name, path string }{
	staged:          {linkActivate},
	provisioned:     {linkReactivate, linkResetPassword, linkResetFactors, linkDeactivate},
	active:          {linkSuspend, linkResetPassword, linkExpirePassword, linkForgotPassword, linkChangeQuestion, linkResetFactors, linkChangePassword, linkDeactivate},
	recovery:        {linkReactivate, linkResetPassword, linkResetFactors, linkDeactivate},
	lockedOut:       {linkUnlock, linkResetPassword, linkResetFactors, linkDeactivate},
	passwordExpired: {linkSuspend, linkResetPassword, linkExpirePassword, linkResetFactors, linkChangePassword, linkDeactivate},
	suspended:       {linkUnsuspend, linkDeactivate},
	deprovisioned:   {linkActivate},
}

var (
	linkActivate       = struct{ name, path string }{"activate", "/lifecycle/activate"}
	linkReactivate     = struct{ name, path string }{"reactivate", "/lifecycle/reactivate"}
	linkDeactivate     = struct{ name, path string }{"deactivate", "/lifecycle/deactivate"}
	linkSuspend        = struct{ name, path string }{"suspend", "/lifecycle/suspend"}
	linkUnsuspend      = struct{ name, path string }{"unsuspend", "/lifecycle/unsuspend"}
	linkUnlock         = struct{ name, path string }{"unlock", "/lifecycle/unlock"}
	linkResetPassword  = struct{ name, path string }{"resetPassword", "/lifecycle/reset_password"}
	linkExpirePassword = struct{ name, path string }{"expirePassword", "/lifecycle/expire_password"}
	linkResetFactors   = struct{ name, path string }{"resetFactors", "/lifecycle/reset_factors"}
	linkForgotPassword = struct{ name, path string }{"forgotPassword", "/credentials/forgot_password"}
	linkChangePassword = struct{ name, path string }{"changePassword", "/credentials/change_password"}
	linkChangeQuestion = struct{ name, path string }{"changeRecoveryQuestion", "/credentials/change_recovery_question"}
)
