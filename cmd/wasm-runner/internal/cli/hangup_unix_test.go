//go:build unix

package cli

import (
	"os"
	"strings"
	"syscall"
	"testing"
)

// TestHangup_DuringTheStart_WaitsForTheCommand sends SIGHUP before the command is known. A command that reads files again gets
// it later; another ends.
func TestHangup_DuringTheStart_WaitsForTheCommand(t *testing.T) {
	begin := func() (a *App, done <-chan struct{}) {
		a = NewApp(Streams{Stdin: strings.NewReader(""), Stdout: new(strings.Builder), Stderr: new(strings.Builder)}, os.LookupEnv)
		ctx, stop := a.Begin(nil)
		t.Cleanup(stop)
		a.signals.hangup <- syscall.SIGHUP
		return a, ctx.Done()
	}
	a, done := begin()
	a.EndOnHangup(map[string]string{TakesHangups: "yes"})
	taken := make(chan os.Signal, 1)
	a.TakeHangups(taken)
	select {
	case <-taken:
	case <-done:
		t.Error("SIGHUP ended a command that takes it")
	}
	a, done = begin()
	a.EndOnHangup(nil)
	<-done
}
