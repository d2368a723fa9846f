package confine

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// TestMain runs the process that confines itself, where CONFINE_POLICY asks for it.
func TestMain(m *testing.M) {
	if policy := os.Getenv("CONFINE_POLICY"); policy != "" {
		os.Exit(confined(policy, os.Getenv("CONFINE_DIR")))
	}
	os.Exit(m.Run())
}

// attempt is something that a confined process tries.
type attempt struct {
	name string
	try  func(dir string) error
}

func call(number uintptr, args ...uintptr) error {
	var a [6]uintptr
	copy(a[:], args)
	if _, _, errno := unix.Syscall6(number, a[0], a[1], a[2], a[3], a[4], a[5]); errno != 0 {
		return errno
	}
	return nil
}

// makeSocket makes a socket of a family.
func makeSocket(family int) error {
	kind := unix.SOCK_STREAM
	if family == unix.AF_NETLINK || family == unix.AF_PACKET {
		kind = unix.SOCK_RAW
	}
	fd, err := unix.Socket(family, kind, 0)
	if err == nil {
		_ = unix.Close(fd)
	}
	return err
}

func attempts() []attempt {
	file := func(dir, name string) string { return filepath.Join(dir, name) }
	return []attempt{
		{"read a file of the folder", func(dir string) error { _, err := os.ReadFile(file(dir, "in/file")); return err }},
		{"write a file of the folder", func(dir string) error { return os.WriteFile(file(dir, "in/new"), nil, 0o600) }},
		{"remove a file of the folder", func(dir string) error {
			f, err := os.CreateTemp(file(dir, "in"), "gone")
			if err != nil {
				return err
			}
			_ = f.Close()
			return os.Remove(f.Name())
		}},
		{"read a file elsewhere", func(dir string) error { _, err := os.ReadFile(file(dir, "out/file")); return err }},
		{"write a file elsewhere", func(dir string) error { return os.WriteFile(file(dir, "out/new"), nil, 0o600) }},
		{"truncate a file elsewhere", func(dir string) error { return os.Truncate(file(dir, "out/file"), 0) }},
		{"list a folder elsewhere", func(dir string) error { _, err := os.ReadDir(file(dir, "out")); return err }},
		{"link a file elsewhere", func(dir string) error {
			return os.Link(file(dir, "out/file"), file(dir, fmt.Sprintf("in/linked%d", unix.Gettid())))
		}},
		{"make a symbolic link", func(dir string) error { return os.Symlink("/", file(dir, fmt.Sprintf("in/symlink%d", unix.Gettid()))) }},
		{"change a mode", func(dir string) error { return os.Chmod(file(dir, "out/file"), 0o666) }},
		{"gain privileges by a program", func(string) error {
			if set, err := unix.PrctlRetInt(unix.PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0); err != nil || set == 1 {
				return unix.EPERM
			}
			return nil
		}},
		{"leave a core dump", func(string) error {
			var limit unix.Rlimit
			err := unix.Getrlimit(unix.RLIMIT_CORE, &limit)
			if set, _ := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0); err != nil || set == 0 && limit.Max == 0 {
				return unix.EPERM
			}
			return nil
		}},
		{"read the memory of the parent", func(string) error {
			f, err := os.Open(fmt.Sprintf("/proc/%d/mem", os.Getppid()))
			if err == nil {
				_ = f.Close()
			}
			return err
		}},
		{"set a time", func(dir string) error { return os.Chtimes(file(dir, "in/file"), time.Unix(1, 0), time.Unix(1, 0)) }},
		{"change a mode of the folder", func(dir string) error { return os.Chmod(file(dir, "in/file"), 0o666) }},
		{"change an owner", func(dir string) error { return os.Chown(file(dir, "in/file"), 1, 1) }},
		{"read the parent's environment", func(string) error {
			_, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", os.Getppid()))
			return err
		}},
		{"start a program", func(string) error {
			pid, err := syscall.ForkExec("/bin/true", []string{"true"}, nil)
			if err == nil {
				_, err = unix.Wait4(pid, nil, 0, nil)
			}
			return err
		}},
		{"execve", func(string) error { return call(unix.SYS_EXECVE, 0, 0, 0) }},
		{"execveat", func(string) error { return call(unix.SYS_EXECVEAT, 0, 0, 0, 0, 0) }},
		{"ptrace", func(string) error { return call(unix.SYS_PTRACE, unix.PTRACE_ATTACH, uintptr(os.Getppid())) }},
		{"process_vm_readv", func(string) error { return call(unix.SYS_PROCESS_VM_READV, uintptr(os.Getppid())) }},
		{"socket", func(string) error { return makeSocket(unix.AF_INET) }},
		{"socket of IPv6", func(string) error {
			err := makeSocket(unix.AF_INET6)
			if errors.Is(err, unix.EAFNOSUPPORT) { // a machine without IPv6
				return nil
			}
			return err
		}},
		{"socketpair", func(string) error {
			fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
			if err == nil {
				_, _ = unix.Close(fds[0]), unix.Close(fds[1])
			}
			return err
		}},
		{"Unix socket", func(string) error { return makeSocket(unix.AF_UNIX) }},
		{"packet socket", func(string) error { return makeSocket(unix.AF_PACKET) }},
		{"list of interfaces", func(string) error { return makeSocket(unix.AF_NETLINK) }},
		{"bpf", func(string) error { return call(unix.SYS_BPF) }},
		{"io_uring", func(string) error { return call(unix.SYS_IO_URING_SETUP, 1, 0) }},
		{"userfaultfd", func(string) error { return call(unix.SYS_USERFAULTFD) }},
		{"perf_event_open", func(string) error { return call(unix.SYS_PERF_EVENT_OPEN) }},
		{"mount", func(string) error { return unix.Mount("none", "/mnt", "tmpfs", 0, "") }},
		{"unshare", func(string) error { return unix.Unshare(unix.CLONE_NEWUSER) }},
		{"chroot", func(dir string) error { return unix.Chroot(dir) }},
		{"signal the parent", func(string) error { return unix.Kill(os.Getppid(), 0) }},
		{"signal everybody", func(string) error { return unix.Kill(-1, 0) }},
		{"signal itself", func(string) error { return unix.Kill(os.Getpid(), 0) }},
		{"raise a limit", func(string) error {
			return unix.Prlimit(0, unix.RLIMIT_CORE, &unix.Rlimit{Cur: 1 << 20, Max: 1 << 20}, nil)
		}},
		{"ask for a limit", func(string) error { return unix.Prlimit(0, unix.RLIMIT_CORE, nil, &unix.Rlimit{}) }},
		{"type into a terminal", func(string) error {
			c := byte('x')
			return call(unix.SYS_IOCTL, 0, unix.TIOCSTI, uintptr(unsafe.Pointer(&c)))
		}},
		{"allocate 1 GiB", func(string) error {
			b, err := unix.Mmap(-1, 0, 1<<30, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
			if err == nil {
				_ = unix.Munmap(b)
			}
			return err
		}},
	}
}

// confined confines this process and prints a line for each attempt, made on several threads that ran before.
func confined(policy, dir string) int {
	var p Policy
	if err := json.Unmarshal([]byte(policy), &p); err != nil {
		fmt.Println(err)
		return 1
	}
	const threads = 4
	begin, ready := make(chan struct{}), sync.WaitGroup{}
	results := make([]map[string]error, threads)
	var done sync.WaitGroup
	ready.Add(threads)
	for i := range threads {
		done.Go(func() {
			runtime.LockOSThread()
			ready.Done()
			<-begin
			results[i] = map[string]error{}
			for _, a := range attempts() {
				results[i][a.name] = a.try(dir)
			}
		})
	}
	ready.Wait()
	report, err := Apply(p)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	close(begin)
	done.Wait()
	fmt.Println("walls:", report)
	for _, a := range attempts() {
		for i := range threads {
			err := results[i][a.name]
			if (err == nil) != (results[0][a.name] == nil) {
				fmt.Printf("%s: thread %d: %v, another: %v\n", a.name, i, err, results[0][a.name])
			}
		}
		verdict := "done"
		switch err := results[0][a.name]; {
		case errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) || errors.Is(err, unix.EXDEV):
			verdict = "refused"
		case errors.Is(err, unix.ENOMEM):
			verdict = "no memory"
		case err != nil:
			verdict = err.Error()
		}
		fmt.Printf("%s: %s\n", a.name, verdict)
	}
	return 0
}

// try runs a confined process and returns what became of each attempt.
func try(t *testing.T, p Policy, dir string) map[string]string {
	t.Helper()
	policy, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = []string{"CONFINE_POLICY=" + string(policy), "CONFINE_DIR=" + dir}
	text, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	became := map[string]string{}
	for line := range strings.Lines(string(text)) {
		name, verdict, _ := strings.Cut(strings.TrimSpace(line), ": ")
		if _, twice := became[name]; twice {
			t.Errorf("threads differ: %s", line)
		}
		became[name] = verdict
	}
	return became
}

func folders(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for _, sub := range []string{"in", "out"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, sub, "file"), []byte("text"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestApply_WithAFolder_KeepsNothingElse(t *testing.T) {
	if s := Supported(); s.Landlock < 6 || !s.Seccomp {
		t.Skipf("this kernel has %s", s)
	}
	dir := folders(t)
	kept := map[string]bool{"read a file of the folder": true, "write a file of the folder": true, "remove a file of the folder": true,
		"signal itself": true, "ask for a limit": true}
	became := try(t, Policy{Write: []string{filepath.Join(dir, "in")}, Data: 512 << 20}, dir)
	for _, a := range attempts() {
		want := "refused"
		switch {
		case kept[a.name]:
			want = "done"
		case a.name == "allocate 1 GiB" && !raced:
			want = "no memory"
		case a.name == "allocate 1 GiB":
			continue
		}
		if got := became[a.name]; got != want {
			t.Errorf("%s: %s, want %s", a.name, got, want)
		}
	}
	if text, err := os.ReadFile(filepath.Join(dir, "out/file")); err != nil || string(text) != "text" {
		t.Errorf("the file elsewhere is %q, %v", text, err)
	}
}

// TestApply_ThatKeepsAll_LeavesIt shows that the attempts succeed where nothing forbids them: without this, the other tests
// prove nothing.
func TestApply_ThatKeepsAll_LeavesIt(t *testing.T) {
	dir := folders(t)
	became := try(t, Policy{Read: []string{"/"}, Write: []string{dir}, Execute: []string{"/"}, Network: true, Unix: true, Start: true}, dir)
	for _, name := range []string{"read a file of the folder", "write a file of the folder", "read a file elsewhere", "write a file elsewhere",
		"list a folder elsewhere", "truncate a file elsewhere", "start a program", "socket", "socket of IPv6", "list of interfaces", "Unix socket", "socketpair", "signal the parent", "signal itself", "allocate 1 GiB"} {
		if got := became[name]; got != "done" {
			t.Errorf("%s: %s, want done", name, got)
		}
	}
}

// TestApply_WithAttributesAndNetwork_KeepsThem is the policy of a program that writes files and makes requests.
func TestApply_WithAttributesAndNetwork_KeepsThem(t *testing.T) {
	if s := Supported(); s.Landlock < 6 || !s.Seccomp {
		t.Skipf("this kernel has %s", s)
	}
	dir := folders(t)
	kept := map[string]bool{"read a file of the folder": true, "write a file of the folder": true, "remove a file of the folder": true,
		"signal itself": true, "ask for a limit": true, "allocate 1 GiB": true, "socket": true, "socket of IPv6": true, "list of interfaces": true,
		"change a mode": true, "change a mode of the folder": true, "set a time": true}
	if os.Getuid() == 0 {
		kept["change an owner"] = true
	}
	for _, reachesUnix := range []bool{false, true} {
		kept["Unix socket"], kept["socketpair"] = reachesUnix, reachesUnix
		became := try(t, Policy{Read: []string{"/proc"}, Write: []string{filepath.Join(dir, "in")}, Network: true, Unix: reachesUnix, Attributes: true}, dir)
		for _, a := range attempts() {
			want := "refused"
			if kept[a.name] {
				want = "done"
			}
			if got := became[a.name]; got != want {
				t.Errorf("Unix sockets %v: %s: %s, want %s", reachesUnix, a.name, got, want)
			}
		}
	}
}

// TestApply_ThatStartsPrograms_StartsThoseNamed is the policy of a process that starts others.
func TestApply_ThatStartsPrograms_StartsThoseNamed(t *testing.T) {
	if s := Supported(); s.Landlock < 6 || !s.Seccomp {
		t.Skipf("this kernel has %s", s)
	}
	for name, c := range map[string]struct {
		policy Policy
		kept   []string
	}{
		"none":  {Policy{Read: []string{"/"}, Start: true}, []string{"read a file elsewhere"}},
		"all":   {Policy{Execute: []string{"/"}, Start: true}, []string{"start a program", "signal the parent"}},
		"files": {Policy{AllFiles: true, Start: true, Network: true}, []string{"start a program", "read a file elsewhere", "write a file elsewhere", "socket"}},
	} {
		became := try(t, c.policy, folders(t))
		for _, kept := range append(c.kept, "signal itself") {
			if got := became[kept]; got != "done" {
				t.Errorf("%s: %s: %s, want done", name, kept, got)
			}
		}
		for _, refused := range []string{"ptrace", "process_vm_readv", "bpf", "mount", "gain privileges by a program", "leave a core dump", "change a mode"} {
			if got := became[refused]; got != "refused" {
				t.Errorf("%s: %s: %s, want refused", name, refused, got)
			}
		}
		if got := became["start a program"]; name == "none" && got != "refused" {
			t.Errorf("%s: start a program: %s, want refused", name, got)
		}
	}
}
