package main

import (
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/mach5/okta-connector/guest/okta/oktatest"
	"github.com/mach5/okta-connector/host/network/proxytest"
)

const loginToken = "00aTokenOfATest"

// TestLogin_FromAPipe_SavesWhatWorks makes connections, uses them, and gives one a new token.
func TestLogin_FromAPipe_SavesWhatWorks(t *testing.T) {
	t.Parallel()
	path := module(t)
	dir := t.TempDir()
	org := httptest.NewTLSServer(oktatest.New(oktatest.Config{Token: loginToken, Users: 3}))
	t.Cleanup(org.Close)
	ca := filepath.Join(dir, "ca.pem")
	if err := os.WriteFile(ca, proxytest.PEM(org.Certificate()), 0o600); err != nil {
		t.Fatal(err)
	}
	none := []string{"DBUS_SESSION_BUS_ADDRESS=", "HOME=" + dir}
	login := func(token string, args ...string) ran {
		return runIn(t, dir, path, token, none, append([]string{"login"}, args...)...)
	}
	file := filepath.Join(dir, "okta-connector", "connections.yaml")
	at := []string{"--base-url", org.URL, "--ca-file", ca, "--allow-private-network", "--store", "file"}

	// Nothing is saved if it does not work.
	for i, c := range []struct {
		token string
		args  []string
		code  int
		says  string
	}{
		{"00wrong", append([]string{"okta-a"}, at...), 1, `(?s)FAIL credentials.*nothing was saved`},
		{"", append([]string{"okta-a"}, at...), 2, `the token is empty`},
		{"two words", append([]string{"okta-a"}, at...), 2, `the token contains a space`},
		{loginToken, []string{"okta-a"}, 2, `give --base-url`},
		{loginToken, []string{"okta-a", "--base-url", "https://example-admin.okta.com"}, 2, `Admin Console`},
		{loginToken, []string{"okta-a", "--base-url", org.URL, "--store", "file"}, 2, `allow_private_network|allow-private-network`},
		{loginToken, []string{"okta-a", "--base-url", org.URL, "--allow-private-network", "--store", "file"}, 1, `(?s)is not trusted here.*nothing was saved`},
		{loginToken, append([]string{"okta-a"}, append(at[:len(at)-1:len(at)-1], "keyring")...), 2, `this session has no key store`},
		{loginToken, []string{"no name"}, 2, `the name of a connection`},
		{loginToken, nil, 2, `login takes one argument`},
	} {
		if testing.Short() && i > 2 {
			break
		}
		got := login(c.token, c.args...)
		if got.code != c.code || !regexp.MustCompile(c.says).MatchString(got.stdout+got.stderr) || strings.Contains(got.stdout+got.stderr, "00wrong") {
			t.Errorf("login %v: %+v, want exit %d and %s", c.args, got, c.code, c.says)
		}
		if _, err := os.Stat(file); err == nil {
			t.Fatalf("login %v saved a connection", c.args)
		}
	}

	for _, name := range []string{"okta-a", "okta-b"} {
		if got := login(loginToken+"\n", append([]string{name}, at...)...); got.code != 0 || !strings.Contains(got.stderr, "connection "+name+" saved to "+file) || strings.Contains(got.stderr+got.stdout, loginToken) {
			t.Fatalf("%+v", got)
		}
		if got := runIn(t, dir, path, "", none, "--connection", name, "invoke", "org_identity"); got.code != 0 {
			t.Errorf("%+v", got)
		}
	}
	for name, mode := range map[string]os.FileMode{file: 0o600, filepath.Join(filepath.Dir(file), "okta-a.token"): 0o600, filepath.Dir(file): 0o700} {
		if info, err := os.Stat(name); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}

	// A new token for a connection that exists.
	before, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got := login("00wrong", "okta-a"); got.code != 1 {
		t.Errorf("%+v", got)
	}
	if got := login(loginToken, "okta-a"); got.code != 0 || !strings.Contains(got.stderr, "new token saved to file:") {
		t.Errorf("%+v", got)
	}
	if after, err := os.ReadFile(file); err != nil || string(after) != string(before) {
		t.Errorf("the file changed: %s", after)
	}
	if left, err := filepath.Glob(filepath.Join(filepath.Dir(file), ".*")); err != nil || len(left) > 0 {
		t.Errorf("files were left behind: %v, %v", left, err)
	}
}

// TestLogin_WithAServiceApp_SavesNoKey signs in with OAuth.
func TestLogin_WithAServiceApp_SavesNoKey(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("runs many processes: without -short")
	}
	path := module(t)
	dir := t.TempDir()
	app, key := oktatest.NewServiceApp(oktatest.Scopes()...)
	app.DPoP = true
	org := httptest.NewServer(oktatest.New(oktatest.Config{Token: loginToken, Users: 3, ServiceApps: []oktatest.ServiceApp{app}}))
	t.Cleanup(org.Close)
	if err := os.WriteFile(filepath.Join(dir, "app.pem"), []byte(key), 0o600); err != nil {
		t.Fatal(err)
	}
	none := []string{"DBUS_SESSION_BUS_ADDRESS=", "HOME=" + dir}
	at := []string{"login", "okta-app", "--base-url", org.URL, "--allow-private-network"}
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{append(at, "--client-id", app.ClientID), 2, `--client-id and --private-key belong together`},
		{append(at, "--client-id", app.ClientID, "--private-key", "none.pem"), 2, `--private-key: none\.pem is not a file`},
		{append(at, "--client-id", "0oaWrong", "--private-key", "app.pem", "--key-id", app.Keys[0].KeyID), 1, `nothing was saved`},
		{append(at, "--client-id", app.ClientID, "--private-key", "app.pem", "--key-id", app.Keys[0].KeyID), 0, `connection okta-app saved to \S+connections.yaml\. It may read`},
		{[]string{"--connection", "okta-app", "invoke", "lookup_user", `{"user":"ada.lovelace@example.com"}`}, 0, `"outcome":"succeeded"`},
		{[]string{"login", "okta-app"}, 2, `signs in with the key at file:\S+app.pem, which login does not keep`},
	} {
		got := runIn(t, dir, path, "", none, c.args...)
		if out := got.stdout + got.stderr; got.code != c.code || !regexp.MustCompile(c.says).MatchString(out) || strings.Contains(out, "PRIVATE KEY") {
			t.Errorf("%v: %+v, want exit %d and %s", c.args, got, c.code, c.says)
		}
	}
	if text, err := os.ReadFile(filepath.Join(dir, "okta-connector", "connections.yaml")); err != nil || strings.Contains(string(text), "PRIVATE KEY") || strings.Contains(string(text), "token_secret_ref") {
		t.Errorf("%s, %v", text, err)
	}
}

// TestLogin_AtATerminal_AsksAndHidesTheToken answers as a person would: first with a wrong address.
func TestLogin_AtATerminal_AsksAndHidesTheToken(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	org := httptest.NewServer(oktatest.New(oktatest.Config{Token: loginToken, Users: 3}))
	t.Cleanup(org.Close)
	file := filepath.Join(dir, "okta.yaml")
	o := ptyOptions{state: dir, dir: dir, env: []string{"DBUS_SESSION_BUS_ADDRESS=", "HOME=" + dir, "XDG_CONFIG_HOME=" + dir}}
	k := onPty(t, o, "--config", file, "login", "okta", "--allow-private-network")
	k.await(`Address of the org, such as https://`)
	k.keys("ftp://example.com\r")
	k.await(`its scheme is "ftp"`)
	k.keys(org.URL + "\r")
	k.await(`token or app \[token\]: `)
	k.keys("\r")
	k.await(`if the checks pass, login writes connection okta to .*okta\.yaml, and the token to file:.*okta\.token`)
	k.await(`API token \(it is not shown\): `)
	k.keys("\r") // an empty line is asked again
	k.await(`the token is empty`)
	k.await(`API token \(it is not shown\): `)
	k.keys(loginToken + "\r")
	k.await(`connection okta saved to `)
	if code := k.wait(); code != 0 || strings.Contains(k.raw(), loginToken) {
		t.Errorf("exit %d:\n%s", code, k.raw())
	}
	before := content(t, dir)
	for key, code := range map[string]int{"\x03": 130, "\x04": 2, "part\x03": 130} { // Ctrl-C and Ctrl-D
		k = onPty(t, o, "--config", file, "login", "okta")
		k.await(`API token \(it is not shown\): `)
		k.keys(key)
		k.await(`nothing was saved`)
		if got := k.wait(); got != code || strings.Contains(k.raw(), "part") {
			t.Errorf("%q ended with exit %d, want %d:\n%s", key, got, code, k.raw())
		}
	}
	if after := content(t, dir); after != before {
		t.Errorf("something was saved:\n%s", after)
	}
}

// content returns the names and texts of the files of a folder.
func content(t *testing.T, dir string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "okta.*"))
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all.WriteString(file + "\n" + string(text))
	}
	return all.String()
}

// TestLogin_AtATerminal_MakesAServiceApp answers as a person would, and then gives the app another key and other settings.
func TestLogin_AtATerminal_MakesAServiceApp(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("runs many processes: without -short")
	}
	dir := t.TempDir()
	app, key := oktatest.NewServiceApp(oktatest.Scopes()...)
	app.DPoP = true
	org := httptest.NewServer(oktatest.New(oktatest.Config{Token: loginToken, Users: 3, ServiceApps: []oktatest.ServiceApp{app}}))
	t.Cleanup(org.Close)
	for _, name := range []string{"app.pem", "new.pem"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(key), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(dir, "okta.yaml")
	o := ptyOptions{state: dir, dir: dir, env: []string{"DBUS_SESSION_BUS_ADDRESS=", "HOME=" + dir, "XDG_CONFIG_HOME=" + dir}}
	k := onPty(t, o, "--config", file, "login", "okta-app", "--allow-private-network")
	k.await(`Address of the org`)
	k.keys("\r" + org.URL + "\r")
	k.await(`token or app \[token\]: `)
	k.keys("app\r")
	k.await(`Client ID of the service app: `)
	k.keys("\r" + app.ClientID + "\r")
	k.await(`File with its private key: `)
	k.keys("none.pem\r")
	k.await(`none\.pem is not a file`)
	k.keys("app.pem\r")
	k.await(`Key id \(KID\); empty if the file has it: `)
	k.keys(app.Keys[0].KeyID + "\r")
	k.await(`if the checks pass, login writes connection okta-app to .*okta\.yaml\. The key stays at file:.*app\.pem`)
	k.await(`connection okta-app saved to `)
	if code := k.wait(); code != 0 {
		t.Fatalf("exit %d:\n%s", code, k.raw())
	}
	k = onPty(t, o, "--config", file, "login", "okta-app")
	k.await(`File with the new private key: `)
	k.keys("new.pem\r")
	k.await(`Key id \(KID\) of the new key; empty if the file has it: `)
	k.keys("\r")
	k.await(`login changes connection okta-app in .*: oauth\.private_key_ref`)
	k.await(`connection okta-app changed in `)
	if code := k.wait(); code != 0 {
		t.Fatalf("exit %d:\n%s", code, k.raw())
	}
	path := module(t)
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"--scopes", "okta.users.read,okta.orgs.read", "--dpop", "required", "--tls-min", "1.3"}, 0, `changed in`},
		{[]string{"--scopes", "okta.user.read,okta.orgs.read"}, 0, `(?s)WARN scopes +oauth.scopes has okta.user.read, which no operation needs. Did you mean okta.users.read\?.*changed in`},
		{[]string{"--key-id", "wrong"}, 1, `nothing was saved`},
		{[]string{"--dpop", "never"}, 2, `--dpop: want auto, required or off`},
		{[]string{"--proxy", "nowhere"}, 2, `--proxy: want an address such as`},
		{[]string{"--credential", "token"}, 2, `choose another name for the token`},
	} {
		got := runIn(t, dir, path, "", o.env, append([]string{"--config", file, "login", "okta-app"}, c.args...)...)
		if got.code != c.code || !regexp.MustCompile(c.says).MatchString(got.stdout+got.stderr) {
			t.Errorf("%v: %+v, want exit %d and %s", c.args, got, c.code, c.says)
		}
	}
	text, err := os.ReadFile(file)
	for _, want := range []string{"private_key_ref: \"?file:.*/new.pem", `scopes: \[okta.user.read, okta.orgs.read\]`, "dpop: required", `tls_min: "1.3"`, "key_id: " + app.Keys[0].KeyID} {
		if err != nil || !regexp.MustCompile(want).Match(text) {
			t.Errorf("%v: no %s in\n%s", err, want, text)
		}
	}
	got := runIn(t, dir, path, "", o.env, "--config", file, "check")
	for _, want := range []string{`ok   scopes +oauth.scopes leaves out: .*okta.users.read`, `ok   denied +operations that oauth.scopes rules out: .*lookup_user .*\. To allow one, add its scopes to oauth.scopes`} {
		if !regexp.MustCompile(want).MatchString(got.stdout) {
			t.Errorf("no %s in\n%s", want, got.stdout)
		}
	}
}

// TestLogin_WithAKeyStore_KeepsTheTokenThere runs a real key store, gnome-keyring.
func TestLogin_WithAKeyStore_KeepsTheTokenThere(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("starts a session with a key store: without -short")
	}
	for _, program := range []string{"dbus-run-session", "dbus-send", "gnome-keyring-daemon"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is not installed", program)
		}
	}
	path := module(t)
	dir := t.TempDir()
	org := httptest.NewServer(oktatest.New(oktatest.Config{Token: loginToken, Users: 3}))
	t.Cleanup(org.Close)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, folder := range []string{"home/.cache", "home/.local/share/keyrings", "run"} {
		if err := os.MkdirAll(filepath.Join(dir, folder), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	script := `set -eu
printf pw | gnome-keyring-daemon --foreground --unlock --components=secrets >/dev/null 2>&1 &
trap "kill $!" EXIT
until dbus-send --session --print-reply --dest=org.freedesktop.DBus / org.freedesktop.DBus.NameHasOwner string:org.freedesktop.secrets | grep true >/dev/null; do sleep 0.05; done
printf %s "$TOKEN" | "$RUNNER" login okta --base-url "$ORG" --allow-private-network
unset TOKEN
"$RUNNER" invoke org_identity
"$RUNNER" check
printf %s wrong | "$RUNNER" login okta && exit 9
sed -i s/keyring:okta/keyring:other/ "$XDG_CONFIG_HOME/okta-connector/connections.yaml"
"$RUNNER" invoke org_identity && exit 9
exit 0
`
	cmd := exec.Command("dbus-run-session", "--", "sh", "-c", script)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "HOME="+filepath.Join(dir, "home"), "XDG_RUNTIME_DIR="+filepath.Join(dir, "run"), "XDG_CONFIG_HOME="+dir,
		"WASM_RUNNER_MODULE="+path, "RUNNER="+runnerLink(t, self), "ORG="+org.URL, "TOKEN="+loginToken)
	out, err := cmd.CombinedOutput()
	text := string(out)
	for _, want := range []string{`its token to keyring:okta`, `"outcome":"succeeded"`, `ok   secret +keyring:okta is there`, `nothing was saved`, `keyring:other: the key store has no secret of that name`} {
		if !regexp.MustCompile(want).MatchString(text) {
			t.Errorf("%v: no %s in:\n%s", err, want, text)
		}
	}
	if strings.Contains(text, loginToken) {
		t.Errorf("the token is shown:\n%s", text)
	}
	files, err := filepath.Glob(filepath.Join(dir, "okta-connector", "*"))
	if err != nil || len(files) != 1 {
		t.Errorf("files: %v, %v", files, err)
	}
}

// runnerLink returns a link to this program with the name of the runner.
func runnerLink(t *testing.T, self string) string {
	t.Helper()
	link := filepath.Join(t.TempDir(), "wasm-runner")
	if err := os.Symlink(self, link); err != nil {
		t.Fatal(err)
	}
	return link
}
