package main

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/tidwall/gjson"

	"github.com/mach5/okta-connector/guest/okta/oktatest"
)

// ask sends a request to the org, as an administrator's browser does, and returns the body.
func ask(t *testing.T, org *oktatest.Server, method, path, body string) string {
	t.Helper()
	req, err := http.NewRequest(method, org.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "SSWS "+org.Token())
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode/100 != 2 {
		t.Fatalf("%s: %s", path, resp.Status)
	}
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Who became an administrator since yesterday: one command finds the one who did, and nothing else.
func TestInventory_NewAdministrator_IsFoundAndNothingElse(t *testing.T) {
	if testing.Short() {
		t.Skip("starts several processes")
	}
	t.Parallel()
	org := oktatest.New(oktatest.Config{Users: 12, Groups: 4, Events: -1}).Start()
	defer func() { _ = org.Close() }()
	r := newRunner(t, org, org.Token())
	file := filepath.Join(t.TempDir(), "admins.snapshot")
	run := func() string {
		t.Helper()
		var stderr bytes.Buffer
		cmd := r.command("inventory", "--snapshot", file, "--kinds", "user_roles,group_roles")
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%v: %s", err, stderr.String())
		}
		return string(out)
	}
	if out := run(); out != "" {
		t.Errorf("the first snapshot has changes: %s", out)
	}
	var user string
	for _, u := range gjson.Parse(ask(t, org, http.MethodGet, "/api/v1/users", "")).Array() {
		if id := u.Get("id").Str; len(org.AssignedRoles(id)) == 0 && u.Get("status").Str == "ACTIVE" {
			user = id
		}
	}
	ask(t, org, http.MethodPost, "/api/v1/users/"+user, `{"profile":{"nickName":"Not a role"}}`) // a change of another kind
	ask(t, org, http.MethodPost, "/api/v1/users/"+user+"/roles", `{"type":"SUPER_ADMIN"}`)
	out := run()
	change := gjson.Parse(out)
	if strings.Count(out, "\n") != 1 || change.Get("change").Str != "added" || change.Get("kind").Str != "user_roles" ||
		change.Get("parent").Str != user || change.Get("record.type").Str != "SUPER_ADMIN" {
		t.Errorf("user %s: %s", user, out)
	}
	if out := run(); out != "" {
		t.Errorf("nothing changed: %s", out)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info, err)
	}
	other := oktatest.New(oktatest.Config{Users: 3, Events: -1}).Start()
	defer func() { _ = other.Close() }()
	message, err := newRunner(t, other, other.Token()).command("inventory", "--snapshot", file).CombinedOutput()
	if err == nil || !strings.Contains(string(message), "name another file") || bytes.Count(message, []byte("\n")) != 1 {
		t.Errorf("another org: %v %s", err, message)
	}
}

// A user gets a role directly on top of the same role through a group, and the other way round. Each grant is one change.
func TestInventory_RoleDirectAndThroughAGroup_EachGrantIsFound(t *testing.T) {
	if testing.Short() {
		t.Skip("starts several processes")
	}
	t.Parallel()
	org := oktatest.New(oktatest.Config{Users: 6, Groups: 4, Events: -1}).Start()
	defer func() { _ = org.Close() }()
	r := newRunner(t, org, org.Token())
	file := filepath.Join(t.TempDir(), "admins.snapshot")
	run := func() []gjson.Result {
		t.Helper()
		out, err := r.command("inventory", "--snapshot", file, "--kinds", "user_roles").Output()
		if err != nil {
			t.Fatal(err)
		}
		return gjson.Get("["+strings.ReplaceAll(string(out), "}\n{", "},{")+"]", "@this").Array()
	}
	var users []string
	for _, u := range gjson.Parse(ask(t, org, http.MethodGet, "/api/v1/users", "")).Array() {
		if id := u.Get("id").Str; u.Get("status").Str == "ACTIVE" && ask(t, org, http.MethodGet, "/api/v1/users/"+id+"/roles", "") == "[]" {
			users = append(users, id)
		}
	}
	if len(users) < 2 {
		t.Fatalf("%d users without a role", len(users))
	}
	const role = `{"type":"USER_ADMIN"}`
	group := gjson.Get(ask(t, org, http.MethodPost, "/api/v1/groups", `{"profile":{"name":"Admins of users"}}`), "id").Str
	ask(t, org, http.MethodPost, "/api/v1/groups/"+group+"/roles", role)
	direct := func(user string) { ask(t, org, http.MethodPost, "/api/v1/users/"+user+"/roles", role) }
	join := func(user string) { ask(t, org, http.MethodPut, "/api/v1/groups/"+group+"/users/"+user, "") }
	join(users[0])
	direct(users[1])
	run()
	for _, c := range []struct {
		user, want string
		grant      func(string)
	}{{users[0], "USER", direct}, {users[1], "GROUP", join}} {
		c.grant(c.user)
		if got := run(); len(got) != 1 || got[0].Get("change").Str != "added" || got[0].Get("parent").Str != c.user || got[0].Get("record.assignmentType").Str != c.want {
			t.Errorf("%s: %s", c.want, got)
		}
	}
	if got := run(); len(got) != 0 {
		t.Errorf("nothing changed: %s", got)
	}
}

// The changes of a finished export could not be printed. The next run prints them, and those since, by a new export. A kind that
// the token may not read makes the run fail if it is named.
func TestInventory_AfterAFullDisk_PrintsOldAndNewChanges(t *testing.T) {
	if testing.Short() {
		t.Skip("starts several processes")
	}
	t.Parallel()
	org := oktatest.New(oktatest.Config{Users: 3, Groups: 2, Events: -1, Forbid: []string{"GET /api/v1/zones"}}).Start()
	defer func() { _ = org.Close() }()
	r := newRunner(t, org, org.Token())
	file := filepath.Join(t.TempDir(), "groups.snapshot")
	command := func(kinds string) *exec.Cmd { return r.command("inventory", "--snapshot", file, "--kinds", kinds) }
	if out, err := command("groups").Output(); err != nil || len(out) > 0 {
		t.Fatalf("%v %s", err, out)
	}
	group := func(name string) {
		ask(t, org, http.MethodPost, "/api/v1/groups", `{"profile":{"name":"`+name+`"}}`)
	}
	group("Before")
	cmd := command("groups")
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip(err)
	}
	defer func() { _ = full.Close() }()
	if cmd.Stdout = full; cmd.Run() == nil {
		t.Fatal("the changes were not printed, and the run succeeded")
	}
	group("After")
	out, err := command("groups").Output()
	if lines := strings.Split(string(out), "\n"); err != nil || len(lines) != 3 || !strings.Contains(lines[0], "Before") || !strings.Contains(lines[1], "After") {
		t.Errorf("%v %s", err, out)
	}
	out, err = command("groups,zones").Output()
	if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) || exit.ExitCode() != 1 || string(out) != `{"incomplete":["zones"]}`+"\n" {
		t.Errorf("%v %s", err, out)
	}
}

// After Ctrl-C, the command says that it can continue. With other kinds, it says that it does not.
func TestInventory_Interrupted_SaysHowToContinue(t *testing.T) {
	if testing.Short() {
		t.Skip("starts several processes")
	}
	t.Parallel()
	org := oktatest.New(oktatest.Config{Users: 30, Groups: 30, Events: -1, MaxPageSize: 7, RateLimits: map[string]int{"*": -1}})
	var left atomic.Int64
	var interrupt func()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if left.Add(-1) == 0 {
			interrupt()
			<-req.Context().Done()
		}
		org.ServeHTTP(w, req)
	}))
	defer server.Close()
	r := newRunner(t, &oktatest.Server{Org: org, URL: server.URL}, org.Token())
	file := filepath.Join(t.TempDir(), "org.snapshot")
	var out bytes.Buffer
	cmd := r.command("inventory", "--kinds", "users,groups", "--snapshot", file)
	cmd.Stdout, cmd.Stderr = &out, &out
	interrupt = func() { _ = cmd.Process.Signal(os.Interrupt) }
	left.Store(6)
	if err := cmd.Run(); cmd.ProcessState.ExitCode() != 130 || !strings.Contains(out.String(), "run the same command within 24 hours to continue it\n") {
		t.Errorf("%v: %s", err, out.String())
	}
	left.Store(-1)
	text, err := r.command("inventory", "--kinds", "groups", "--snapshot", file).CombinedOutput()
	if err != nil || !strings.Contains(string(text), "dropped the interrupted export that began ") {
		t.Errorf("%v: %s", err, text)
	}
}

// An export is killed with SIGKILL again and again, at one of its requests. The last run finishes it. Its snapshot is that of
// an export that nothing interrupted.
func TestInventory_KilledAtAnyMoment_ContinuesAndIsWhole(t *testing.T) {
	if testing.Short() {
		t.Skip("starts many processes")
	}
	t.Parallel()
	org := oktatest.New(oktatest.Config{Users: 30, Groups: 130, Events: -1, MaxPageSize: 7, RateLimits: map[string]int{"*": -1}})
	var left atomic.Int64
	var kill atomic.Pointer[func()]
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if left.Add(-1) == 0 {
			(*kill.Load())()
		}
		org.ServeHTTP(w, req)
	}))
	defer server.Close()
	r := newRunner(t, &oktatest.Server{Org: org, URL: server.URL}, org.Token())
	dir := t.TempDir()
	args := func(name string) []string {
		return []string{"inventory", "--kinds", "users,groups,group_members", "--snapshot", filepath.Join(dir, name)}
	}
	left.Store(-1)
	if out, err := r.command(args("whole")...).CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	continued, killed := 0, 0
	for n := 0; ; n++ {
		if n > 200 {
			t.Fatal("the export does not end")
		}
		var out bytes.Buffer
		cmd := r.command(args("killed")...)
		cmd.Stdout, cmd.Stderr = &out, &out
		stop := func() { _ = cmd.Process.Kill() }
		kill.Store(&stop)
		left.Store(int64(12 + 9*n%40))
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		err := cmd.Wait()
		left.Store(-1)
		if strings.Contains(out.String(), "continuing the export") {
			continued++
		}
		if err == nil {
			break
		}
		if killed++; !strings.Contains(err.Error(), "killed") {
			t.Fatalf("%v %s", err, out.String())
		}
	}
	if killed == 0 || continued == 0 {
		t.Errorf("killed %d times, continued %d times", killed, continued)
	}
	objects := func(name string) string {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(string(text), "\n")
		return strings.Join(lines[1:len(lines)-2], "\n") // without the times of the header, and the checksum
	}
	if objects("killed") != objects("whole") {
		t.Error("the snapshot of the killed export is not that of the whole one")
	}
	t.Logf("killed %d times, continued %d times", killed, continued)
}
