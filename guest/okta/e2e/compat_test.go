package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/okta/minor0"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/connections"
	"github.com/mach5/okta-connector/host/hosttest"
	"github.com/mach5/okta-connector/host/journal"
	"github.com/mach5/okta-connector/internal/compat"
)

// connectOld connects a module to an org by the old connection file, at the address of the old org.
func connectOld(t *testing.T, wasm []byte, org *compat.Org, opts host.ConnectOptions) *host.Connection {
	t.Helper()
	server := httptest.NewServer(org)
	t.Cleanup(server.Close)
	configs, err := oldSchema(t).Parse(compat.File(t, compat.ConnectionFile))
	if err != nil {
		t.Fatal(err)
	}
	opts.Secrets, opts.Sleep = hosttest.Secret(compat.Token), hosttest.ShortSleep
	opts.Dial = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, server.Listener.Addr().String())
	}
	if opts.Journal == nil {
		opts.Journal = hosttest.Journal(t, journal.Options{})
	}
	return hosttest.Connect(t, hosttest.Packed(wasm, host.LoadOptions{Minor0: minor0.Manifest()}).Load(t), configs[0], opts)
}

// oldSchema returns the old module's schema of connections.
func oldSchema(t *testing.T) *connections.Schema {
	t.Helper()
	m, err := host.ReadManifest(compat.Module(t))
	if err != nil {
		t.Fatal(err)
	}
	s, err := connections.NewSchema(m)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// oldAndNew returns the old module and today's.
func oldAndNew(t *testing.T) map[string][]byte {
	t.Helper()
	return map[string][]byte{"old module": compat.Module(t), "today's module": hosttest.Connector.Bytes(t)}
}

func TestLoad_OldModule_WorksOnEverySurface(t *testing.T) {
	ctx := context.Background()
	org := compat.NewOrg(compat.Events)
	c := connectOld(t, compat.Module(t), org, host.ConnectOptions{})
	if n := len(c.Module().Manifest().Operations); n == 0 {
		t.Error("the old manifest has no operations")
	}

	res, err := c.Invoke(ctx, "lookup_user", json.RawMessage(`{"user":"ada@example.com"}`))
	if err != nil || gjson.GetBytes(res.Output, "profile.login").String() != "ada@example.com" {
		t.Errorf("invoke: %+v, %v", res, err)
	}
	res, err = c.Invoke(ctx, "deactivate_user", json.RawMessage(`{"user":"ada@example.com"}`))
	if err != nil || res.Outcome != abi.Succeeded || org.Writes() != 1 {
		t.Errorf("a write: %+v, %v, %d writes", res, err, org.Writes())
	}

	n := 0
	for rec, err := range c.Source(ctx, host.SourceOptions{Operation: "poll_system_log_page"}) {
		if err != nil {
			t.Fatal(err)
		}
		if rec.Key != compat.EventID(n) {
			t.Errorf("source: record %d is %s", n, rec.Key)
		}
		n++
	}
	if n != compat.Events {
		t.Errorf("source: %d records, want %d", n, compat.Events)
	}

	rows, err := c.Table(ctx, "list_users", nil, host.TableOptions{})
	if err != nil {
		t.Fatal(err)
	}
	login := slices.IndexFunc(rows.Columns(), func(col abi.Column) bool { return col.Name == "login" })
	var logins []string
	for row, err := range rows.All() {
		if err != nil {
			t.Fatal(err)
		}
		logins = append(logins, fmt.Sprint(row.Values[login]))
	}
	if want := compat.Logins(); !slices.Equal(logins, want) {
		t.Errorf("table: %q, want %q", logins, want)
	}
}

func TestConnections_OldFile_MeansTheSame(t *testing.T) {
	configs, err := oldSchema(t).Parse(compat.File(t, compat.ConnectionFile))
	if err != nil || len(configs) != 1 {
		t.Fatal(configs, err)
	}
	got, want := configs[0], host.Config{
		Name: "okta", Kind: "okta", BaseURL: compat.BaseURL(t), TokenSecretRef: "env:COMPAT_TOKEN", DefaultPageSize: 20,
		InitialLookbackSeconds: 86400, RateLimitShare: 0.9, Grants: []abi.Class{abi.Read, abi.Write, abi.Destructive},
		MaxWritesPerMinute: 60, MaxDestructivePerHour: 100, Approve: []abi.Class{abi.Privileged}, AllowPrivateNetwork: true,
	}
	want.Limits = got.Limits
	if a, b := fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", want); a != b {
		t.Errorf("%s, want %s", a, b)
	}
	l := got.Limits
	if l.CallTimeout != 300*time.Second || l.Requests != 2000 || l.BodyBytes != 64<<20 || l.HeldBytes != 512<<20 || l.Records != 100_000 ||
		l.ResultBytes != 256<<20 || l.MemoryBytes != 64<<20 || l.Concurrency != 16 || l.LogBytes != 64<<10 {
		t.Errorf("limits %+v", l)
	}
}

func TestJournal_OldFile_AnswersAndSettlesItsKeys(t *testing.T) {
	for name, wasm := range oldAndNew(t) {
		t.Run(name, func(t *testing.T) {
			ctx := context.Background()
			org := compat.NewOrg(compat.Events)
			for _, login := range []string{"alan@example.com", "grace@example.com"} {
				org.Deactivate(login) // as the old runner did
			}
			// The clock shows the old runner's time, since keys expire.
			when := func() time.Time { return compat.Now.AddDate(0, 0, 1) }
			file, err := journal.Open(filepath.Join(compat.Copy(t, "", compat.JournalFile), compat.JournalFile), journal.Options{Now: when})
			if err != nil {
				t.Fatal(err)
			}
			c := connectOld(t, wasm, org, host.ConnectOptions{Journal: file})
			invoke := func(login, key string) *abi.Result {
				t.Helper()
				res, err := c.Invoke(ctx, "deactivate_user", json.RawMessage(`{"user":"`+login+`"}`), host.InvokeOptions{IdempotencyKey: key})
				if err != nil {
					t.Errorf("%s: %v", key, err)
				}
				return res
			}
			if res := invoke("alan@example.com", "done"); !res.Meta.Replayed || gjson.GetBytes(res.Output, "after").String() != "DEPROVISIONED" {
				t.Errorf("a key that is done: %+v %+v", res, res.Error)
			}
			if res := invoke("grace@example.com", "in doubt"); !res.Meta.Reconciled {
				t.Errorf("a key in doubt: %+v %+v", res, res.Error)
			}
			if n := org.Writes(); n != 0 {
				t.Errorf("%d writes were repeated", n)
			}
		})
	}
}

func TestAudit_OldFile_IsReadAndContinued(t *testing.T) {
	old := compat.File(t, compat.AuditFile)
	outcomes := map[string][]abi.Outcome{}
	for line := range bytes.Lines(old) {
		var r host.AuditRecord
		if err := json.Unmarshal(line, &r); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		if r.Time.IsZero() || r.Connection != "okta" || r.Operation != "deactivate_user" || r.Class != abi.Destructive || len(r.Requests) == 0 {
			t.Errorf("%+v", r)
		}
		if r.Phase == host.AuditWriting {
			r.Outcome = "writing"
		}
		outcomes[r.Key] = append(outcomes[r.Key], r.Outcome)
	}
	if got, want := fmt.Sprint(outcomes), "map[done:[writing succeeded] in doubt:[writing unknown]]"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	path := filepath.Join(compat.Copy(t, "", compat.AuditFile), compat.AuditFile)
	audit, err := host.OpenAuditFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = audit.Close() }()
	c := connectOld(t, compat.Module(t), compat.NewOrg(0), host.ConnectOptions{Auditor: audit})
	if _, err := c.Invoke(context.Background(), "lookup_user", json.RawMessage(`{"user":"ada@example.com"}`)); err != nil {
		t.Fatal(err)
	}
	now, err := os.ReadFile(path)
	if err != nil || !bytes.HasPrefix(now, old) || !json.Valid(now[len(old):]) {
		t.Errorf("%v: %s", err, now)
	}
}
