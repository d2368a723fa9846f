//go:build linux && cgo && (amd64 || arm64)

package sql_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/sql"
)

// started opens a database and returns the number of its process.
func started(t *testing.T, config sql.Config) (db *sql.DB, pid int) {
	t.Helper()
	var log bytes.Buffer
	config.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	db = open(t, config)
	found := regexp.MustCompile(`pid=(\d+)`).FindStringSubmatch(log.String())
	if found == nil {
		t.Fatalf("the log does not name the process: %s", &log)
	}
	pid, _ = strconv.Atoi(found[1])
	return db, pid
}

func TestOpen_Process_HasNothingOfThisOne(t *testing.T) {
	t.Setenv("DEPOT_KEY", "a-secret-of-the-environment")
	file, err := os.Open("main_test.go") // open in this process
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	c, _ := warehouse(t)
	_, pid := started(t, sql.Config{Connections: []*host.Connection{c}})
	proc := fmt.Sprintf("/proc/%d/", pid)
	environ, err := os.ReadFile(proc + "environ")
	if os.IsPermission(err) { // the process is not dumpable: another user than root cannot look
		t.Skip("needs root")
	}
	for _, variable := range strings.Split(strings.Trim(string(environ), "\x00"), "\x00") {
		if name, _, _ := strings.Cut(variable, "="); name != "MACH5_SQL_CHILD" && name != "GOTRACEBACK" && name != "LD_LIBRARY_PATH" {
			t.Errorf("the process has the variable %s", variable)
		}
	}
	descriptors, err := os.ReadDir(proc + "fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range descriptors {
		target, err := os.Readlink(proc + "fd/" + d.Name())
		if err != nil {
			continue // closed meanwhile
		}
		// Go's runtime reads how many processors the group has.
		if !strings.HasPrefix(target, "pipe:") && !strings.HasPrefix(target, "/sys/fs/cgroup/") && target != "/dev/null" && !strings.HasPrefix(target, "anon_inode:") {
			t.Errorf("the process has %s open, as descriptor %s", target, d.Name())
		}
	}
}

func TestOpen_Process_IsConfined(t *testing.T) {
	if walls, confined := sql.Walls(); !confined {
		t.Skipf("this kernel has %s", walls)
	}
	_, pid := started(t, sql.Config{})
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil || len(tasks) < 3 {
		t.Fatalf("%d threads, %v", len(tasks), err)
	}
	for _, task := range tasks {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/status", pid, task.Name()))
		if err != nil {
			continue // the thread has ended
		}
		for _, line := range []string{"NoNewPrivs:\t1\n", "Seccomp:\t2\n"} {
			if !strings.Contains(string(status), line) {
				t.Errorf("thread %s: no %q in\n%s", task.Name(), line, status)
			}
		}
	}
	limits, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", pid))
	if err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`Max core file size +0 +0 `).Match(limits) || regexp.MustCompile(`Max data size +unlimited`).Match(limits) {
		t.Errorf("the limits are\n%s", limits)
	}
}

// DuckDB and, behind it, landlock keep queries in the folders.
func TestFolders_QueriesReach_NothingElse(t *testing.T) {
	within, outside := t.TempDir(), t.TempDir()
	for _, dir := range []string{within, outside} {
		if err := os.WriteFile(filepath.Join(dir, "x.csv"), []byte("a\n1\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(filepath.Join(outside, "x.csv"), filepath.Join(within, "link.csv")); err != nil {
		t.Fatal(err)
	}
	db := open(t, sql.Config{AllowFiles: true, Folders: []string{within}})
	want(t, db, fmt.Sprintf("FROM '%s/x.csv'", within), "[1]")
	ask(t, db, fmt.Sprintf("COPY (SELECT 1 AS x) TO '%s/y.parquet'", within))
	for _, statement := range []string{"FROM '%s/x.csv'", "FROM read_text('%s/x.csv')", "COPY (SELECT 1) TO '%s/y.csv'", "FROM glob('%s/*')", "ATTACH '%s/z.duckdb' AS z"} {
		if out, err := try(t.Context(), db, fmt.Sprintf(statement, outside)); err == nil && strings.Count(out, "\n") > 1 {
			t.Errorf("%s: %s", statement, out)
		}
	}
	for _, path := range []string{within + "/../" + filepath.Base(outside) + "/x.csv", within + "/link.csv"} {
		if out, err := try(t.Context(), db, fmt.Sprintf("FROM read_csv('%s')", path)); err == nil {
			t.Errorf("%s: %s", path, out)
		}
	}
	if left, _ := os.ReadDir(outside); len(left) != 1 {
		t.Errorf("a query made files: %v", left)
	}
}

// TestTemporaryData_OfAKilledProcess_IsRemoved kills a process that has put data aside.
func TestTemporaryData_OfAKilledProcess_IsRemoved(t *testing.T) {
	dir := t.TempDir()
	db := open(t, sql.Config{AllowFiles: true, Folders: []string{dir}, Limits: sql.Limits{Memory: 64 << 20, Time: 3 * time.Second}})
	_, err := try(t.Context(), db, "CREATE TABLE t AS SELECT i, repeat(i::VARCHAR, 20) || random() AS x FROM range(3000000) t(i); SELECT levenshtein(repeat('a', 400000), repeat('b', 400000))")
	if err == nil || !strings.Contains(err.Error(), "it ran for 3s") {
		t.Errorf("got %v", err)
	}
	if err := db.Close(); err != nil { // where the first statement was so slow that it was stopped, the process still runs
		t.Error(err)
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("files are left: %v", left)
	}
}

// The helper below opens a database, and is killed while a statement runs.
func TestProcess_WhoseParentIsKilled_Ends(t *testing.T) {
	helper := exec.Command("/proc/self/exe", "-test.run", "^TestParent_Helper_RunsAStatement$")
	helper.Env = append(os.Environ(), "SQL_PARENT=1")
	out, err := helper.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := helper.Start(); err != nil {
		t.Fatal(err)
	}
	var pid int
	if _, err := fmt.Fscan(out, &pid); err != nil {
		t.Fatal(err)
	}
	if err := helper.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = helper.Wait() // it was killed
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil || strings.Contains(string(status), ") Z ") { // nobody may have waited for it
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the SQL process is still there: %s", status)
		}
	}
}

func TestParent_Helper_RunsAStatement(t *testing.T) {
	if os.Getenv("SQL_PARENT") == "" {
		t.Skip("this is the process that TestProcess_WhoseParentIsKilled_Ends kills")
	}
	db, pid := started(t, sql.Config{})
	go func() {
		time.Sleep(200 * time.Millisecond) // the statement runs
		fmt.Println(pid)
	}()
	_, _ = try(t.Context(), db, "SELECT levenshtein(repeat('a', 4000000), repeat('b', 4000000))")
}

func TestOpen_DatabaseFile_IsOfThisUserAlone(t *testing.T) {
	c, _ := warehouse(t)
	dir := t.TempDir()
	path := filepath.Join(dir, "kept.duckdb")
	db, err := sql.Open(t.Context(), sql.Config{Connections: []*host.Connection{c}, Database: path})
	if err != nil {
		t.Fatal(err)
	}
	ask(t, db, "CREATE TABLE t AS FROM depot.items, range(3)")
	files, err := os.ReadDir(dir)
	if err != nil || len(files) < 2 {
		t.Fatalf("%v, %v: no log of what is not in the file yet", files, err)
	}
	for _, f := range files {
		if info, err := f.Info(); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %s, %v", f.Name(), info.Mode(), err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	for _, w := range []struct {
		what   string
		change func() error
		undo   func() error
		want   string
	}{
		{"a group can write it", func() error { return os.Chmod(path, 0o660) }, func() error { return os.Chmod(path, 0o600) }, "others can write"},
		{"everybody can write it", func() error { return os.Chmod(path, 0o602) }, func() error { return os.Chmod(path, 0o600) }, "others can write"},
		{"everybody can replace it", func() error { return os.Chmod(dir, 0o777) }, func() error { return os.Chmod(dir, 0o700) }, "its folder"},
		{"everybody can write its log", func() error {
			if err := os.WriteFile(path+".wal", nil, 0o600); err != nil {
				return err
			}
			return os.Chmod(path+".wal", 0o666)
		}, func() error { return os.Remove(path + ".wal") }, "others can write"},
		{"it is another user's", func() error { return os.Chown(path, 12345, -1) }, func() error { return os.Chown(path, os.Geteuid(), -1) }, "belongs to user 12345"},
		{"its log is another user's", func() error {
			if err := os.WriteFile(path+".wal", nil, 0o600); err != nil {
				return err
			}
			return os.Chown(path+".wal", 12345, -1)
		}, func() error { return os.Remove(path + ".wal") }, "belongs to user 12345"},
		{"it is a folder", func() error { return os.Mkdir(path+".wal", 0o700) }, func() error { return os.Remove(path + ".wal") }, "is no file"},
	} {
		if err := w.change(); err != nil {
			if os.IsPermission(err) {
				continue // root alone gives files away
			}
			t.Fatal(err)
		}
		db, err := sql.Open(t.Context(), sql.Config{Connections: []*host.Connection{c}, Database: path})
		if err == nil {
			_ = db.Close()
		}
		if err == nil || !strings.Contains(err.Error(), w.want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: got %v, want %q", w.what, err, w.want)
		}
		if err := w.undo(); err != nil {
			t.Fatal(err)
		}
	}
	again := open(t, sql.Config{Connections: []*host.Connection{c}, Database: path})
	want(t, again, "SELECT count(*) > 10 FROM t", "[true]")
}

// The file is in another folder than its name.
func TestOpen_DatabaseBehindALink_KeepsTables(t *testing.T) {
	real, link := filepath.Join(t.TempDir(), "real.duckdb"), filepath.Join(t.TempDir(), "kept.duckdb")
	for i, path := range []string{real, link, link} {
		if i == 1 {
			if err := os.Symlink(real, link); err != nil {
				t.Fatal(err)
			}
		}
		db, err := sql.Open(t.Context(), sql.Config{Database: path})
		if err != nil {
			t.Fatal(err)
		}
		want(t, db, fmt.Sprintf("CREATE TABLE t%d AS SELECT 1 AS x; SELECT count(*) FROM duckdb_tables()", i), fmt.Sprintf("[%d]", i+1))
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestDatabase_WhoseProcessIsKilled_KeepsWhatWasCommitted crashes the process after each write.
func TestDatabase_WhoseProcessIsKilled_KeepsWhatWasCommitted(t *testing.T) {
	db := open(t, sql.Config{Database: filepath.Join(t.TempDir(), "kept.duckdb")})
	ask(t, db, "CREATE TABLE t(x INT)")
	for i := 1; i <= 3; i++ {
		ask(t, db, "INSERT INTO t FROM range(1000)")
		ask(t, db, "BEGIN; INSERT INTO t FROM range(7)") // is lost
		if failed := fails(t, db, crashers[i%len(crashers)]); !failed.SessionLost {
			t.Fatal(failed)
		}
		want(t, db, "SELECT count(*) FROM t", fmt.Sprintf("[%d]", 1000*i))
	}
}
