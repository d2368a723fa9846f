// Package oktatest simulates an Okta org with state, for tests. It is used like net/http/httptest.
//
// An [Org] is an http.Handler. It has users with sessions and factors, groups, applications, devices, authenticators,
// policies and network zones. It also has admin roles, OAuth clients, authorization servers and a System Log. It
// answers like Okta, including error bodies, rate-limit headers, Link headers, and the response to a repeated call.
// If Okta logs an event for a change, the org adds that event to its log. The same [Config] and clock produce the same
// responses, byte for byte.
//
//	org := oktatest.New(oktatest.Config{Users: 500})
//	server := org.Start()
//	defer server.Close()
//	// point a client at server.URL with the token org.Token()
//
// [Org.Inject] makes the org misbehave: slow responses, failures before or after a write took effect, cut connections. A
// [Replay] serves recorded interactions instead of a simulation. [Watch] observes all requests and responses of all orgs.
//
// Nothing in this package is a secret: it derives the default token, temporary passwords and activation links from the seed.
//
// # Adding an endpoint
//
// Each resource is one file with a table of [endpoint] rows (users.go, groups.go, …) that New concatenates. A handler
// gets a call and returns an answer or an error. handler.go does locking, authentication, rate limits, faults,
// compression and the request log before and after the handler. The functions in hooks.go change one resource when
// another changes, such as the sessions of a deactivated user.
package oktatest
