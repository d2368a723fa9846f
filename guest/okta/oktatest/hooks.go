package oktatest

// hooks let one resource take part in what happens to another. The org is locked for writing while they run.
type hooks struct {
	userDeactivated []func(*call, *user)  // the user is DEPROVISIONED already; their groups stay
	userDeleted     []func(*call, *user)  // gone from the directory, from groups and roles
	groupDeleted    []func(*call, *group) // gone from the list; members still holds who was in it
	groupApps       func(*group) int      // how many applications a group is assigned to; nil is none
}

// userDeactivated does what deactivation takes along: sessions and, by hook, whatever else goes. Memberships stay:
// https://support.okta.com/help/s/article/Deactivated-Users-not-Removed-From-Okta-Groups-Automatically
func (o *Org) userDeactivated(c *call, u *user) {
	o.endSessions(u)
	delete(o.sessions.grants, u.id)
	o.deactivateAdmin(c, u)
	for _, hook := range o.hooks.userDeactivated {
		hook(c, u)
	}
}

// userDeleted removes what refers to a user that is no more.
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
