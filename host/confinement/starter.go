package confinement

import (
	"os"
	"path/filepath"

	"github.com/mach5/okta-connector/host/internal/child"
	"github.com/mach5/okta-connector/host/internal/confine"
)

// Starter is a process that starts others for a confined program. It is made before Enter, and starts only what it was made for,
// because the program may be in the hands of a hostile module by then. It ends with the program, and so does all that it
// started. Give it to sql.Config.Starter, or to secrets.Default. A nil Starter has this process start its children, which only
// works if it is not confined. It is safe for concurrent use; Close ends it.
type Starter = child.Starter

// NewSQLStarter returns a Starter for SQL processes. It can reach the files that queries may use, which f has, and no network. It
// confines itself, and each SQL process confines itself further.
func NewSQLStarter(f Files) (*Starter, error) {
	read := append([]string{"/sys"}, librariesAndProc...)
	read = append(read, filepath.SplitList(os.Getenv("LD_LIBRARY_PATH"))...)
	return child.NewStarter(child.StarterOptions{
		Jobs: []child.Job{child.SQL},
		Policy: confine.Policy{
			Read:       existing(append(read, f.read...)),
			Write:      existing(f.write),
			Devices:    existing(append(f.devices, "/dev/null")),
			Attributes: true, // an SQL process needs none, and takes the right from itself
		},
	})
}

// NewCommandStarter returns a Starter for commands, each a program with its arguments, that get an environment. They are programs
// of the operator, such as the client of a store of secrets, so that they keep files and network. They gain no privileges
// and cannot look into other processes.
func NewCommandStarter(commands [][]string, env []string) (*Starter, error) {
	return child.NewStarter(child.StarterOptions{
		Commands: commands,
		Env:      env,
		Policy:   confine.Policy{AllFiles: true, Network: true, Unix: true, Attributes: true},
	})
}

// Commands start the commands of exec: references in a program that is not confined. The commands get this environment, which
// should have no variable that holds another secret. Give it to secrets.Default.
type Commands = child.Commands
