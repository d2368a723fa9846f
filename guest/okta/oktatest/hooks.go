package oktatest

// hooks let one resource react to changes of another. The org is locked for writing while they run.
type hooks struct {
	userDeactivated []func(*call, *user)  // the user is already DEPROVISIONED, and keeps the groups
	userDeleted     []func(*call, *user)  // already removed from the directory, groups and roles
	groupDeleted    []func(*call, *group) // already removed from the list; members are still set
	groupApps       func(*group) int      // number of applications of a group; nil means none
}

// userDeactivated does the side effects of a deactivation: it ends sessions and runs the hooks. Memberships are kept:
// https://support.okta.com/help/s/article/Deactivated-Users-not-Removed-From-Okta-Groups-Automatically
func (o *Org) userDeactivated(c *call, u *user) {
	o.endSessions(u)
	delete(o.sessions.grants, u.id)
	o.deactivateAdmin(c, u)
	for _, hook := range o.hooks.userDeactivated {
		hook(c, u)
	}
}

// userDeleted removes references to a deleted user.
func (o *Org) userDeleted(c *call, u *user) {
	for _, g := range u.groups {
		o.leave(g, u, millisOf(c.now))
	}
	u.groups = nil
	o.roles.drop(principal{principalUser, u.id})
	delete(o.factors, u.id)
	for _, hook := range o.hooks.userDeleted {
		hook(c, u)
	}
}
