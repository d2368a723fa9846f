// Command wasm-runner runs a connector module: one action or read (invoke), a checkpointed stream of records (source),
// rows (table), SQL (sql). It also says what a module is (describe), whether a connection works (check), what an audit holds
// (audit), and serves a simulated org to try it all against (simulate).
//
// A command goes from main.go to root.go, to its own file here or in a package below internal, and to internal/cli/session.go,
// which loads the module and connects.
package main

import (
	"log"
	"os"

	"github.com/mach5/okta-connector/cmd/wasm-runner/internal/cli"
	"github.com/mach5/okta-connector/host/confinement"
	"github.com/mach5/okta-connector/host/sql"
)

func main() {
	sql.RunChildIfAsked()
	a := cli.NewApp(cli.Streams{Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr}, os.LookupEnv)
	a.Build, a.Enter = build, confinement.Enter
	log.SetFlags(0)
	log.SetOutput(a.Text()) // what a library logs, such as net/http
	os.Exit(run(a, os.Args[1:]))
}

// run executes a command line and returns the exit code.
func run(a *cli.App, args []string) int {
	ctx, stop := a.Begin(args)
	defer stop()
	root := newRoot(a)
	root.SetArgs(args)
	root.SetIn(a.Stdin)
	root.SetOut(a.Stdout)
	root.SetErr(a.Text())
	return a.Finish(ctx, root.ExecuteContext(ctx))
}
