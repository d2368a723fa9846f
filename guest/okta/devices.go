package okta

import (
	"cmp"
	"slices"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/hostcall"
)

var (
	readDevices   = []string{"okta.devices.read"}
	manageDevices = []string{"okta.devices.manage"}

	getDevices     = abi.Endpoint{Endpoint: "GET /api/v1/devices", Bucket: "/api/v1/devices", Scopes: readDevices}
	getDevice      = abi.Endpoint{Endpoint: "GET /api/v1/devices/{deviceId}", Bucket: "/api/v1/devices", Scopes: readDevices}
	deleteDevice   = abi.Endpoint{Endpoint: "DELETE /api/v1/devices/{deviceId}", Bucket: "/api/v1/devices", Scopes: manageDevices}
	getUserDevices = abi.Endpoint{Endpoint: "GET /api/v1/users/{userId}/devices", Bucket: "/api/v1/users", Scopes: []string{"okta.users.read"}}
)

var deviceInput = idInput("device", "the device's id")

var deviceOperations = []operation{
	{
		name:        "lookup_device",
		summary:     "Reads one device. Identity Engine only.",
		class:       abi.Read,
		surfaces:    axonSQL,
		idempotency: abi.Safe,
		inputs:      []input{deviceInput},
		example:     `{"device":"guoTR3yslxGF2H07cwkO"}`,
		key:         "id",
		columns:     deviceColumns,
		endpoints:   []abi.Endpoint{getDevice},
		get:         &get{endpoint: getDevice.Endpoint, path: []blank{{"deviceId", "device"}}, noun: "device", typ: "Device"},
	},
	{
		name:        "list_devices",
		summary:     "Lists the org's devices. With search, a change takes about a second to be found. Identity Engine only.",
		class:       abi.Read,
		surfaces:    axonSQL,
		idempotency: abi.Safe,
		inputs: []input{
			textInput("search", "4096", `a SCIM expression, such as status eq "ACTIVE" and profile.platform eq "WINDOWS"`),
			{"expand", false, `{"enum":["user","userSummary"],"description":"puts the device's users into the record"}`},
			limitInput, pageSize200, cursorInput,
		},
		example:   `{"search":"status eq \"ACTIVE\""}`,
		key:       "id",
		columns:   deviceColumns,
		endpoints: []abi.Endpoint{getDevices},
		list:      &list{endpoint: getDevices.Endpoint, query: []param{{"search", "search"}, {"expand", "expand"}}, keep: []param{{"expand", "expand"}}, maxPage: 200},
	},
	{
		name:        "list_user_devices",
		summary:     "Lists the devices of a user. Identity Engine only.",
		class:       abi.Read,
		surfaces:    axonSQL,
		idempotency: abi.Safe,
		inputs:      []input{userInput},
		example:     `{"user":"ada.lovelace@example.com"}`,
		key:         "deviceUserId",
		columns: []column{
			{"device_user_id", abi.Varchar, "deviceUserId", "id of the pair"},
			{"device_id", abi.Varchar, "device.id", ""},
			{"status", abi.Varchar, "device.status", "ACTIVE, CREATED, DEACTIVATED or SUSPENDED"},
			{"display_name", abi.Varchar, "device.profile.displayName", ""},
			{"platform", abi.Varchar, "device.profile.platform", ""},
			{"manufacturer", abi.Varchar, "device.profile.manufacturer", ""},
			{"model", abi.Varchar, "device.profile.model", ""},
			{"os_version", abi.Varchar, "device.profile.osVersion", ""},
			{"serial_number", abi.Varchar, "device.profile.serialNumber", ""},
			{"registered", abi.Boolean, "device.profile.registered", ""},
			{"created", abi.TimestampTZ, "created", "when the user was bound to it"},
			{"device", abi.JSON, "device", ""},
		},
		endpoints: []abi.Endpoint{getUser, getUsers, getUserDevices},
		list:      &list{endpoint: getUserDevices.Endpoint, resolve: (*call).userPath, noun: "user", typ: "User"},
	},
	{
		name:        "device_lifecycle_action",
		summary:     "Moves a device to another state. delete deactivates first, and a device that is gone already stays unchanged.",
		class:       abi.Destructive,
		rules:       []abi.ClassRule{{Field: "action", Equals: "activate", Class: abi.Write}, {Field: "action", Equals: "unsuspend", Class: abi.Write}},
		surfaces:    axon,
		idempotency: abi.Verified,
		inputs: []input{
			deviceInput,
			{"action", true, `{"enum":["activate","unsuspend","deactivate","suspend","delete"],"description":"what to do"}`},
		},
		example: `{"device":"guoTR3yslxGF2H07cwkO","action":"suspend"}`,
		key:     "id",
		endpoints: []abi.Endpoint{getDevice, of(abi.Destructive, deleteDevice), of(abi.Write, deviceLifecycle("activate")),
			of(abi.Destructive, deviceLifecycle("deactivate")), of(abi.Destructive, deviceLifecycle("suspend")), of(abi.Write, deviceLifecycle("unsuspend"))},
		do: moveDevice,
	},
}

func deviceLifecycle(action string) abi.Endpoint {
	return abi.Endpoint{Endpoint: "POST /api/v1/devices/{deviceId}/lifecycle/" + action, Bucket: "/api/v1/devices", Scopes: manageDevices}
}

var deviceColumns = []column{
	{"id", abi.Varchar, "id", "the device's id"},
	{"status", abi.Varchar, "status", "ACTIVE, CREATED, DEACTIVATED or SUSPENDED"},
	{"display_name", abi.Varchar, "profile.displayName", ""},
	{"platform", abi.Varchar, "profile.platform", "ANDROID, CHROMEOS, IOS, MACOS or WINDOWS"},
	{"manufacturer", abi.Varchar, "profile.manufacturer", ""},
	{"model", abi.Varchar, "profile.model", ""},
	{"os_version", abi.Varchar, "profile.osVersion", ""},
	{"serial_number", abi.Varchar, "profile.serialNumber", ""},
	{"imei", abi.Varchar, "profile.imei", ""},
	{"meid", abi.Varchar, "profile.meid", ""},
	{"udid", abi.Varchar, "profile.udid", ""},
	{"sid", abi.Varchar, "profile.sid", "of Windows"},
	{"registered", abi.Boolean, "profile.registered", ""},
	{"secure_hardware_present", abi.Boolean, "profile.secureHardwarePresent", ""},
	{"disk_encryption_type", abi.Varchar, "profile.diskEncryptionType", ""},
	{"created", abi.TimestampTZ, "created", ""},
	{"last_updated", abi.TimestampTZ, "lastUpdated", ""},
	{"resource_id", abi.Varchar, "resourceId", "the id again"},
	{"resource_type", abi.Varchar, "resourceType", ""},
	{"resource_display_name", abi.JSON, "resourceDisplayName", ""},
	{"profile", abi.JSON, "profile", ""},
	{"embedded", abi.JSON, "_embedded", "the users, with expand"},
	{"links", abi.JSON, "_links", ""},
}

func (c *call) device(id string) (object, *result) {
	return c.object(hostcall.Request{Endpoint: getDevice.Endpoint, Path: at("deviceId", id)}, "Device", "device")
}

// deviceMoves are the states that each action starts from, and the one that it leads to.
var deviceMoves = []struct {
	action string
	from   []string
	to     string
}{
	{"activate", []string{"CREATED", "DEACTIVATED"}, "ACTIVE"},
	{"unsuspend", []string{"SUSPENDED"}, "ACTIVE"},
	{"deactivate", []string{"ACTIVE", "SUSPENDED"}, "DEACTIVATED"},
	{"suspend", []string{"ACTIVE"}, "SUSPENDED"},
}

func moveDevice(c *call) result {
	id, action := c.str("device"), c.str("action")
	before, failed := c.device(id)
	if before.gone && action == "delete" {
		return result{outcome: abi.Unchanged, output: states(id, "", "DELETED", "DELETED")}
	}
	if failed != nil {
		return *failed
	}
	if action != "delete" {
		return c.setDevice(before, action)
	}
	name, status := before.Get("profile", "displayName").Str(), before.Get("status").Str()
	undone, deactivated := "the device was not deleted", false
	if status != "DEACTIVATED" { // which alone can be deleted
		r := c.setDevice(before, "deactivate")
		if !r.outcome.OK() {
			r.err.Message = undone + ", since it could not be deactivated first: " + r.err.Message
			return r
		}
		undone, deactivated = "the device was deactivated, and not deleted", true
	}
	output := states(id, name, status, "DELETED")
	gone := looking(func() (object, *result) { return c.device(id) }, func(d object) bool { return d.gone }, func(object) string { return output })
	r := c.change(change{
		request: hostcall.Request{Endpoint: deleteDevice.Endpoint, Path: at("deviceId", id)},
		typ:     "Device", noun: "device",
		what:   "deleting device " + id,
		undone: undone,
		final:  true,
		done:   func(hostcall.Response) result { return c.seen(gone, output, "deleting device "+id) },
		refused: func(r result) result {
			if r.outcome == abi.NotFound {
				if is, now := gone(); is == holds { // somebody else was faster
					now.outcome = abi.Unchanged
					if deactivated { // which was this call's
						now.outcome = abi.Succeeded
					}
					return now
				}
			}
			r.err.Message = undone + ". " + r.err.Message
			return r
		},
		look: gone,
	})
	if !r.outcome.OK() && r.outcome != abi.Unknown && deactivated {
		r.output = states(id, name, status, "DEACTIVATED")
	}
	return r
}

func (c *call) setDevice(before object, action string) result {
	id, status, name := before.Get("id").Str(), before.Get("status").Str(), before.Get("profile", "displayName").Str()
	for _, m := range deviceMoves {
		if m.action != action {
			continue
		}
		if status == m.to {
			return result{outcome: abi.Unchanged, output: states(id, name, status, status)}
		}
		if !slices.Contains(m.from, status) {
			return refuse("status", "the device is "+status+" and cannot be taken through "+action)
		}
		return c.change(change{
			request: hostcall.Request{Endpoint: deviceLifecycle(action).Endpoint, Path: at("deviceId", id)},
			typ:     "Device", noun: "device",
			what:   action + " of device " + id,
			undone: "the device is still " + status,
			trace:  cmp.Or(before.Get("lastUpdated").Str(), before.Get("created").Str()),
			done: func(hostcall.Response) result {
				r := result{outcome: abi.Succeeded}
				now, failed := c.device(id)
				switch {
				case failed != nil:
					r.warnings = []string{"the status afterwards could not be read"}
				case now.Get("status").Str() != m.to:
					r = c.agreed(func() (reading, result) {
						if now, failed = c.device(id); failed == nil && now.Get("status").Str() == m.to {
							return holds, result{}
						}
						return absent, result{}
					}, action+" of device "+id)
				}
				r.output = states(id, name, status, now.Get("status").Str())
				return r
			},
			refused: func(r result) result {
				if now, failed := c.device(id); failed == nil && now.Get("status").Str() == m.to { // somebody else was faster
					return result{outcome: abi.Unchanged, output: states(id, name, status, m.to)}
				}
				return r
			},
			look: func() (reading, result) {
				now, failed := c.device(id)
				switch {
				case failed != nil:
					return untold, result{}
				case now.Get("status").Str() == m.to:
					return holds, result{output: states(id, name, status, m.to)}
				case now.Get("status").Str() == status:
					return absent, result{}
				}
				return untold, result{} // somebody else moved it meanwhile
			},
		})
	}
	return fail(abi.Invalid, "input", "there is no action "+action)
}
