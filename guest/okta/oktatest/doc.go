// Package oktatest is a stateful simulated Okta org, in the spirit of net/http/httptest.
//
// An [Org] is an http.Handler with users, their sessions and factors, groups, applications, devices, authenticators,
// policies, network zones, admin roles, OAuth clients, authorization servers and a System Log. It answers as Okta does,
// down to error bodies, rate-limit headers, Link headers and what happens on the second call; every change that a request
// makes leaves an event in the log, as far as Okta has one for it. The same [Config] and clock give the same bytes.
//
//	org := oktatest.New(oktatest.Config{Users: 500})
//	server := org.Start()
//	defer server.Close()
//	// point a client at server.URL with the token org.Token()
//
// [Org.Inject] makes it misbehave: slow, failing before or after a write took effect, cutting connections. A [Replay]
// serves recorded interactions instead of a simulation. [Watch] sees whatever orgs take and answer.
//
// Nothing here is a secret: the default token, temporary passwords and activation links are made from the seed.
//
// # Adding an endpoint
//
// Each resource is one file with a table of [endpoint] rows (users.go, groups.go, …) that New concatenates. A handler
// gets a call and returns an answer or an error; locking, authentication, rate limits, faults, compression and the
// request log are done before and after it in handler.go. What one resource does when
// another changes (a user is deactivated, a group deleted) is a function in hooks.go.
package oktatest
