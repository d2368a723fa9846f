// Package confine takes rights away from the process that calls it. A process that has opened what it needs confines
// itself before it handles input that may be hostile.
//
// On Linux Apply uses no_new_privs, landlock (files) and seccomp (system calls), each where the kernel has it. It allows no
// core dumps. On other systems it sets resource limits alone. Supported and the Report of Apply say what is in force.
package confine

import (
	"fmt"
	"strings"
)

// Policy says what a process keeps. The zero value keeps the descriptors that are open, threads and memory: no file can
// be opened, no program started, no socket made and no other process signalled.
type Policy struct {
	// Read lists files that can still be opened for reading, and folders in which all files and folders can.
	Read []string
	// Write lists files and folders in which all files and folders can be read, written, created and removed.
	Write []string
	// Remove lists folders from which empty folders can be removed.
	Remove []string
	// Network keeps the system calls that make sockets. Only those of IP and netlink can be made.
	Network bool
	// Unix also keeps Unix sockets. With Start, it keeps the sockets of all families. Programs that listen on Unix sockets,
	// such as systemd, start other programs on request.
	Unix bool
	// Start keeps the system calls that start and signal other processes, and those that set limits.
	Start bool
	// Execute lists files that can be executed, if Start is set. They can be read, too.
	Execute []string
	// Devices lists devices that can be opened, and be set by ioctl: terminals.
	Devices []string
	// Attributes keeps the system calls that change modes, owners, times and extended attributes of files. Landlock does
	// not govern them, so they work on every file that the user of this process owns.
	Attributes bool
	// AllFiles leaves files as they were: landlock does not restrict them.
	AllFiles bool
	// Data is the limit in bytes of private memory that can be written (RLIMIT_DATA); 0 sets none. An allocation over the
	// limit fails; the process is not killed.
	Data uint64
}

// Report says which walls a process has.
type Report struct {
	Landlock int  // ABI version of landlock; 0 is none
	Seccomp  bool // system calls are filtered
	NoGain   bool // programs that are started gain no privileges (no_new_privs)
	NoDump   bool // no core dumps, and no other process of the user can look into this one
	Limits   bool // resource limits are set
}

// String names the walls for people.
func (r Report) String() string {
	var walls []string
	if r.Landlock > 0 {
		walls = append(walls, fmt.Sprintf("landlock (ABI %d)", r.Landlock))
	}
	if r.Seccomp {
		walls = append(walls, "seccomp")
	}
	if r.NoGain {
		walls = append(walls, "no_new_privs")
	}
	if r.NoDump {
		walls = append(walls, "no core dumps")
	}
	if r.Limits {
		walls = append(walls, "resource limits")
	}
	if len(walls) == 0 {
		return "nothing"
	}
	return strings.Join(walls, ", ")
}

// Supported reports which walls Apply can build on this machine. It changes nothing.
func Supported() Report { return supported() }

// Apply confines this process, all its threads and all that it starts, for good. Walls that the kernel lacks are left
// out, which the report says. It returns an error if the kernel has a wall that could not be built: the process must then
// end. Apply may be called once.
func Apply(p Policy) (Report, error) { return apply(p) }

// DataInUse returns how many bytes of writable private memory this process has, as Policy.Data counts them. It is 0 where
// that is not known.
func DataInUse() uint64 { return dataInUse() }
