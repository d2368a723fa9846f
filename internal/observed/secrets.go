package observed

// secrets are the members of Okta's objects, of any kind, that read operations leave out of their records.
var secrets = [][]string{
	{"client_secret"},
	{"credentials", "oauthClient", "client_secret"},
	{"credentials", "password", "value"},
	{"provider", "configuration", "secretKey"},
	{"profile", "sharedSecret"},
	{"_embedded", "activation"},
}

// DropSecrets takes out of an object what a record of it leaves out, and reports whether there was any.
func DropSecrets(object any) (dropped bool) {
	for _, path := range secrets {
		m, ok := object.(map[string]any)
		last := len(path) - 1
		for _, name := range path[:last] {
			if ok {
				m, ok = m[name].(map[string]any)
			}
		}
		if _, has := m[path[last]]; ok && has {
			delete(m, path[last])
			dropped = true
		}
	}
	return dropped
}
