package main

import (
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mach5/okta-connector/cmd/wasm-runner/internal/cli"
	"github.com/mach5/okta-connector/host/hosttest"
	"github.com/mach5/okta-connector/host/hosttest/invented"
)

// TestRunner_WithAModuleOfAnotherKind_UsesItsFolderAndSchema runs a module that is not for Okta.
func TestRunner_WithAModuleOfAnotherKind_UsesItsFolderAndSchema(t *testing.T) {
	depot := &invented.Depot{}
	depot.Put("drill-1", "A")
	server := httptest.NewServer(depot)
	defer server.Close()
	dir := t.TempDir()
	module := filepath.Join(dir, "depot.wasm")
	if err := os.WriteFile(module, invented.Connector.Bytes(t), 0o600); err != nil {
		t.Fatal(err)
	}
	config := func(folder, more string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Join(dir, folder), 0o700); err != nil {
			t.Fatal(err)
		}
		text := "connections:\n  - name: main\n    kind: depot\n    base_url: " + server.URL + "\n    token_secret_ref: env:DEPOT_KEY\n    allow_private_network: true\n" + more
		if err := os.WriteFile(filepath.Join(dir, folder, "connections.yaml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run := func(args ...string) ran {
		t.Helper()
		return runIn(t, dir, module, "", []string{"DEPOT_KEY=" + hosttest.Token, "XDG_STATE_HOME=" + filepath.Join(dir, "state")}, args...)
	}
	config("okta-connector", "")
	if got := run("invoke", "get_item", `{"sku":"drill-1"}`); got.code != cli.ExitUsage || !strings.Contains(got.stderr, filepath.Join(dir, "depot-connector", "connections.yaml")) {
		t.Errorf("with the folder of another kind: %+v", got)
	}
	config("depot-connector", "")
	if got := run("invoke", "get_item", `{"sku":"drill-1"}`); got.code != 0 || !strings.Contains(got.stdout, "drill-1") {
		t.Errorf("%+v", got)
	}
	if got := run("invoke", "depot.move_item", `{"sku":"drill-1","shelf":"B"}`, "--grant", "write", "--idempotency-key", "k1"); got.code != 0 || depot.Shelf("drill-1") != "B" {
		t.Errorf("%+v", got)
	}
	if _, err := os.Stat(filepath.Join(dir, "state", "depot-connector", "journal")); err != nil {
		t.Error(err)
	}
	config("depot-connector", "    default_page_size: 10\n")
	if got := run("invoke", "get_item", `{"sku":"drill-1"}`); got.code != cli.ExitUsage || !strings.Contains(got.stderr, "connections.yaml:7: unknown field default_page_size: a connection has name, kind, base_url, token_secret_ref, grants, ") {
		t.Errorf("with a field that this module does not take: %+v", got)
	}
	config("depot-connector", "")
	if got := run("backfill", "--since", "2026-01-01", "--until", "2026-01-02", "--checkpoint", filepath.Join(dir, "cp.json"), "--out", filepath.Join(dir, "x.ndjson")); got.code != cli.ExitUsage ||
		!strings.Contains(got.stderr, "the module names no operation that reads a range: name one with --operation") {
		t.Errorf("backfill of a module that names none: %+v", got)
	}
}

// TestCheck_ConnectorWithoutValidate_ReadsSomethingElse: only a connector that says more of its connection has validate.
func TestCheck_ConnectorWithoutValidate_ReadsSomethingElse(t *testing.T) {
	depot := &invented.Depot{}
	server := httptest.NewServer(depot)
	defer server.Close()
	dir := t.TempDir()
	module, config := filepath.Join(dir, "depot.wasm"), filepath.Join(dir, "connections.yaml")
	text := "connections:\n  - name: main\n    kind: depot\n    base_url: " + server.URL + "\n    token_secret_ref: env:DEPOT_KEY\n    allow_private_network: true\n"
	for file, content := range map[string][]byte{module: invented.Connector.Bytes(t), config: []byte(text)} {
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	check := func(key string) ran {
		return runIn(t, dir, module, "", []string{"DEPOT_KEY=" + key}, "--config", config, "check")
	}
	if got := check(hosttest.Token); got.code != 0 || !strings.Contains(got.stdout+got.stderr, "list_items succeeds") {
		t.Errorf("%+v", got)
	}
	if got := check("anotherKey0123456789"); got.code == 0 || !strings.Contains(got.stdout+got.stderr, "the key is not valid") {
		t.Errorf("with a key that is not valid: %+v", got)
	}
}

// TestRunner_WithConnectionsOfTwoKinds_NamesThoseItCannotUse runs a file that has connections of the module's kind and of others.
func TestRunner_WithConnectionsOfTwoKinds_NamesThoseItCannotUse(t *testing.T) {
	depot := &invented.Depot{}
	depot.Put("drill-1", "A")
	server := httptest.NewServer(depot)
	defer server.Close()
	dir := t.TempDir()
	module, config := filepath.Join(dir, "depot.wasm"), filepath.Join(dir, "connections.yaml")
	entry := func(name, kind, variable string) string {
		return "  - name: " + name + "\n    kind: " + kind + "\n    base_url: " + server.URL + "\n    token_secret_ref: env:" + variable + "\n    allow_private_network: true\n"
	}
	write := func(entries ...string) {
		t.Helper()
		if err := os.WriteFile(config, []byte("connections:\n"+strings.Join(entries, "")), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(module, invented.Connector.Bytes(t), 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) ran {
		t.Helper()
		return runIn(t, dir, module, "", []string{"DEPOT_KEY=" + hosttest.Token}, append([]string{"--config", config}, args...)...)
	}
	const depotMissing = `connections.yaml:3: connection "typo" has kind depott, but the module is for depot. Did you mean depot? For another kind, name its module with --module FILE`
	write(entry("typo", "depott", "DEPOT_KEY"))
	for _, args := range [][]string{{"invoke", "get_item", `{"sku":"drill-1"}`}, {"sql", "SHOW TABLES"}, {"table", "list_items"}} {
		if got := run(args...); got.code != cli.ExitUsage || !strings.Contains(got.stderr, depotMissing) {
			t.Errorf("%q: %+v", args, got)
		}
	}
	if got := run("check"); got.code != 1 || !strings.Contains(got.stdout, depotMissing) {
		t.Errorf("check: %+v", got)
	}
	// One connection of the module's kind needs no name.
	write(entry("org", "okta", "OKTA"), entry("main", "depot", "DEPOT_KEY"))
	if got := run("invoke", "depot.get_item", `{"sku":"drill-1"}`); got.code != 0 || !strings.Contains(got.stdout, "drill-1") {
		t.Errorf("invoke: %+v", got)
	}
	other := `left out: ` + config + `:3: connection "org" has kind okta, but the module is for depot`
	if got := run("sql", "SELECT sku FROM items"); got.code != 0 || !strings.Contains(got.stdout, "drill-1") || !strings.Contains(got.stderr, other) {
		t.Errorf("sql: %+v", got)
	}
	if got := run("sql", "FROM okta.users"); got.code == 0 || !strings.Contains(got.stderr, `Catalog Error: `+config+`:3: connection "org" has kind okta`) {
		t.Errorf("sql over the other kind: %+v", got)
	}
	// A missing secret changes no name.
	write(entry("main", "depot", "DEPOT_KEY"), entry("second", "depot", "NONE"))
	if got := run("sql", "FROM items"); got.code == 0 || !strings.Contains(got.stderr, `items is ambiguous: write connector_table('main', 'list_items', …) (left out: connection "second": `) {
		t.Errorf("sql with a missing secret: %+v", got)
	}
	write(entry("org", "okta", "OKTA"), entry("a", "depot", "DEPOT_KEY"), entry("b", "depot", "NONE"))
	got := run("source", "poll_movements", "--all", "--checkpoint-dir", filepath.Join(dir, "state"), "--out", filepath.Join(dir, "{connection}.ndjson"))
	if got.code == 0 || !strings.Contains(got.stderr, other) || !strings.Contains(got.stderr, "1 of 2 connections failed, and 1 of another kind left out") {
		t.Errorf("source --all: %+v", got)
	}
	write(entry("org", "okta", "OKTA"), entry("more", "okta", "OKTA"))
	if got := run("invoke", "get_item", `{"sku":"drill-1"}`); got.code != cli.ExitUsage || !strings.Contains(got.stderr, "has no connection of kind depot, the kind of the module: it has org (okta), more (okta). Add one, or name the module of another kind with --module FILE") {
		t.Errorf("without a connection of the kind: %+v", got)
	}
}

// TestRunner_DemoOfAnotherKind_IsRefused: the simulated org of --demo is of one kind.
func TestRunner_DemoOfAnotherKind_IsRefused(t *testing.T) {
	dir := t.TempDir()
	module := filepath.Join(dir, "depot.wasm")
	if err := os.WriteFile(module, invented.Connector.Bytes(t), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"invoke", "get_item", `{"sku":"drill-1"}`}, {"sql", "SHOW TABLES"}, {"check"}} {
		got := runIn(t, dir, module, "", nil, append([]string{"--demo"}, args...)...)
		if got.code == 0 || !strings.Contains(got.stdout+got.stderr, "--demo has a simulated org of kind okta, but the module is for depot: leave out --demo") {
			t.Errorf("%q: %+v", args, got)
		}
	}
	if got := runIn(t, dir, module, "", nil, "check"); !strings.Contains(got.stdout, "Name one with --config, with a connection of kind depot") || strings.Contains(got.stdout, "--demo") {
		t.Errorf("without a connection file: %+v", got)
	}
}
