package confine

import "golang.org/x/sys/unix"

const (
	auditArch      = unix.AUDIT_ARCH_AARCH64
	foreignNumbers = 0xffffffff // this architecture has no second ABI
)

// The system calls that other architectures do not all have.
var (
	alwaysHere     = []uint32{unix.SYS_KEXEC_FILE_LOAD}
	attributesHere []uint32
	startingHere   []uint32
)
