// Package confinement takes the rights away from a program that it does not need to work with connectors.
//
// A program calls Enter after it has loaded a module and before the module runs. From then on it can open only the files
// that it named and those of the system that names, certificates and time zones come from. It can start no program, look
// into no other process, and leave no core dump. It can make no Unix socket, over which other programs start some, unless it
// needs the key store. What must start processes later makes a Starter before.
//
// The kernel keeps these walls even if a module breaks out of the sandbox. On Linux they are landlock, seccomp and
// no_new_privs, each where the kernel has it. Other systems allow no core dumps at most.
package confinement

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mach5/okta-connector/host/durable"
	"github.com/mach5/okta-connector/host/internal/confine"
	"github.com/mach5/okta-connector/host/internal/sandbox"
)

// Files lists the files that a program opens after Enter. The zero value has none.
//
// Files are replaced while a program runs: logs are rotated, secrets and checkpoints are renamed into place. The kernel
// knows a file by its inode, so a rule for a file does not hold for the one that replaces it. That is why Watch and Rewrite
// allow the whole folder.
type Files struct {
	read, write, remove, devices []string
	narrowed, wide               []string
	keyStore                     bool
}

// Read adds a file that is opened for reading and not replaced, or a folder with all in it.
func (f *Files) Read(path string) { f.read = append(f.read, path) }

// Write adds a folder in which all files can be read, written, created and removed.
func (f *Files) Write(folder string) { f.allow(folder, folder) }

// allow allows writing to a folder for a path.
func (f *Files) allow(folder, path string) {
	f.write = append(f.write, folder)
	if holdsOthers(folder) && !slices.Contains(f.wide, path) {
		f.wide = append(f.wide, path)
	}
}

// KeyStore keeps the system's key store, from which keyring: references are read. It is reached over a Unix socket, and the kernel
// cannot tell that one from others. So the program keeps them all, and can ask other programs, such as systemd, to start some.
func (f *Files) KeyStore() { f.keyStore = true }

// Remove adds a folder that the program removes with all in it.
func (f *Files) Remove(folder string) {
	f.Write(folder)
	f.remove = append(f.remove, filepath.Dir(folder))
}

// Watch adds a file that may be replaced while the program reads it: its folder can be read. A folder that many programs
// share, such as /etc, stays closed: then only the file itself can be read, and Narrowed names it.
func (f *Files) Watch(path string) {
	for _, folder := range folders(path) {
		switch kind(path) {
		case device:
			f.devices = append(f.devices, path)
			continue
		case other:
			f.read = append(f.read, path)
			continue
		}
		if shared(folder) {
			f.read = append(f.read, path)
			f.narrowed = append(f.narrowed, path)
			continue
		}
		f.read = append(f.read, folder)
	}
}

// Rewrite adds a file that the program writes, renames, replaces or locks: all files of its folder can be written. A device or
// pipe is allowed alone. The kernel cannot allow one file that is replaced, so a folder that many programs share is opened as well, and
// Wide names the file.
func (f *Files) Rewrite(path string) {
	for _, folder := range folders(path) {
		switch kind(path) {
		case device:
			f.devices = append(f.devices, path)
		case other:
			f.write = append(f.write, path)
		default:
			if folder == "/dev" { // a link such as /dev/stdout
				folder = path
			}
			f.allow(folder, path)
		}
	}
}

// Narrowed returns the files of Watch whose folder stays closed. If one is replaced, the program cannot read the new one.
func (f *Files) Narrowed() []string { return f.narrowed }

// Wide returns the files of Rewrite, and the folders of Write and Remove, for which a folder with the files of other programs can be
// written, such as the home folder. They should be in a folder of their own.
func (f *Files) Wide() []string { return f.wide }

// The kinds of a path.
const (
	regular = iota // a regular file, or one that does not exist yet
	device
	other // a pipe, socket or folder
)

func kind(path string) int {
	info, err := os.Stat(path)
	switch {
	case err != nil, info.Mode().IsRegular():
		return regular
	case info.Mode()&fs.ModeDevice != 0:
		return device
	}
	return other
}

// folders returns the folder of a path, and that of the file to which the path leads.
func folders(path string) []string {
	full, err := filepath.Abs(path)
	if err != nil {
		full = path
	}
	all := []string{filepath.Dir(full)}
	if there := filepath.Dir(durable.Resolve(full)); there != all[0] {
		all = append(all, there)
	}
	return all
}

// shared reports whether a folder holds the files of many programs.
func shared(folder string) bool {
	switch folder {
	case "/", "/etc", "/dev", "/proc", "/sys", "/run", "/usr", "/var", "/home":
		return true
	}
	home, err := os.UserHomeDir()
	return err == nil && folder == filepath.Clean(home)
}

// holdsOthers reports whether a folder that can be written has the files of other programs: it is shared, is for temporary files, or
// the home folder is in it.
func holdsOthers(folder string) bool {
	full, err := filepath.Abs(folder)
	if err != nil {
		full = folder
	}
	if shared(full) {
		return true
	}
	others := []string{os.TempDir(), "/tmp", "/var/tmp"}
	if home, err := os.UserHomeDir(); err == nil && filepath.IsAbs(home) {
		if real, err := filepath.EvalSymlinks(home); err == nil {
			home = real
		}
		for ; home != filepath.Dir(home); home = filepath.Dir(home) {
			others = append(others, home)
		}
	}
	info, err := os.Stat(full)
	return err == nil && slices.ContainsFunc(others, func(other string) bool {
		there, err := os.Stat(other)
		return err == nil && os.SameFile(info, there)
	})
}

// systemFiles are read by Go's and the C library's resolver, by TLS, and for local times. They are closed to writing.
var systemFiles = []string{
	"/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/host.conf", "/etc/gai.conf", "/etc/services", "/etc/protocols", "/etc/hostname",
	"/etc/ssl/certs", "/etc/ssl/cert.pem", "/etc/ssl/ca-bundle.pem", "/etc/ssl/openssl.cnf", "/etc/pki/tls/certs", "/etc/pki/tls/cacert.pem",
	"/etc/pki/ca-trust", "/etc/ca-certificates", "/usr/share/ca-certificates", "/usr/local/share/ca-certificates",
	"/etc/localtime", "/usr/share/zoneinfo", "/usr/lib/zoneinfo",
	"/sys/fs/cgroup",
}

// librariesAndProc are read by every process: the C library loads parts of it when a name is resolved. What /proc says about
// other processes is what every user can see.
var librariesAndProc = []string{"/etc/ld.so.cache", "/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/proc"}

// systemDevices can be opened: a person is asked at the terminal.
var systemDevices = []string{"/dev/null", "/dev/tty", "/dev/random", "/dev/urandom"}

// Report says which walls stand around this process.
type Report struct {
	// Landlock is the version of landlock's ABI; 0 means that files are not restricted.
	Landlock int
	// Seccomp means that system calls are filtered.
	Seccomp bool
	// Walls names all walls for people.
	Walls string
}

// Whole reports whether the kernel restricts both files and system calls.
func (r Report) Whole() bool { return r.Landlock > 0 && r.Seccomp }

// Missing says for people which walls the kernel lacks; empty if it lacks none.
func (r Report) Missing() string {
	var all []string
	if r.Landlock == 0 {
		all = append(all, "landlock, which restricts files")
	}
	if !r.Seccomp {
		all = append(all, "seccomp, which restricts system calls")
	}
	return strings.Join(all, ", and ")
}

// Supported reports which walls the kernel of this machine has. It changes nothing.
func Supported() Report { return reportOf(confine.Supported()) }

func reportOf(r confine.Report) Report {
	return Report{Landlock: r.Landlock, Seccomp: r.Seccomp, Walls: r.String()}
}

// Enter confines this process and all its threads, for good, to the files of f and of the system. It is called once. Walls that
// the kernel lacks are left out, which the report says. The error is a wall that the kernel has and that could not be built:
// the program should end then.
func Enter(f Files) (Report, error) {
	sandbox.Prepare() // opens what a confined process cannot
	policy := confine.Policy{
		Read:       existing(slices.Concat(f.read, librariesAndProc, certificates(systemFiles))),
		Write:      existing(f.write),
		Remove:     existing(f.remove),
		Devices:    existing(slices.Concat(f.devices, systemDevices)),
		Network:    true,
		Unix:       f.keyStore,
		Attributes: true,
	}
	switch there := durable.Resolve(resolvConf); {
	case !shared(filepath.Dir(there)):
		policy.Read = append(policy.Read, existing([]string{filepath.Dir(there)})...) // it is replaced when the network changes
	case confine.Supported().Landlock > 0:
		keepNameServers()
	}
	r, err := confine.Apply(policy)
	return reportOf(r), err
}

// certificates adds what the environment names as certificates of the system.
func certificates(paths []string) []string {
	all := slices.Clone(paths)
	if file := os.Getenv("SSL_CERT_FILE"); file != "" {
		all = append(all, file)
	}
	return append(all, filepath.SplitList(os.Getenv("SSL_CERT_DIR"))...)
}

// existing returns the paths that exist, without repeats.
func existing(paths []string) []string {
	var all []string
	seen := map[string]bool{}
	for _, path := range paths {
		if _, err := os.Stat(path); err != nil || seen[path] {
			continue
		}
		seen[path] = true
		all = append(all, path)
	}
	return all
}
