package oktatest

import (
	"net/http"
	"slices"
)

// lifecycleEndpoints change the status of users:
// https://developer.okta.com/docs/api/openapi/okta-management/management/tag/UserLifecycle/.
func lifecycleEndpoints() []endpoint {
	row := func(action string, handle func(*Org, *call, *user) (answer, error)) endpoint {
		return endpoint{
			pattern: "POST /api/v1/users/{id}/lifecycle/" + action,
			bucket:  "/api/v1/users",
			handle: func(o *Org, c *call) (answer, error) {
				u, err := o.findUser(c.PathValue("id"))
				if err == nil && u.live.moving(o.cfg.Now) {
					err = errMoving
				}
				if err != nil {
					return answer{}, err
				}
				return handle(o, c, u)
			},
		}
	}
	return []endpoint{
		row("activate", activateUser),
		row("reactivate", reactivateUser),
		row("deactivate", deactivateUser),
		row("suspend", suspendUser),
		row("unsuspend", unsuspendUser),
		row("unlock", unlockUser),
		row("expire_password", expirePassword),
		row("expire_password_with_temp_password", expirePasswordTemporarily),
		row("reset_password", resetPassword),
		row("reset_factors", resetFactors),
	}
}

var emptyObject = []byte("{}")

// move changes the status of u.
func (o *Org) move(c *call, u *user, status string) {
	now := millisOf(c.now)
	next := u.live
	next.status, next.statusChanged, next.lastUpdated = status, now, now
	if status == active || status == provisioned {
		if before := u.live.status; before == staged || before == deprovisioned {
			o.takesTime(&u.live, &next, now)
		}
		if next.activated == 0 || u.live.status == deprovisioned {
			next.activated = now
		}
	}
	if status == passwordExpired {
		next.expired = true
	}
	o.change(u, now, next)
}

func activateUser(o *Org, c *call, u *user) (answer, error) {
	mail, err := c.flag("sendEmail", true)
	if err != nil {
		return answer{}, err
	}
	if u.live.status != staged && u.live.status != deprovisioned {
		return answer{}, errAlreadyActive
	}
	if mail {
		if err := o.mail(c, u); err != nil {
			return answer{}, err
		}
	}
	status := provisioned
	if u.live.status == staged && (u.live.password || u.live.provider != "OKTA") {
		status = active
	}
	o.move(c, u, status)
	o.emit(c, "user.lifecycle.activate", "Activate Okta user", o.userTarget(u))
	o.applyRules(c, u)
	return o.activation(c, mail), nil
}

// reactivateUser restarts an activation. It does not undo deactivateUser.
func reactivateUser(o *Org, c *call, u *user) (answer, error) {
	mail, err := c.flag("sendEmail", false)
	if err != nil {
		return answer{}, err
	}
	if u.live.status != provisioned && u.live.status != recovery {
		return answer{}, errStatus
	}
	if mail {
		if err := o.mail(c, u); err != nil {
			return answer{}, err
		}
	}
	o.move(c, u, provisioned)
	o.emit(c, "user.lifecycle.reactivate", "Reactivate Okta user", o.userTarget(u))
	return o.activation(c, mail), nil
}

// activation returns the link for setting a password. It is in the answer only if no mail is sent.
func (o *Org) activation(c *call, mail bool) answer {
	if mail {
		return answer{body: emptyObject}
	}
	token := o.ids.next("", 20)
	body := appendField([]byte{'{'}, "activationUrl", c.origin+"/welcome/"+token)
	return answer{body: append(appendField(body, "activationToken", token), '}')}
}

func deactivateUser(o *Org, c *call, u *user) (answer, error) {
	if _, err := c.flag("sendEmail", false); err != nil {
		return answer{}, err
	}
	if u.live.status == deprovisioned {
		return answer{}, notFound(c.PathValue("id"), "User")
	}
	o.deactivate(c, u)
	return answer{body: emptyObject}, nil
}

func (o *Org) deactivate(c *call, u *user) {
	now := millisOf(c.now)
	next := u.live
	next.status, next.statusChanged, next.lastUpdated = deprovisioned, now, now
	next.password, next.expired = false, false
	o.takesTime(&u.live, &next, now)
	o.change(u, now, next)
	o.emit(c, "user.lifecycle.deactivate", "Deactivate Okta user", o.userTarget(u))
	o.userDeactivated(c, u)
}

func suspendUser(o *Org, c *call, u *user) (answer, error) {
	if u.live.status != active && u.live.status != passwordExpired {
		return answer{}, invalid("suspend", "Cannot suspend a user that is not active")
	}
	o.move(c, u, suspended)
	o.endSessions(u)
	o.emit(c, "user.lifecycle.suspend", "Suspend Okta user", o.userTarget(u))
	return answer{body: emptyObject}, nil
}

func unsuspendUser(o *Org, c *call, u *user) (answer, error) {
	if u.live.status != suspended {
		return answer{}, invalid("unsuspend", "Cannot unsuspend a user that is not suspended")
	}
	o.move(c, u, u.live.restored())
	o.emit(c, "user.lifecycle.unsuspend", "Unsuspend Okta user", o.userTarget(u))
	return answer{body: emptyObject}, nil
}

func unlockUser(o *Org, c *call, u *user) (answer, error) {
	if u.live.status != lockedOut {
		return answer{}, errNotLockedOut
	}
	o.move(c, u, u.live.restored())
	o.emit(c, "user.account.unlock_by_admin", "User account unlock by admin", o.userTarget(u))
	return answer{body: emptyObject}, nil
}

// restored returns the status to which a suspended or locked-out user returns.
func (s *userState) restored() string {
	if s.expired {
		return passwordExpired
	}
	return active
}

var passwordStatuses = []string{active, passwordExpired, lockedOut, recovery}

func expirePassword(o *Org, c *call, u *user) (answer, error) {
	if !slices.Contains(passwordStatuses, u.live.status) {
		return answer{}, errStatus
	}
	o.move(c, u, passwordExpired)
	o.emit(c, "user.account.expire_password", "Expire user's Okta password", o.userTarget(u))
	return o.userAnswer(c, u), nil
}

func expirePasswordTemporarily(o *Org, c *call, u *user) (answer, error) {
	revoke, err := c.flag("revokeSessions", false)
	if err != nil {
		return answer{}, err
	}
	if _, err := expirePassword(o, c, u); err != nil {
		return answer{}, err
	}
	if revoke {
		o.clearSessions(c, u)
	}
	return answer{body: append(appendField([]byte{'{'}, "tempPassword", o.ids.next("", 12)), '}')}, nil
}

func resetPassword(o *Org, c *call, u *user) (answer, error) {
	if !c.URL.Query().Has("sendEmail") {
		return answer{}, missingParameter("sendEmail")
	}
	mail, err := c.flag("sendEmail", true)
	if err != nil {
		return answer{}, err
	}
	revoke, err := c.flag("revokeSessions", false)
	if err != nil {
		return answer{}, err
	}
	if !slices.Contains(passwordStatuses, u.live.status) && u.live.status != provisioned {
		return answer{}, errStatus
	}
	if mail {
		if err := o.mail(c, u); err != nil {
			return answer{}, err
		}
	}
	o.move(c, u, recovery)
	o.emit(c, "user.account.reset_password", "Fired when the user's Okta password is reset", o.userTarget(u))
	if revoke {
		o.clearSessions(c, u)
	}
	if mail {
		return answer{body: emptyObject}, nil
	}
	body := appendField([]byte{'{'}, "resetPasswordUrl", c.origin+"/reset_password/"+o.ids.next("", 20))
	return answer{status: http.StatusOK, body: append(body, '}')}, nil
}

func resetFactors(o *Org, c *call, u *user) (answer, error) {
	if u.live.status == staged || u.live.status == deprovisioned {
		return answer{}, errStatus
	}
	if len(o.factorsOf(u)) > 0 {
		o.factors[u.id] = []factor{}
		o.emit(c, "user.mfa.factor.reset_all", "Reset all factors for user", o.userTarget(u))
	}
	return answer{body: emptyObject}, nil
}
