package confine

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"

	"github.com/landlock-lsm/go-landlock/landlock"
	llsys "github.com/landlock-lsm/go-landlock/landlock/syscall"
	"golang.org/x/sys/unix"
)

func supported() Report {
	version, err := llsys.LandlockGetABIVersion()
	if err != nil {
		version = 0
	}
	return Report{Landlock: version, Seccomp: filterSupported(), Limits: true}
}

func apply(p Policy) (Report, error) {
	r := supported()
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return Report{}, fmt.Errorf("prctl: dumpable: %w", err)
	}
	if err := limit(p); err != nil {
		return Report{}, err
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

// The rights to files. Nobody needs to make devices, sockets and pipes.
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
		rules = append(rules, landlock.PathAccess(file, path))
		return nil
	}
	var execute landlock.AccessFSSet
	if p.Start {
		execute = llsys.AccessFSExecute
	}
	for _, path := range p.Read {
		if err := add(path, llsys.AccessFSReadFile|execute, readRights|execute); err != nil {
			return err
		}
	}
	for _, path := range p.Write {
		if err := add(path, fileRights|execute, writeRights|execute); err != nil {
			return err
		}
	}
	config := landlock.V7.BestEffort()
	if p.Network {
		config.HandledAccessNet = 0
		config.Scoped &^= llsys.ScopeAbstractUnixSocket
	}
	if p.Start {
		config.Scoped &^= llsys.ScopeSignal
	}
	return config.Restrict(rules...)
}

// noNewPrivs keeps programs that this thread starts from gaining privileges. seccomp hands it to all threads.
func noNewPrivs() (unlock func(), err error) {
	runtime.LockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		runtime.UnlockOSThread()
		return nil, fmt.Errorf("prctl: no_new_privs: %w", err)
	}
	return runtime.UnlockOSThread, nil
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
