package oktatest

import "strconv"

var deviceModels = []struct{ platform, name, manufacturer, model, version, encryption string }{
	{"MACOS", "MacBook", "APPLE", "MacBookPro18,3", "14.6.1", "ALL_INTERNAL_VOLUMES"},
	{"WINDOWS", "DESKTOP", "Acme Computers", "Tower 7", "10.0.22631", "NONE"},
	{"IOS", "iPhone", "APPLE", "iPhone14,2", "17.5.0", "FULL"},
	{"ANDROID", "Handset", "Acme Phones", "A-42", "14:2031-01-05", "USER"},
}

// seedDevices creates devices of every platform and status. Ada Lovelace has two, and shares one with Alan Turing.
func (o *Org) seedDevices() {
	o.devices.byID = map[string]*device{}
	started := millisOf(o.started) / 1000 * 1000
	for i := range o.cfg.Devices {
		h := o.ids.hash(domainDevice, uint64(i)+1<<40)
		created := started - day*millis(10+h%400)
		d := &device{
			id: o.ids.seeded("guo", domainDevice, i), profile: seedDeviceProfile(i, h), created: created,
			live: deviceState{exists: true, status: seedDeviceStatus(i), lastUpdated: created + day*millis(h>>16%9)},
		}
		if d.live.status == active || d.live.status == suspended {
			d.live.users = o.seedDeviceUsers(i, created)
		}
		o.devices.all = append(o.devices.all, d)
		o.devices.byID[d.id] = d
	}
}

func seedDeviceStatus(i int) string {
	switch i % 8 {
	case 2:
		return suspended
	case 3:
		return deviceDeactivated
	case 4:
		return deviceCreated
	}
	return active
}

// seedDeviceUsers enrolls one user, and a second one on every fourth device.
func (o *Org) seedDeviceUsers(i int, created millis) []deviceUser {
	var enrolled []deviceUser
	for second := range 2 {
		if len(o.users.all) == 0 || second == 1 && i%4 != 0 {
			break
		}
		e := deviceUser{
			id: o.ids.seeded("lnk", domainDevice, 2*i+second), user: o.users.all[(1+i/2+second)%len(o.users.all)],
			created: created + 1000*millis(second), management: "NOT_MANAGED", screenLock: "BIOMETRIC",
		}
		if i%2 == 0 {
			e.management = "MANAGED"
		}
		if i%3 == 1 {
			e.screenLock = "PASSCODE"
		}
		enrolled = append(enrolled, e)
	}
	return enrolled
}

func seedDeviceProfile(i int, h uint64) []byte {
	m := deviceModels[i%len(deviceModels)]
	serial := "SIM" + strconv.FormatUint(h>>8%1e9, 10)
	buf := appendField([]byte{'{'}, "displayName", m.name+"-"+strconv.Itoa(100+i))
	buf = appendField(buf, "platform", m.platform)
	buf = appendField(buf, "manufacturer", m.manufacturer)
	buf = appendField(buf, "model", m.model)
	buf = appendField(buf, "osVersion", m.version)
	buf = appendField(buf, "serialNumber", serial)
	switch m.platform {
	case "WINDOWS":
		buf = appendField(buf, "sid", "S-1-5-21-"+strconv.FormatUint(h>>4%1e10, 10)+"-500")
	case "ANDROID":
		buf = appendField(buf, "imei", strconv.FormatUint(1e14+h%1e14, 10))
	default:
		udid := []byte("00000000-0000-0000-0000-000000000000")
		writeUUID(udid, h, mix(h))
		buf = appendField(buf, "udid", string(udid))
	}
	buf = appendBool(buf, "registered", true)
	buf = appendBool(buf, "secureHardwarePresent", m.platform != "WINDOWS")
	return append(appendField(buf, "diskEncryptionType", m.encryption), '}')
}
