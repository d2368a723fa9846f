package oktatest

// A missing feature is refused with 401 E0000015, which does not mean that the token is bad. The refusal comes before
// requests are counted: some recorded ones have no rate-limit headers.

// identityEngine reports whether the org has devices and authenticators. Okta documents both only for Identity Engine.
// Classic's response is not recorded; E0000015 is the response of its other missing features.
func identityEngine(c Config) bool { return c.Engine != "v1" }

// apiAccessManagement reports whether the org has authorization servers. Without them, their list and everything below
// are refused:
// https://github.com/articulate/terraform-provider-okta/pull/26
func apiAccessManagement(c Config) bool { return !c.NoAPIAccessManagement }

// Domains of ids for the neighbouring files, distinct from those in ids.go.
const (
	domainDevice uint64 = iota + 300
	domainAuthenticator
	domainAuthServer
	domainScope
	domainClaim
	domainSecret
)

// appendAllowed appends ,"key":{"href":"origin+path","hints":{"allow":[methods]}}.
func appendAllowed(buf []byte, key, origin, path string, methods ...string) []byte {
	buf = appendAllowedMembers(append(appendKey(buf, key), '{'), origin+path, methods)
	return append(buf, '}')
}

func appendAllowedMembers(buf []byte, href string, methods []string) []byte {
	buf = appendField(buf, "href", href)
	buf = append(append(appendKey(buf, "hints"), '{'), `"allow":[`...)
	for i, method := range methods {
		if i > 0 {
			buf = append(buf, ',')
		}
		buf = appendString(buf, method)
	}
	return append(buf, "]}"...)
}

// appendBool appends ,"key":true or false.
func appendBool(buf []byte, key string, value bool) []byte {
	if value {
		return append(appendKey(buf, key), "true"...)
	}
	return append(appendKey(buf, key), "false"...)
}
