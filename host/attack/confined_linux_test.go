package attack

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mach5/okta-connector/abi/conformance"
	"github.com/mach5/okta-connector/guest/okta/minor0"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/compile"
	"github.com/mach5/okta-connector/host/confinement"
	"github.com/mach5/okta-connector/host/hosttest"
)

// confinedEnv makes this program a process that confines itself and then makes the attack that is its value. confinedDir is the
// attack's folder.
const confinedEnv, confinedDir = "ATTACK_CONFINED", "ATTACK_CONFINED_DIR"

// misdeed is an attack of a hostile module that controls the process. try makes it in a confined process.
type misdeed struct {
	name, wall string
	// files lists the files that the process needs.
	files func(dir string, f *confinement.Files)
	try   func(dir string) error
}

// call makes a system call and returns its error. An error other than that of a refusal means that the kernel has looked at the
// arguments.
func call(number uintptr, args ...uintptr) error {
	var a [6]uintptr
	copy(a[:], args)
	if _, _, errno := unix.Syscall6(number, a[0], a[1], a[2], a[3], a[4], a[5]); errno != 0 {
		return errno
	}
	return nil
}

// misdeeds returns the attacks of a confined process. Its folder has the folders in and out, each with a file.
func misdeeds() []misdeed {
	in := func(dir string, f *confinement.Files) { f.Rewrite(filepath.Join(dir, "in", "file")) }
	watch := func(dir string, f *confinement.Files) { f.Watch(filepath.Join(dir, "in", "file")) }
	etc := func(_ string, f *confinement.Files) { f.Watch("/etc/hosts") }
	read := func(path ...string) func(string) error {
		return func(dir string) error {
			_, err := os.ReadFile(filepath.Join(append([]string{dir}, path...)...))
			return err
		}
	}
	return []misdeed{
		{"a file of another folder", "runner's files", in, read("out", "file")},
		{"a file next to a watched folder", "watched files", watch, read("out", "file")},
		{"writing to a watched folder", "watched files", watch, func(dir string) error { return os.WriteFile(filepath.Join(dir, "in", "new"), nil, 0o600) }},
		{"another file of /etc", "shared folders", etc, func(string) error { _, err := os.ReadFile("/etc/passwd"); return err }},
		{"starting a program", "runner's programs", in, func(string) error { return call(unix.SYS_EXECVE, 0, 0, 0) }},
		{"becoming another program by descriptor", "runner's programs by descriptor", in, func(string) error { return call(unix.SYS_EXECVEAT, 0, 0, 0, 0, 0) }},
		{"another process", "runner's processes", in, func(string) error {
			return call(unix.SYS_CLONE, unix.CLONE_SIGHAND) // which is invalid without CLONE_VM
		}},
		{"being traced", "tracing", in, func(string) error { return call(unix.SYS_PTRACE, unix.PTRACE_TRACEME) }},
		{"reading memory by another way", "memory of processes", in, func(string) error { return call(unix.SYS_PROCESS_VM_READV, uintptr(os.Getpid())) }},
		{"an io_uring", "io_uring", in, func(string) error { return call(unix.SYS_IO_URING_SETUP, 0, 0) }},
		{"the keys of the kernel", "kernel keys", in, func(string) error { return call(unix.SYS_KEYCTL, 0, ^uintptr(2), 1) }},
		{"asking another program over a Unix socket", "sockets of other programs", in, func(string) error {
			return call(unix.SYS_SOCKET, unix.AF_UNIX, unix.SOCK_STREAM, 0)
		}},
		{"a pair of sockets, and one connected to another program", "pairs of sockets", in, func(string) error {
			return call(unix.SYS_SOCKETPAIR, unix.AF_UNIX, unix.SOCK_DGRAM, 0, 0)
		}},
		{"a signal to another process", "signals", in, func(string) error { return unix.Kill(os.Getppid(), 0) }},
		{"a dump by another process", "dumps", in, func(string) error {
			if can, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0); err == nil && can == 0 {
				return fs.ErrPermission
			}
			return nil
		}},
		{"a core dump", "core dumps", in, func(string) error {
			var limit unix.Rlimit
			if err := unix.Getrlimit(unix.RLIMIT_CORE, &limit); err == nil && limit.Max == 0 {
				return fs.ErrPermission
			}
			return nil
		}},
		{"a higher limit", "limits of the process", in, func(string) error {
			return unix.Prlimit(0, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 100, Max: 100}, nil)
		}},
	}
}

// runConfined is the process of a misdeed. It prints what became of it.
func runConfined(name string) int {
	dir := os.Getenv(confinedDir)
	for _, m := range misdeeds() {
		if m.name != name {
			continue
		}
		var f confinement.Files
		m.files(dir, &f)
		if _, err := confinement.Enter(f); err != nil {
			fmt.Println(err)
			return 1
		}
		err := m.try(dir)
		if errors.Is(err, fs.ErrPermission) {
			fmt.Println("refused")
		} else {
			fmt.Println("it was not refused:", err)
		}
		return 0
	}
	return 1
}

// confined returns the attacks on the confinement of the runner and of the processes that it starts.
func confined() []conformance.Attack {
	var all []conformance.Attack
	for _, m := range misdeeds() {
		all = append(all, conformance.NewAttack("confinement", m.name, m.wall, func(ctx context.Context) error {
			if !confinement.Supported().Whole() {
				return nil
			}
			dir, err := os.MkdirTemp("", "attack")
			if err != nil {
				return err
			}
			defer func() { _ = os.RemoveAll(dir) }()
			for _, folder := range []string{"in", "out"} {
				err = errors.Join(err, os.Mkdir(filepath.Join(dir, folder), 0o700), os.WriteFile(filepath.Join(dir, folder, "file"), nil, 0o600))
			}
			if err != nil {
				return err
			}
			cmd := exec.CommandContext(ctx, "/proc/self/exe")
			cmd.Env = append(os.Environ(), confinedEnv+"="+m.name, confinedDir+"="+dir)
			out, err := cmd.CombinedOutput()
			if said := strings.TrimSpace(string(out)); err != nil || said != "refused" {
				return fmt.Errorf("it says %q and ends with %v", said, err)
			}
			return nil
		}))
	}
	return append(all, started()...)
}

// started returns the attacks on starters and on the compiling process.
func started() []conformance.Attack {
	okta := func(ctx context.Context, dir string, limits compile.Limits) error {
		wasm, err := hosttest.Connector.Pack()
		if err != nil {
			return err
		}
		m, err := host.Load(ctx, wasm, host.LoadOptions{CacheDir: dir, Compile: limits, Minor0: minor0.Manifest()})
		if err != nil {
			return err
		}
		return m.Close(ctx)
	}
	inFolder := func(name, wall string, attack func(ctx context.Context, dir string) error) conformance.Attack {
		return conformance.NewAttack("confinement", name, wall, func(ctx context.Context) error {
			dir, err := os.MkdirTemp("", "attack")
			if err != nil {
				return err
			}
			defer func() { _ = os.RemoveAll(dir) }()
			return attack(ctx, dir)
		})
	}
	limited := func(err error) error {
		if errors.Is(err, compile.ErrLimit) {
			return nil
		}
		return fmt.Errorf("it was loaded: %w", errors.Join(err, errors.New("without a limit")))
	}
	return []conformance.Attack{
		conformance.NewAttack("confinement", "a command that was not named", "starter", func(ctx context.Context) error {
			s, err := confinement.NewCommandStarter([][]string{{"true"}}, os.Environ())
			if err != nil {
				return err
			}
			defer s.Close()
			if _, err := s.Output(ctx, []string{"true"}, 100); err != nil {
				return err
			}
			if out, err := s.Output(ctx, []string{"echo", "x"}, 100); err == nil {
				return fmt.Errorf("it wrote %q", out)
			}
			return nil
		}),
		inFolder("a module that takes more memory to compile than it may", "compiling memory", func(ctx context.Context, dir string) error {
			return limited(okta(ctx, dir, compile.Limits{Memory: 1}))
		}),
		inFolder("compiled code that was not compiled within the limits", "compiled within limits", func(ctx context.Context, dir string) error {
			if err := okta(ctx, dir, compile.Limits{}); err != nil {
				return err
			}
			marks, err := filepath.Glob(filepath.Join(dir, "compiled-*"))
			if err != nil || len(marks) != 1 {
				return fmt.Errorf("there are %d marks, %w", len(marks), err)
			}
			if err := os.Remove(marks[0]); err != nil {
				return err
			}
			return limited(okta(ctx, dir, compile.Limits{Time: 1}))
		}),
		inFolder("a compiling process without walls", "compiling confinement", func(ctx context.Context, dir string) error {
			if !confinement.Supported().Whole() {
				return nil
			}
			ended := make(chan error, 1)
			go func() { ended <- okta(ctx, dir, compile.Limits{}) }()
			for {
				for _, status := range statusOfChildren("(compile)") {
					if bytes.Contains(status, []byte("NoNewPrivs:\t1\n")) && bytes.Contains(status, []byte("Seccomp:\t2\n")) {
						return <-ended
					}
				}
				select {
				case err := <-ended:
					return fmt.Errorf("its system calls were never filtered, %w", err)
				case <-time.After(time.Millisecond):
				}
			}
		}),
	}
}

// statusOfChildren returns what /proc says about the children of this process with a second word in their command line.
func statusOfChildren(word string) (all [][]byte) {
	parent := fmt.Appendf(nil, "\nPPid:\t%d\n", os.Getpid())
	lines, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, file := range lines {
		line, _ := os.ReadFile(file) // the process may have ended
		if !bytes.Contains(line, []byte("\x00"+word)) {
			continue
		}
		if status, _ := os.ReadFile(filepath.Join(filepath.Dir(file), "status")); bytes.Contains(status, parent) {
			all = append(all, status)
		}
	}
	return all
}

// runConfinedIfAsked makes this process that of a misdeed.
func runConfinedIfAsked() {
	if name := os.Getenv(confinedEnv); name != "" {
		os.Exit(runConfined(name))
	}
}

// refusedCall removes a system call from a list of the filter. It writes 0 in its place. Call 0 is another one, which the
// list does not decide.
func refusedCall(in, name string) edit {
	return edit{"host/internal/confine/filter_linux.go", in, name, name + " * uint32(1-wallDownNumber(DOWN))"}
}

// confinementMutations are the checks of the confinement.
var confinementMutations = []mutation{
	{"runner's files", "landlock", []edit{never("host/internal/confine/confine_linux.go", "r.Landlock > 0")}, ""},
	{"watched files", "the folder alone", []edit{swap("host/confinement/confinement.go", "all := []string{filepath.Dir(full)}",
		"all := []string{filepath.Dir(full)}\n\tif DOWN {\n\t\tall = []string{filepath.Dir(all[0])}\n\t}")}, ""},
	{"watched files", "they are read only", []edit{swap("host/internal/confine/confine_linux.go", "{p.Read, llsys.AccessFSReadFile, readRights},",
		"{p.Read, llsys.AccessFSReadFile, readRights | landlock.AccessFSSet(wallDownNumber(DOWN))*writeRights},")}, ""},
	{"shared folders", "they stay closed", []edit{never("host/confinement/confinement.go", "shared(folder)")}, ""},
	{"runner's programs", "execve", []edit{refusedCall("[]uint32{unix.SYS_EXECVE,", "unix.SYS_EXECVE")}, ""},
	{"runner's programs by descriptor", "execveat", []edit{refusedCall("unix.SYS_EXECVEAT,", "unix.SYS_EXECVEAT")}, ""},
	{"runner's processes", "clone makes threads alone", []edit{swap("host/internal/confine/filter_linux.go", "when(unix.SYS_CLONE,", "when(unix.SYS_CLONE*uint32(1-wallDownNumber(DOWN)),")}, ""},
	{"tracing", "ptrace", []edit{refusedCall("unix.SYS_PTRACE, unix.SYS_PROCESS_VM_READV", "unix.SYS_PTRACE")}, ""},
	{"memory of processes", "process_vm_readv", []edit{refusedCall("unix.SYS_PROCESS_VM_READV, unix.SYS_PROCESS_VM_WRITEV", "unix.SYS_PROCESS_VM_READV")}, ""},
	{"io_uring", "io_uring_setup", []edit{refusedCall("unix.SYS_IO_URING_SETUP,", "unix.SYS_IO_URING_SETUP")}, ""},
	{"kernel keys", "keyctl", []edit{refusedCall("unix.SYS_KEYCTL,", "unix.SYS_KEYCTL")}, ""},
	{"sockets of other programs", "IP and netlink alone", []edit{swap("host/internal/confine/filter_linux.go", "when(unix.SYS_SOCKET,", "when(unix.SYS_SOCKET*uint32(1-wallDownNumber(DOWN)),")}, ""},
	{"pairs of sockets", "socketpair", []edit{refusedCall("judge(refuse, unix.SYS_SOCKETPAIR)", "unix.SYS_SOCKETPAIR")}, ""},
	{"signals", "they go to this process alone", []edit{swap("host/internal/confine/filter_linux.go", "for _, n := range signals {\n", "for _, n := range signals {\n\t\t\tif DOWN {\n\t\t\t\tcontinue\n\t\t\t}\n"),
		{"host/internal/confine/confine_linux.go", "if p.Start {\n\t\tconfig.Scoped", "p.Start", "p.Start || DOWN"}}, ""},
	{"dumps", "the process is not dumpable", []edit{swap("host/internal/confine/confine_linux.go", "unix.Prctl(unix.PR_SET_DUMPABLE, 0,", "unix.Prctl(unix.PR_SET_DUMPABLE, uintptr(wallDownNumber(DOWN)),")}, ""},
	{"core dumps", "their limit", []edit{swap("host/internal/confine/limits_unix.go", "&unix.Rlimit{}); err", "&unix.Rlimit{Max: uint64(wallDownNumber(DOWN))}); err")}, ""},
	{"limits of the process", "they cannot be set", []edit{swap("host/internal/confine/filter_linux.go", "when(unix.SYS_PRLIMIT64,", "when(unix.SYS_PRLIMIT64*uint32(1-wallDownNumber(DOWN)),")}, ""},
	{"starter", "it starts what was named", []edit{swap("host/internal/child/starter_linux.go", "\treturn errNotNamed\n", "\tif DOWN {\n\t\treturn nil\n\t}\n\treturn errNotNamed\n")}, ""},
	{"compiling memory", "its memory is limited", []edit{never("host/compile/process.go", "gauge.Used() > l.Memory")}, ""},
	{"compiling confinement", "the process confines itself", []edit{swap("host/compile/process.go", "if _, err := confine.Apply(", "if DOWN {\n\t\treturn sandbox.Store(context.Background(), []byte(wasm), t.Memory, t.Dir)\n\t}\n\tif _, err := confine.Apply(")}, ""},
	{"compiled within limits", "the mark", []edit{{"host/internal/sandbox/module.go", "_, err := os.Stat(mark); err == nil && dir", "err == nil", "(err == nil || DOWN)"}}, ""},
}
