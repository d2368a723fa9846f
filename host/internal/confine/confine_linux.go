package confine

import (
	"fmt"
	"math"
	"os"
	"runtime"
	"strconv"
	"strings"
	"unsafe"

	"github.com/landlock-lsm/go-landlock/landlock"
	llsys "github.com/landlock-lsm/go-landlock/landlock/syscall"
	"golang.org/x/sys/unix"
	"kernel.org/pub/linux/libs/security/libcap/psx"
)

func supported() Report {
	version, err := llsys.LandlockGetABIVersion()
	if err != nil {
		version = 0
	}
	return Report{Landlock: version, Seccomp: filterSupported(), NoGain: true, NoDump: true, Limits: true}
}

func apply(p Policy) (Report, error) {
	r := supported()
	r.Limits = p.Data > 0
	if err := llsys.AllThreadsPrctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return Report{}, fmt.Errorf("prctl: no_new_privs: %w", err)
	}
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return Report{}, fmt.Errorf("prctl: dumpable: %w", err)
	}
	if err := limit(p); err != nil {
		return Report{}, err
	}
	if !p.Start { // what a confined process starts may need them
		if err := dropCapabilities(); err != nil {
			return Report{}, fmt.Errorf("capset: %w", err)
		}
	}
	if p.AllFiles && p.Network && p.Unix && p.Start {
		r.Landlock = 0 // it has nothing to restrict
	}
	if r.Landlock > 0 {
		if err := lockFiles(p); err != nil {
			return Report{}, fmt.Errorf("landlock: %w", err)
		}
	}
	if r.Seccomp {
		if err := filterCalls(p); err != nil {
			return Report{}, fmt.Errorf("seccomp: %w", err)
		}
	}
	return r, nil
}

// keptCapabilities are the capabilities that root keeps: those to use files of other users, and low ports. Others reach into
// the kernel and into other processes. With CAP_PERFMON, for example, the environment of any process can be read in /proc,
// whatever landlock says.
const keptCapabilities = 1<<unix.CAP_CHOWN | 1<<unix.CAP_DAC_OVERRIDE | 1<<unix.CAP_DAC_READ_SEARCH | 1<<unix.CAP_FOWNER | 1<<unix.CAP_FSETID |
	1<<unix.CAP_NET_BIND_SERVICE

// dropCapabilities drops all capabilities of all threads, except keptCapabilities.
func dropCapabilities() error {
	header, data := &unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, &[2]unix.CapUserData{}
	var pinned runtime.Pinner // each thread reads them
	defer pinned.Unpin()
	pinned.Pin(header)
	pinned.Pin(data)
	if err := unix.Capget(header, &data[0]); err != nil {
		return err
	}
	kept := [2]uint32{keptCapabilities & math.MaxUint32, keptCapabilities >> 32}
	for i, k := range kept {
		data[i].Effective &= k
		data[i].Permitted &= k
		data[i].Inheritable = 0
	}
	if _, _, errno := psx.Syscall3(unix.SYS_CAPSET, uintptr(unsafe.Pointer(header)), uintptr(unsafe.Pointer(data)), 0); errno != 0 {
		return errno
	}
	return nil
}

// The rights to files. The right to make devices, sockets and pipes is never given, because nobody needs it.
const (
	readRights  = llsys.AccessFSReadFile | llsys.AccessFSReadDir
	fileRights  = llsys.AccessFSReadFile | llsys.AccessFSWriteFile | llsys.AccessFSTruncate
	writeRights = readRights | fileRights | llsys.AccessFSMakeReg | llsys.AccessFSMakeDir | llsys.AccessFSRemoveFile | llsys.AccessFSRemoveDir
)

// lockFiles applies landlock with all that the kernel's version can restrict: files, TCP, abstract sockets and signals.
func lockFiles(p Policy) error {
	var rules []landlock.Rule
	add := func(path string, file, folder landlock.AccessFSSet) error {
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		if info.IsDir() {
			file = folder
		}
		if nameless(path) {
			return nil
		}
		rules = append(rules, landlock.PathAccess(file, path))
		return nil
	}
	for _, group := range []struct {
		paths        []string
		file, folder landlock.AccessFSSet
	}{
		{p.Read, llsys.AccessFSReadFile, readRights},
		{p.Write, fileRights, writeRights},
		{p.Remove, 0, llsys.AccessFSRemoveDir},
		{p.Devices, fileRights | llsys.AccessFSIoctlDev, readRights | fileRights | llsys.AccessFSIoctlDev},
		{p.Execute, llsys.AccessFSReadFile | llsys.AccessFSExecute, readRights | llsys.AccessFSExecute},
	} {
		for _, path := range group.paths {
			if err := add(path, group.file, group.folder); err != nil {
				return err
			}
		}
	}
	config := landlock.V7.BestEffort()
	if p.AllFiles {
		config.HandledAccessFS = 0
		rules = nil
	}
	if p.Network {
		config.HandledAccessNet = 0
	}
	if p.Network && p.Unix {
		config.Scoped &^= llsys.ScopeAbstractUnixSocket
	}
	if p.Start {
		config.Scoped &^= llsys.ScopeSignal
	}
	return config.Restrict(rules...)
}

// nameless reports whether a path, such as /dev/stdout, leads to a pipe or socket that has no name. Landlock allows these, and
// has no rules for them.
func nameless(path string) bool {
	var system unix.Statfs_t
	if err := unix.Statfs(path, &system); err != nil {
		return false
	}
	return system.Type == unix.PIPEFS_MAGIC || system.Type == unix.SOCKFS_MAGIC || system.Type == unix.ANON_INODE_FS_MAGIC
}

func dataInUse() uint64 {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(text))
	if len(fields) < 6 {
		return 0
	}
	pages, err := strconv.ParseUint(fields[5], 10, 64)
	if err != nil {
		return 0
	}
	return pages * uint64(os.Getpagesize())
}
