package host_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/hosttest"
	"github.com/mach5/okta-connector/host/journal"
)

// The manifest's sensitive members are masked at any depth, in what was read and in responses.
func TestAudit_OfASensitiveMember_IsMasked(t *testing.T) {
	k := &hosttest.Audit{}
	var manifest abi.Manifest
	if err := json.Unmarshal(hostileManifest(), &manifest); err != nil {
		t.Fatal(err)
	}
	for i := range manifest.Operations {
		for j := range manifest.Operations[i].Endpoints {
			manifest.Operations[i].Endpoints[j].Sensitive = []string{"credentials.secret"}
		}
	}
	text, err := json.Marshal(manifest)
	if err != nil {
		t.Fatal(err)
	}
	c := hosttest.Serve(t, hosttest.Package("./host/testdata/hostile", text, host.LoadOptions{}).Load(t), http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"id":"00u1","credentials":{"secret":"hunter22"},"seen":true}`))
	}), host.Config{Grants: abi.Classes()}, host.ConnectOptions{Auditor: k})
	_, err = c.Invoke(context.Background(), "write", said(`{"outcome":"succeeded","output":{"before":{"credentials":{"secret":"hunter22","seen":true}}}}`, ``,
		`{"endpoint":"GET /api/v1/users/{id}","path":{"id":"00u1"}}`, update))
	_, r := k.Last()
	text, _ = json.Marshal(r)
	if err != nil || r.Before == nil || r.After == nil || strings.Contains(string(text), "hunter22") || strings.Count(string(r.Before.Value)+string(r.After.Value), "seen") != 2 {
		t.Errorf("%v %s", err, text)
	}
}

// A module that outputs a credential, and does not say so, must not bring it into the journal. Under class read it gets none.
func TestInvoke_OfASensitiveMember_IsRemovedOrMarked(t *testing.T) {
	manifest := changed(t, func(m *abi.Manifest) {
		m.Operations[0].Endpoints[0].Sensitive = []string{"link"}
		m.Operations[1].Endpoints[2].Sensitive, m.Operations[1].Endpoints[2].Reveals = []string{"link", "seed"}, []string{"link"}
	})
	c := hosttest.Serve(t, hosttest.Package("./host/testdata/hostile", []byte(manifest), host.LoadOptions{}).Load(t), http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"id":"00u1","link":"once-only","more":{"seed":"of-codes"}}`))
	}), host.Config{Grants: abi.Classes()}, host.ConnectOptions{Journal: hosttest.Journal(t, journal.Options{})})
	send := func(op, request string, opts ...host.InvokeOptions) (*abi.Result, string) {
		res, _ := c.Invoke(context.Background(), op, json.RawMessage(`{"do":"send","emit":{},"requests":[`+request+`]}`), opts...)
		text, _ := json.Marshal(res)
		return res, string(text)
	}
	if res, text := send("read", `{"endpoint":"GET /api/v1/users/{id}","path":{"id":"00u1"}}`); res.Outcome != abi.Succeeded || res.Meta.Sensitive || strings.Contains(text, "once-only") || !strings.Contains(text, "of-codes") {
		t.Errorf("%s", text)
	}
	if res, text := send("write", update, host.InvokeOptions{IdempotencyKey: "k"}); !res.Meta.Sensitive || !strings.Contains(text, "once-only") || strings.Contains(text, "of-codes") {
		t.Errorf("%s", text)
	}
	if res, text := send("write", update, host.InvokeOptions{IdempotencyKey: "k"}); !res.Meta.Replayed || strings.Contains(text, "once-only") {
		t.Errorf("the journal has it: %s", text)
	}
}

// A body that is not JSON shows no sensitive member, and does not look like the empty body of a service that did what was asked.
func TestInvoke_ABodyThatIsNotJSONOfASensitiveMember_IsNotEmpty(t *testing.T) {
	const page = "<html>hunter22</html>"
	manifest := changed(t, func(m *abi.Manifest) { m.Operations[1].Endpoints[2].Sensitive = []string{"link"} })
	c := hosttest.Serve(t, hosttest.Package("./host/testdata/hostile", []byte(manifest), host.LoadOptions{}).Load(t), http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(page))
	}), host.Config{Grants: abi.Classes()}, host.ConnectOptions{})
	res, _ := c.Invoke(context.Background(), "write", json.RawMessage(`{"do":"send","requests":[`+update+`]}`))
	var out struct{ Answers []struct{ Body string } }
	if err := json.Unmarshal(res.Output, &out); err != nil || len(out.Answers) != 1 || out.Answers[0].Body == "" || json.Valid([]byte(out.Answers[0].Body)) || strings.Contains(string(res.Output), "hunter22") {
		t.Errorf("%v %+v", err, res)
	}
}

// The audit record must say why there is no account.
func TestAudit_OfAModuleWithoutAccount_SaysWhy(t *testing.T) {
	k := &hosttest.Audit{}
	c, got := hostile(t, func(_ *host.Config, o *host.ConnectOptions) { o.Auditor = k })
	if _, err := c.Invoke(context.Background(), "write", harm([]string{create, update, update, other}, nil)); err != nil {
		t.Fatal(err)
	}
	writing, r := k.Last()
	if r.Account == nil || r.Account.Absent != "the module's manifest has no account endpoint" || len(got.URIs()) != 4 {
		t.Errorf("%+v, received %v", r.Account, got.URIs())
	}
	if len(writing.Targets) != 1 || len(r.Targets) != 3 || r.Targets[0].Endpoint != "POST /api/v1/users" || r.Targets[1].Path["id"] != "00u1" || r.Targets[2].Path["id"] != "00u2" {
		t.Errorf("%+v", r.Targets)
	}
}
