package okta

import (
	"cmp"
	"github.com/mach5/okta-connector/guest/connector"
	"slices"
	"strings"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/hostcall"
)

var (
	readDevices   = []string{"okta.devices.read"}
	manageDevices = []string{"okta.devices.manage"}

	getDevices     = abi.Endpoint{Endpoint: "GET /api/v1/devices", Bucket: "/api/v1/devices", Scopes: readDevices, Query: []string{"after", "limit", "search", "expand"}}
	getDevice      = abi.Endpoint{Endpoint: "GET /api/v1/devices/{deviceId}", Bucket: "/api/v1/devices", Scopes: readDevices}
	deleteDevice   = abi.Endpoint{Endpoint: "DELETE /api/v1/devices/{deviceId}", Bucket: "/api/v1/devices", Scopes: manageDevices}
	getUserDevices = abi.Endpoint{Endpoint: "GET /api/v1/users/{userId}/devices", Bucket: "/api/v1/users", Scopes: []string{"okta.users.read"}, Query: pageParams}
)

var deviceInput = connector.IDInput("device", "the device's id")

var deviceOperations = []connector.Operation{
	{
		Name:        "lookup_device",
		Summary:     "Reads one device. Identity Engine only.",
		Class:       abi.Read,
		Surfaces:    axonSQL,
		Idempotency: abi.Safe,
		Inputs:      []connector.Input{deviceInput},
		Example:     `{"device":"guoTR3yslxGF2H07cwkO"}`,
		Key:         "id",
		Columns:     deviceColumns,
		Display:     deviceDisplay,
		Endpoints:   []*abi.Endpoint{&getDevice},
		Get:         &connector.Get{Endpoint: getDevice.Endpoint, Path: []connector.Blank{{"deviceId", "device"}}, Noun: "device", Type: "Device"},
	},
	{
		Name:        "list_devices",
		Summary:     "Lists the org's devices. search finds a change after about a second. Identity Engine only.",
		Class:       abi.Read,
		Surfaces:    axonSQL,
		Idempotency: abi.Safe,
		Inputs: []connector.Input{
			connector.TextInput("search", "4096", `a SCIM expression, such as status eq "ACTIVE" and profile.platform eq "WINDOWS"`),
			{"expand", false, `{"enum":["user","userSummary"],"description":"adds the device's users to the record"}`},
			connector.LimitInput, pageSize200, connector.CursorInput,
		},
		Example:   `{"search":"status eq \"ACTIVE\""}`,
		Key:       "id",
		Columns:   deviceColumns,
		Display:   deviceDisplay,
		Endpoints: []*abi.Endpoint{&getDevices},
		List:      &connector.List{Endpoint: getDevices.Endpoint, Query: []connector.Param{{"search", "search"}, {"expand", "expand"}}, Keep: []connector.Param{{"expand", "expand"}}, MaxPage: 200},
		View:      &abi.View{Name: "devices", Answers: deviceAnswers},
	},
	{
		Name:        "list_user_devices",
		Summary:     "Lists the devices of a user. Identity Engine only.",
		Class:       abi.Read,
		Surfaces:    axonSQL,
		Idempotency: abi.Safe,
		Inputs:      []connector.Input{userInput},
		Example:     `{"user":"ada.lovelace@example.com"}`,
		Key:         "deviceUserId",
		Columns: []connector.Column{
			{"device_user_id", abi.Varchar, "deviceUserId", "id of the user's binding to the device"},
			{"device_id", abi.Varchar, "device.id", ""},
			{"status", abi.Varchar, "device.status", "ACTIVE, CREATED, DEACTIVATED or SUSPENDED"},
			{"display_name", abi.Varchar, "device.profile.displayName", ""},
			{"platform", abi.Varchar, "device.profile.platform", ""},
			{"manufacturer", abi.Varchar, "device.profile.manufacturer", ""},
			{"model", abi.Varchar, "device.profile.model", ""},
			{"os_version", abi.Varchar, "device.profile.osVersion", ""},
			{"serial_number", abi.Varchar, "device.profile.serialNumber", ""},
			{"registered", abi.Boolean, "device.profile.registered", ""},
			{"created", abi.TimestampTZ, "created", "when the user was bound to the device"},
			{"device", abi.JSON, "device", ""},
		},
		Display:   "display_name platform status os_version model created device_id",
		Endpoints: []*abi.Endpoint{&getUser, &getUsers, &getUserDevices},
		List:      &connector.List{Endpoint: getUserDevices.Endpoint, Resolve: userPath, Noun: "user", Type: "User"},
		View:      &abi.View{Name: "user_devices", Of: ofUsers, Comment: "The devices of each user: a request for each."},
	},
	{
		Name:        "device_lifecycle_action",
		Summary:     "Changes a device's state. delete deactivates it first; a device that is already deleted is unchanged.",
		Class:       abi.Destructive,
		Rules:       []abi.ClassRule{{Field: "action", Equals: "activate", Class: abi.Write}, {Field: "action", Equals: "unsuspend", Class: abi.Write}},
		Surfaces:    axon,
		Idempotency: abi.Verified,
		Inputs: []connector.Input{
			deviceInput,
			{"action", true, `{"enum":["activate","unsuspend","deactivate","suspend","delete"],"description":"change to make"}`},
		},
		Example: `{"device":"guoTR3yslxGF2H07cwkO","action":"suspend"}`,
		Key:     "id",
		Rejects: "status",
		Endpoints: []*abi.Endpoint{&getDevice, connector.WithClass(abi.Destructive, &deleteDevice), connector.WithClass(abi.Write, deviceLifecycle("activate")),
			connector.WithClass(abi.Destructive, deviceLifecycle("deactivate")), connector.WithClass(abi.Destructive, deviceLifecycle("suspend")), connector.WithClass(abi.Write, deviceLifecycle("unsuspend"))},
		Do: moveDevice,
	},
}

func deviceLifecycle(action string) *abi.Endpoint {
	return &abi.Endpoint{Endpoint: "POST /api/v1/devices/{deviceId}/lifecycle/" + action, Bucket: "/api/v1/devices", Scopes: manageDevices}
}

// deviceDisplay lists the columns that a table for people shows.
const deviceDisplay = "display_name platform status os_version model last_updated id"

var deviceColumns = []connector.Column{
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
	{"resource_id", abi.Varchar, "resourceId", "same as id"},
	{"resource_type", abi.Varchar, "resourceType", ""},
	{"resource_display_name", abi.JSON, "resourceDisplayName", ""},
	{"profile", abi.JSON, "profile", ""},
	{"embedded", abi.JSON, "_embedded", "the users, with expand"},
	{"links", abi.JSON, "_links", ""},
}

// deviceAnswers are the requests that select devices. A search shows changes after about a second.
var deviceAnswers = []abi.Answer{
	{Operation: "lookup_device", Conditions: []abi.Condition{{Column: "id", Value: "device"}}},
	{Operation: "list_devices", Filter: "search", Lags: true, Conditions: append(attributes(equal, "status status", "display_name profile.displayName",
		"platform profile.platform", "serial_number profile.serialNumber", "udid profile.udid"), attributes(within, "last_updated lastUpdated")...)},
}

func readDevice(c *connector.Call, id string) (connector.Object, *connector.Result) {
	return c.ReadObject(hostcall.Request{Endpoint: getDevice.Endpoint, Path: connector.Pairs("deviceId", id)}, "Device", "device")
}

// deviceMoves lists, for each action, the states it starts from and the state it leads to.
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

func moveDevice(c *connector.Call) connector.Result {
	id, action := c.Str("device"), c.Str("action")
	before, failed := readDevice(c, id)
	if before.Gone && action == "delete" {
		return connector.Result{Outcome: abi.Unchanged, Output: connector.States(id, "", "DELETED", "DELETED")}
	}
	if failed != nil {
		return *failed
	}
	if action != "delete" {
		return setDevice(c, before, action)
	}
	name, status := before.At("profile", "displayName").Str(), before.Get("status").Str()
	undone, deactivated := "the device was not deleted", false
	if status != "DEACTIVATED" { // only a DEACTIVATED device can be deleted
		r := setDevice(c, before, "deactivate")
		if !r.Outcome.OK() {
			r.Err.Message = undone + " because it could not be deactivated first: " + r.Err.Message
			return r
		}
		undone, deactivated = "the device was deactivated, but not deleted", true
	}
	output := connector.States(id, name, status, "DELETED")
	gone := connector.Look(func() (connector.Object, *connector.Result) { return readDevice(c, id) }, func(d connector.Object) bool { return d.Gone }, func(connector.Object) string { return output })
	r := c.Change(connector.Change{
		Request: hostcall.Request{Endpoint: deleteDevice.Endpoint, Path: connector.Pairs("deviceId", id)},
		Type:    "Device", Noun: "device",
		What:   "deleting device " + id,
		Undone: undone,
		Final:  true,
		Done:   func(hostcall.Response) connector.Result { return c.ConfirmEffect(gone, output, "deleting device "+id) },
		Refused: func(r connector.Result) connector.Result {
			if r.Outcome == abi.NotFound {
				if is, now := gone(); is == connector.Holds { // another client has deleted it
					now.Outcome = abi.Unchanged
					if deactivated { // the deactivation was this call's change
						now.Outcome = abi.Succeeded
					}
					return now
				}
			}
			r.Err.Message = undone + ". " + r.Err.Message
			return r
		},
		Look: gone,
	})
	if !r.Outcome.OK() && r.Outcome != abi.Unknown && deactivated {
		r.Output = connector.States(id, name, status, "DEACTIVATED")
	}
	return r
}

func setDevice(c *connector.Call, before connector.Object, action string) connector.Result {
	id, status, name := before.Get("id").Str(), before.Get("status").Str(), before.At("profile", "displayName").Str()
	for _, m := range deviceMoves {
		if m.action != action {
			continue
		}
		if status == m.to {
			return connector.Result{Outcome: abi.Unchanged, Output: connector.States(id, name, status, status)}
		}
		if !slices.Contains(m.from, status) {
			return connector.Refuse("status", "the device is "+status+": "+action+" needs status "+strings.Join(m.from, " or "))
		}
		return c.Change(connector.Change{
			Request: hostcall.Request{Endpoint: deviceLifecycle(action).Endpoint, Path: connector.Pairs("deviceId", id)},
			Type:    "Device", Noun: "device",
			What:   action + " of device " + id,
			Undone: "the device is still " + status,
			Trace:  cmp.Or(before.Get("lastUpdated").Str(), before.Get("created").Str()),
			Done: func(hostcall.Response) connector.Result {
				r := connector.Result{Outcome: abi.Succeeded}
				now, failed := readDevice(c, id)
				switch {
				case failed != nil:
					r.Warnings = []string{"Okta accepted the change, but the device could not be read afterwards"}
				case now.Get("status").Str() != m.to:
					r = c.AwaitEffect(func() (connector.Reading, connector.Result) {
						if now, failed = readDevice(c, id); failed == nil && now.Get("status").Str() == m.to {
							return connector.Holds, connector.Result{}
						}
						return connector.Absent, connector.Result{}
					}, action+" of device "+id)
				}
				r.Output = connector.States(id, name, status, now.Get("status").Str())
				return r
			},
			Refused: func(r connector.Result) connector.Result {
				if now, failed := readDevice(c, id); failed == nil && now.Get("status").Str() == m.to { // another client has changed it
					return connector.Result{Outcome: abi.Unchanged, Output: connector.States(id, name, status, m.to)}
				}
				return r
			},
			Look: func() (connector.Reading, connector.Result) {
				now, failed := readDevice(c, id)
				switch {
				case failed != nil:
					return connector.Unclear, connector.Result{}
				case now.Get("status").Str() == m.to:
					return connector.Holds, connector.Result{Output: connector.States(id, name, status, m.to)}
				case now.Get("status").Str() == status:
					return connector.Absent, connector.Result{}
				}
				return connector.Unclear, connector.Result{} // another client has changed it
			},
		})
	}
	return connector.Fail(abi.Invalid, "input", "action "+action+" is unknown: give one of the schema's")
}
