package secrets_test

import (
	"errors"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/zalando/go-keyring"

	"github.com/mach5/okta-connector/host/secrets"
)

func TestResolve_KeyStoreThatFails_SaysWhatToDo(t *testing.T) {
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nowhere")
	for name, c := range map[string]struct {
		err  error
		want []string
	}{
		"confined":  {&net.OpError{Op: "dial", Net: "unix", Err: os.NewSyscallError("socket", syscall.EPERM)}, []string{"operation not permitted", "confines itself at its start", "Start the program again"}},
		"no access": {&net.OpError{Op: "dial", Net: "unix", Err: os.NewSyscallError("connect", syscall.EACCES)}, []string{"permission denied", "Start the program again"}},
		"locked":    {errors.New("the collection\nis locked"), []string{"refuses: the collection is locked", "Unlock it"}},
		"no secret": {keyring.ErrNotFound, []string{"has no secret of that name"}},
	} {
		keyring.MockInitWithError(c.err)
		_, err := secrets.Default{}.Resolve(t.Context(), "keyring:okta")
		if !errors.Is(err, secrets.ErrUnavailable) {
			t.Fatalf("%s: %v", name, err)
		}
		for _, want := range append(c.want, "keyring:okta: ") {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want %q", name, err, want)
			}
		}
	}
}
