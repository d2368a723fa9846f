package okta

import (
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/hostcall/hosttest"
)

// TestLookupUser_InTheModule_PassesTwoFiles: the others of the six are named in package host. Package hostcall is the module's
// side of the wall.
func TestLookupUser_InTheModule_PassesTwoFiles(t *testing.T) {
	var files []string
	host := &hosttest.Host{Answer: func(abi.Request) hosttest.Answer {
		var stack [100]uintptr
		frames := runtime.CallersFrames(stack[:runtime.Callers(1, stack[:])])
		for more := true; more; {
			var f runtime.Frame
			f, more = frames.Next()
			_, file, ours := strings.Cut(filepath.ToSlash(f.File), "/guest/")
			if ours && !strings.HasSuffix(file, "_test.go") && !strings.HasPrefix(file, "hostcall/") && !slices.Contains(files, file) {
				files = append(files, file)
			}
		}
		return answer(200, `{"id":"00u1","status":"ACTIVE"}`)
	}}
	if out := invokeNative(t, host, "lookup_user", `{"user":"00u1"}`); out.Outcome != abi.Succeeded {
		t.Fatalf("%+v", out)
	}
	files = slices.DeleteFunc(files, func(f string) bool { return f == "okta/okta.go" }) // Invoke, which only this package's tests use
	if want := []string{"connector/call.go", "okta/users.go"}; !slices.Equal(files, want) {
		t.Errorf("the request passed %v, want %v: shorten the way, or correct the comment of package host", files, want)
	}
}
