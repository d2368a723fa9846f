package oktatest

// What an org lacks is refused with 401 E0000015, which does not mean that the token is bad. The refusal comes before
// requests are counted: some of the recorded ones carry no rate-limit headers.

// identityEngine tells whether there are devices and authenticators. Okta documents both for Identity Engine alone; how
// Classic answers is not recorded, and E0000015 is what its other missing features answer.
func identityEngine(c Config) bool { return c.Engine != "v1" }

// apiAccessManagement tells whether there are authorization servers. Their list is refused as well as what hangs on one:
// https://github.com/articulate/terraform-provider-okta/pull/26
func apiAccessManagement(c Config) bool { return !c.NoAPIAccessManagement }

// Domains of this file's neighbours, apart from those of ids.go.
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
