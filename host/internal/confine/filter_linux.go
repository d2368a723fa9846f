//go:build linux && (amd64 || arm64)

package confine

import (
	"errors"
	"os"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// The offsets of what a filter sees of a system call (struct seccomp_data).
const (
	numberAt = 0
	archAt   = 4
	firstArg = 16 // the low half of the first argument; the high half follows
)

// Verdicts of a filter.
const (
	allow   = uint32(0x7fff0000)              // SECCOMP_RET_ALLOW
	refuse  = uint32(0x00050000 | unix.EPERM) // SECCOMP_RET_ERRNO
	missing = uint32(0x00050000 | unix.ENOSYS)
	kill    = uint32(0x80000000) // SECCOMP_RET_KILL_PROCESS
)

// always are the system calls that no confined process makes: they reach into other processes or the kernel, or change how
// the machine is seen.
var always = append([]uint32{
	unix.SYS_PTRACE, unix.SYS_PROCESS_VM_READV, unix.SYS_PROCESS_VM_WRITEV, unix.SYS_KCMP, unix.SYS_PIDFD_GETFD, unix.SYS_PIDFD_OPEN,
	unix.SYS_BPF, unix.SYS_PERF_EVENT_OPEN, unix.SYS_USERFAULTFD,
	unix.SYS_IO_URING_SETUP, unix.SYS_IO_URING_ENTER, unix.SYS_IO_URING_REGISTER,
	unix.SYS_KEYCTL, unix.SYS_ADD_KEY, unix.SYS_REQUEST_KEY,
	unix.SYS_MOUNT, unix.SYS_UMOUNT2, unix.SYS_PIVOT_ROOT, unix.SYS_CHROOT, unix.SYS_MOVE_MOUNT, unix.SYS_OPEN_TREE, unix.SYS_FSOPEN,
	unix.SYS_FSCONFIG, unix.SYS_FSMOUNT, unix.SYS_FSPICK, unix.SYS_MOUNT_SETATTR, unix.SYS_UNSHARE, unix.SYS_SETNS,
	unix.SYS_INIT_MODULE, unix.SYS_FINIT_MODULE, unix.SYS_DELETE_MODULE, unix.SYS_KEXEC_LOAD, unix.SYS_REBOOT, unix.SYS_SWAPON, unix.SYS_SWAPOFF,
	unix.SYS_ACCT, unix.SYS_SYSLOG, unix.SYS_QUOTACTL, unix.SYS_VHANGUP, unix.SYS_SETHOSTNAME, unix.SYS_SETDOMAINNAME,
	unix.SYS_SETTIMEOFDAY, unix.SYS_CLOCK_SETTIME, unix.SYS_CLOCK_ADJTIME, unix.SYS_ADJTIMEX,
	unix.SYS_NAME_TO_HANDLE_AT, unix.SYS_OPEN_BY_HANDLE_AT, unix.SYS_PERSONALITY,
	unix.SYS_SETUID, unix.SYS_SETGID, unix.SYS_SETREUID, unix.SYS_SETREGID, unix.SYS_SETRESUID, unix.SYS_SETRESGID, unix.SYS_SETFSUID,
	unix.SYS_SETFSGID, unix.SYS_SETGROUPS, unix.SYS_MKNODAT,
	unix.SYS_PROCESS_MADVISE, unix.SYS_PROCESS_MRELEASE, unix.SYS_OPEN_TREE_ATTR,
}, alwaysHere...)

// attributes are the system calls that change whom files belong to, who may read them, and when they were changed.
var attributes = append([]uint32{
	unix.SYS_FCHMOD, unix.SYS_FCHMODAT, sysFchmodat2, unix.SYS_FCHOWN, unix.SYS_FCHOWNAT, unix.SYS_UTIMENSAT,
	unix.SYS_SETXATTR, unix.SYS_LSETXATTR, unix.SYS_FSETXATTR, unix.SYS_REMOVEXATTR, unix.SYS_LREMOVEXATTR, unix.SYS_FREMOVEXATTR,
	unix.SYS_SETXATTRAT, unix.SYS_REMOVEXATTRAT, unix.SYS_FILE_SETATTR,
}, attributesHere...)

// sysFchmodat2 has the same number on every architecture, as all calls since 424 have.
const sysFchmodat2 = 452

// sockets are the system calls of the network.
var sockets = []uint32{unix.SYS_SOCKET, unix.SYS_SOCKETPAIR, unix.SYS_CONNECT, unix.SYS_BIND, unix.SYS_LISTEN, unix.SYS_ACCEPT, unix.SYS_ACCEPT4}

// starting are the system calls that start programs. clone is looked at besides: it makes threads too.
var starting = append([]uint32{unix.SYS_EXECVE, unix.SYS_EXECVEAT, unix.SYS_PIDFD_SEND_SIGNAL}, startingHere...)

// signals are the system calls whose first argument is the process that gets a signal.
var signals = []uint32{unix.SYS_KILL, unix.SYS_TKILL, unix.SYS_TGKILL, unix.SYS_RT_SIGQUEUEINFO, unix.SYS_RT_TGSIGQUEUEINFO}

// frequent are allowed before anything else is looked at: a filter is a list that every system call goes through.
var frequent = []uint32{unix.SYS_FUTEX, unix.SYS_READ, unix.SYS_WRITE, unix.SYS_PREAD64, unix.SYS_PWRITE64, unix.SYS_MMAP, unix.SYS_MUNMAP,
	unix.SYS_MADVISE, unix.SYS_MPROTECT, unix.SYS_EPOLL_PWAIT, unix.SYS_NANOSLEEP, unix.SYS_SCHED_YIELD, unix.SYS_RT_SIGPROCMASK, unix.SYS_RT_SIGRETURN}

// filterCalls applies the filter of a policy to all threads.
func filterCalls(p Policy) error {
	raw, err := bpf.Assemble(filter(p, uint32(os.Getpid())))
	if err != nil {
		return err
	}
	program := make([]unix.SockFilter, len(raw))
	for i, in := range raw {
		program[i] = unix.SockFilter{Code: in.Op, Jt: in.Jt, Jf: in.Jf, K: in.K}
	}
	thread, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC,
		uintptr(unsafe.Pointer(&unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]})))
	switch {
	case errno != 0:
		return errno
	case thread != 0:
		return errors.New("a thread has a filter of its own")
	}
	return nil
}

// filter returns the program that judges system calls. pid is the process that may be signalled.
func filter(p Policy, pid uint32) []bpf.Instruction {
	program := []bpf.Instruction{
		bpf.LoadAbsolute{Off: archAt, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: auditArch, SkipTrue: 1},
		bpf.RetConstant{Val: kill}, // calls of another architecture have other numbers
		bpf.LoadAbsolute{Off: numberAt, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpLessThan, Val: foreignNumbers, SkipTrue: 1},
		bpf.RetConstant{Val: kill},
	}
	judge := func(verdict uint32, numbers ...uint32) {
		for _, n := range numbers {
			program = append(program, bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: n, SkipTrue: 1}, bpf.RetConstant{Val: verdict})
		}
	}
	// when refuses a call whose argument is as the test says. A test is true when its last instruction jumps to where
	// the call is allowed.
	when := func(number uint32, test ...bpf.Instruction) {
		program = append(program, bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: number, SkipTrue: uint8(len(test) + 2)})
		program = append(append(program, test...), bpf.RetConstant{Val: refuse}, bpf.RetConstant{Val: allow})
	}
	arg := func(n uint32) bpf.Instruction { return bpf.LoadAbsolute{Off: firstArg + 8*n, Size: 4} }
	judge(allow, frequent...)
	judge(refuse, always...)
	// TIOCSTI and TIOCLINUX type into a terminal.
	when(unix.SYS_IOCTL, arg(1), bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.TIOCSTI, SkipTrue: 1}, bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: tiocLinux, SkipTrue: 1})
	if !p.Attributes {
		judge(refuse, attributes...)
	}
	families := []uint32{unix.AF_INET, unix.AF_INET6, unix.AF_NETLINK} // netlink lists the interfaces
	if p.Unix {
		families = append(families, unix.AF_UNIX)
	}
	test := []bpf.Instruction{arg(0)}
	for i, family := range families {
		test = append(test, bpf.JumpIf{Cond: bpf.JumpEqual, Val: family, SkipTrue: uint8(len(families) - i)})
	}
	if !p.Network {
		judge(refuse, sockets...)
	}
	if !p.Unix {
		judge(refuse, unix.SYS_SOCKETPAIR) // a pair of datagram sockets can be connected to others
	}
	if !p.Unix || !p.Start {
		when(unix.SYS_SOCKET, test...)
	}
	if !p.Start {
		judge(refuse, unix.SYS_SETRLIMIT, unix.SYS_CAPSET)
		// A limit can be asked for, and not be set.
		when(unix.SYS_PRLIMIT64, arg(2), bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: 0, SkipTrue: 2},
			bpf.LoadAbsolute{Off: firstArg + 8*2 + 4, Size: 4}, bpf.JumpIf{Cond: bpf.JumpEqual, Val: 0, SkipTrue: 1})
		judge(refuse, starting...)
		judge(missing, unix.SYS_CLONE3) // its flags are in memory, which a filter cannot read; libraries use clone then
		when(unix.SYS_CLONE, arg(0), bpf.JumpIf{Cond: bpf.JumpBitsSet, Val: unix.CLONE_THREAD, SkipTrue: 1})
		for _, n := range signals {
			when(n, arg(0), bpf.JumpIf{Cond: bpf.JumpEqual, Val: pid, SkipTrue: 1})
		}
	}
	return append(program, bpf.RetConstant{Val: allow})
}

// tiocLinux is the ioctl of the console that pastes a selection.
const tiocLinux = 0x541c

func filterSupported() bool {
	// Flags of strict mode must be 0. EINVAL says that the call is there.
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_STRICT, 1, 0)
	return errno == unix.EINVAL
}
