package observed

// secrets are the members of Okta's objects, of any kind, that read operations omit from their records.
var secrets = [][]string{
	{"client_secret"},
	{"credentials", "oauthClient", "client_secret"},
	{"credentials", "password", "value"},
	{"provider", "configuration", "secretKey"},
	{"profile", "sharedSecret"},
	{"_embedded", "activation"},
}

// DropSecrets removes from an object what records of it omit, and reports whether it had any.
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
