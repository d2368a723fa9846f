package oktatest

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/tidwall/gjson"
)

// deviceEndpoints serves the devices of
// https://developer.okta.com/docs/api/openapi/okta-management/management/tag/Device/.
func deviceEndpoints() []endpoint {
	rows := []endpoint{
		{pattern: "GET /api/v1/devices", bucket: "/api/v1/devices", handle: listDevices},
		{pattern: "GET /api/v1/devices/{deviceId}", bucket: "/api/v1/devices", handle: getDevice},
		{pattern: "DELETE /api/v1/devices/{deviceId}", bucket: "/api/v1/devices", handle: deleteDevice},
		{pattern: "GET /api/v1/users/{userId}/devices", bucket: "/api/v1/users", handle: listUserDevices},
	}
	for _, step := range deviceSteps {
		rows = append(rows, endpoint{
			pattern: "POST /api/v1/devices/{deviceId}/lifecycle/" + step.action,
			bucket:  "/api/v1/devices",
			handle:  step.take,
		})
	}
	for i := range rows {
		rows[i].feature = identityEngine
	}
	return rows
}

// Statuses of devices that users do not have. Both have active, suspended and created.
const (
	deviceCreated     = "CREATED"
	deviceDeactivated = "DEACTIVATED"
)

// deviceStep is a change from one status to another. Okta's reference calls these idempotent, but also says that a
// wrong status is refused with 400 E0000001. Nothing is recorded. The refusal is the more precise statement.
type deviceStep struct {
	action  string
	from    []string
	to      string
	message string
}

var deviceSteps = []deviceStep{
	{"activate", []string{deviceCreated, deviceDeactivated}, active, "Activate device"},
	{"deactivate", []string{active, suspended}, deviceDeactivated, "Deactivate device"},
	{"suspend", []string{active}, suspended, "Suspend device"},
	{"unsuspend", []string{suspended}, active, "Unsuspend device"},
}

// device is one device. Its state changes; its id, profile and place in the list do not.
type device struct {
	id      string
	profile []byte // a JSON object
	created millis
	live    deviceState
	past    []deviceState // older states that search may still show; empty unless Config.SearchDelay is set
}

// deviceState is the mutable part of a device. It is copied as a whole, so its slice must not be written to.
type deviceState struct {
	exists      bool
	since       millis // start of this state; 0 means always
	status      string
	lastUpdated millis
	users       []deviceUser
}

// deviceUser is a user's enrolment on a device.
type deviceUser struct {
	id         string
	user       *user
	created    millis
	management string
	screenLock string
}

type deviceStore struct {
	all  []*device // including deleted ones, so that cursors stay valid
	byID map[string]*device
}

func (o *Org) findDevice(id string) (*device, error) {
	if d := o.devices.byID[id]; d != nil {
		return d, nil
	}
	return nil, notFound(id, "Device")
}

// changeDevice replaces the state of d. It keeps the old one as long as search may show it.
func (o *Org) changeDevice(d *device, now millis, next deviceState) {
	if !next.exists {
		delete(o.devices.byID, d.id)
	}
	if o.cfg.SearchDelay > 0 {
		d.past = append(d.past, d.live)
	}
	next.since, next.lastUpdated = now, now
	d.live = next
}

// indexed returns the state of d that search shows at a moment, or nil if it shows none.
func (d *device) indexed(moment millis) *deviceState {
	state := &d.live
	for i := len(d.past) - 1; i >= 0 && state.since > moment; i-- {
		state = &d.past[i]
	}
	if !state.exists {
		return nil
	}
	return state
}

func (d *device) name() string { return gjson.GetBytes(d.profile, "displayName").Str }

func (d *device) target() target { return target{d.id, "Device", "unknown", d.name()} }

// enrolled returns the users of a state that still exist.
func (s *deviceState) enrolled() []deviceUser {
	return slices.DeleteFunc(slices.Clone(s.users), func(e deviceUser) bool { return !e.user.live.exists })
}

// appendDevice renders a state of d; expand is "user", "userSummary" or empty.
func (o *Org) appendDevice(buf []byte, d *device, s *deviceState, origin, expand string) []byte {
	buf = appendField(append(buf, '{'), "id", d.id)
	buf = appendField(buf, "status", s.status)
	buf = appendTime(buf, "created", d.created)
	buf = appendTime(buf, "lastUpdated", s.lastUpdated)
	buf = appendRaw(buf, "profile", d.profile)
	buf = appendField(buf, "resourceType", "UDDevice")
	buf = append(appendField(append(appendKey(buf, "resourceDisplayName"), '{'), "value", d.name()), `,"sensitive":false}`...)
	buf = append(appendKey(buf, "resourceAlternateId"), "null"...)
	buf = appendField(buf, "resourceId", d.id)
	buf = append(appendKey(buf, "_links"), '{')
	self := "/api/v1/devices/" + d.id
	for _, step := range deviceSteps {
		if slices.Contains(step.from, s.status) {
			buf = appendAllowed(buf, step.action, origin, self+"/lifecycle/"+step.action, "POST")
		}
	}
	if s.status == deviceDeactivated { // recorded: it may be deleted, and has no link to users
		buf = appendAllowed(buf, "self", origin, self, "GET", "DELETE")
	} else {
		buf = appendAllowed(buf, "self", origin, self, "GET", "PATCH", "PUT")
		buf = appendAllowed(buf, "users", origin, self+"/users", "GET")
	}
	buf = append(buf, '}')
	if expand != "" {
		buf = append(append(appendKey(buf, "_embedded"), '{'), `"users":[`...)
		for i, e := range s.enrolled() {
			if i > 0 {
				buf = append(buf, ',')
			}
			buf = o.appendDeviceUser(buf, e, origin, expand)
		}
		buf = append(buf, "]}"...)
	}
	return append(buf, '}')
}

func (o *Org) appendDeviceUser(buf []byte, e deviceUser, origin, expand string) []byte {
	buf = appendField(append(buf, '{'), "managementStatus", e.management)
	buf = appendTime(buf, "created", e.created)
	buf = appendField(buf, "screenLockType", e.screenLock)
	buf = appendKey(buf, "user")
	if expand == "user" {
		return append(o.appendUser(buf, e.user, &e.user.live, origin, allLinks), '}')
	}
	profile := o.profileOf(&e.user.live)
	buf = appendField(append(buf, '{'), "id", e.user.id)
	buf = append(appendKey(buf, "profile"), '{')
	for _, name := range []string{"firstName", "lastName", "login", "email"} {
		buf = appendField(buf, name, profile.Get(name).Str)
	}
	buf = append(append(buf, '}', ','), `"_links":{`...)
	return append(appendHref(buf, "self", origin, "/api/v1/users/"+e.user.id), "}}}"...)
}

const deviceAttributes = `id status lastUpdated profile.displayName profile.platform profile.manufacturer profile.model
	profile.osVersion profile.serialNumber profile.imei profile.meid profile.udid profile.sid profile.registered
	profile.secureHardwarePresent profile.diskEncryptionType profile.tpmPublicKeyHash profile.integrityJailbreak profile.managed`

var searchDevices = dialect{
	operators: "eq sw co gt ge lt le pr",
	known:     func(attribute string) bool { return slices.Contains(strings.Fields(deviceAttributes), attribute) },
	refuse:    invalidSearch,
}

// containing lists the attributes of a device that can be searched with co.
const containing = "profile.displayName profile.serialNumber profile.imei profile.meid profile.udid profile.sid"

func parseDeviceSearch(search string) (*expression, error) {
	e, err := searchDevices.parse(search)
	if err != nil {
		return nil, err
	}
	return e, e.comparisons(func(c *expression) error {
		if c.operator == "co" && !slices.Contains(strings.Fields(containing), c.attribute) {
			return invalidSearch("operator co is not supported for " + c.attribute)
		}
		return nil
	})
}

// listDevices answers a search from an index that is Config.SearchDelay behind, and anything else from the present
// state.
func listDevices(o *Org, c *call) (answer, error) {
	query := c.URL.Query()
	expand := query.Get("expand")
	if expand != "" && expand != "user" && expand != "userSummary" {
		return answer{}, invalid("expand", "'expand' must be user or userSummary.")
	}
	if after := query.Get("after"); after != "" {
		if _, err := o.parseCursor("devices", after); err != nil {
			return answer{}, invalidSearch("Invalid cursor.") // recorded: E0000031 here, unlike E0000001 elsewhere
		}
	}
	var e *expression
	moment := millisOf(c.now)
	if search := query.Get("search"); search != "" {
		var err error
		if e, err = parseDeviceSearch(search); err != nil {
			return answer{}, err
		}
		moment = millisOf(c.now.Add(-o.cfg.SearchDelay))
	}
	p, err := o.openPage(c, "devices", pageDevices, pageDevices)
	if err != nil {
		return answer{}, err
	}
	for i := p.start; i < len(o.devices.all); i++ {
		d := o.devices.all[i]
		state := d.indexed(moment)
		if state == nil || e != nil && !e.matches(gjson.ParseBytes(o.appendDevice(nil, d, state, "", ""))) {
			continue
		}
		if p.full() {
			p.more(o, c, i)
			break
		}
		p.element()
		p.buf = o.appendDevice(p.buf, d, state, c.origin, expand)
	}
	return p.answer(), nil
}

const pageDevices = 200

func getDevice(o *Org, c *call) (answer, error) {
	d, err := o.findDevice(c.PathValue("deviceId"))
	if err != nil {
		return answer{}, err
	}
	return answer{body: o.appendDevice(nil, d, &d.live, c.origin, "")}, nil
}

// deleteDevice requires a deactivated device. Okta documents an error for any other, but not which one. Here it is that
// of the lifecycle.
func deleteDevice(o *Org, c *call) (answer, error) {
	d, err := o.findDevice(c.PathValue("deviceId"))
	if err != nil {
		return answer{}, err
	}
	if d.live.status != deviceDeactivated {
		return answer{}, invalid("status", "A device with the status "+d.live.status+" cannot be deleted, it must be deactivated first.")
	}
	next := d.live
	next.exists = false
	o.changeDevice(d, millisOf(c.now), next)
	o.emit(c, "device.lifecycle.delete", "Delete device", d.target())
	return answer{status: http.StatusNoContent}, nil
}

// take runs the step. A deactivated device loses its users.
func (s deviceStep) take(o *Org, c *call) (answer, error) {
	d, err := o.findDevice(c.PathValue("deviceId"))
	if err != nil {
		return answer{}, err
	}
	if !slices.Contains(s.from, d.live.status) {
		return answer{}, invalid("status", "A device with the status "+d.live.status+" does not allow the action "+s.action+".")
	}
	next := d.live
	next.status = s.to
	if s.to == deviceDeactivated {
		next.users = nil
	}
	o.changeDevice(d, millisOf(c.now), next)
	o.emit(c, "device.lifecycle."+s.action, s.message, d.target())
	return answer{status: http.StatusNoContent}, nil
}

// listUserDevices returns a single page.
func listUserDevices(o *Org, c *call) (answer, error) {
	u, err := o.findUser(c.PathValue("userId"))
	if err != nil {
		return answer{}, err
	}
	buf := []byte{'['}
	for _, d := range o.devices.all {
		for _, e := range d.live.users {
			if e.user != u || !d.live.exists {
				continue
			}
			if len(buf) > 1 {
				buf = append(buf, ',')
			}
			buf = appendTime(append(buf, '{'), "created", e.created)
			buf = appendField(buf, "deviceUserId", e.id)
			buf = append(o.appendDevice(appendKey(buf, "device"), d, &d.live, c.origin, ""), '}')
		}
	}
	return answer{body: append(buf, ']')}, nil
}

// Devices returns all devices as in GET /api/v1/devices, oldest first.
func (o *Org) Devices() []json.RawMessage {
	o.mu.RLock()
	defer o.mu.RUnlock()
	var all []json.RawMessage
	for _, d := range o.devices.all {
		if d.live.exists {
			all = append(all, o.appendDevice(nil, d, &d.live, o.cfg.PublicURL, ""))
		}
	}
	return all
}

// Device returns a device as in GET /api/v1/devices/{deviceId}.
func (o *Org) Device(id string) (json.RawMessage, bool) {
	o.mu.RLock()
	defer o.mu.RUnlock()
	d := o.devices.byID[id]
	if d == nil {
		return nil, false
	}
	return o.appendDevice(nil, d, &d.live, o.cfg.PublicURL, ""), true
}
