package audit

import (
	"os"
	"os/user"
	"strconv"
	"sync"
)

// Self returns the current process. It asks the system once. It is safe for concurrent use.
var Self = sync.OnceValue(func() *Process {
	p := &Process{UID: strconv.Itoa(os.Getuid()), PID: os.Getpid()}
	if u, err := user.Current(); err == nil { // a container may have a user without a name
		p.User, p.UID = u.Username, u.Uid
	}
	if name, err := os.Hostname(); err == nil {
		p.Host = name
	}
	return p
})
