// Package oktatest is a stateful simulated Okta org, similar to net/http/httptest.
//
// An [Org] is an http.Handler. It has users with sessions and factors, groups, applications, devices, authenticators,
// policies and network zones. It also has admin roles, OAuth clients, authorization servers and a System Log. It
// answers like Okta, including error bodies, rate-limit headers, Link headers, and the response to a repeated call.
// Every change by a request adds an event to the log, if Okta has one for it. The same [Config] and clock give the same
// bytes.
//
//	org := oktatest.New(oktatest.Config{Users: 500})
//	server := org.Start()
//	defer server.Close()
//	// point a client at server.URL with the token org.Token()
//
// [Org.Inject] makes it misbehave: slow responses, failures before or after a write took effect, cut connections. A
// [Replay] serves recorded interactions instead of a simulation. [Watch] sees all exchanges of all orgs.
//
// Nothing here is a secret: the default token, temporary passwords and activation links are derived from the seed.
//
// # Adding an endpoint
//
// Each resource is one file with a table of [endpoint] rows (users.go, groups.go, …) that New concatenates. A handler
// gets a call and returns an answer or an error. handler.go does locking, authentication, rate limits, faults,
// compression and the request log before and after it. A function in hooks.go does what one resource does when another
// changes, such as a deactivated user or a deleted group.
package oktatest
