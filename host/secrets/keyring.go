package secrets

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/zalando/go-keyring"
)

// keyringService is the service under which the secrets of this program are in the system's key store.
const keyringService = "wasm-runner"

// keyringTimeout is how long the key store may take, for example until its user has unlocked it.
const keyringTimeout = 60 * time.Second

// StoreInKeyring writes a secret into the system's key store. It is then found as keyring:NAME. It replaces a secret of
// that name.
func StoreInKeyring(ctx context.Context, name string, v Value) error {
	_, err := withKeyring(ctx, func() (string, error) { return "", keyring.Set(keyringService, name, v.Reveal()) })
	return err
}

// KeyringMissing returns why this system has no usable key store, or nil. It asks for no secret.
func KeyringMissing() error { return keyringMissing(runtime.GOOS, os.LookupEnv, os.Stat) }

// keyringMissing is KeyringMissing for an operating system and its environment.
func keyringMissing(system string, lookupEnv func(string) (string, bool), stat func(string) (os.FileInfo, error)) error {
	switch system {
	case "darwin", "windows":
		return nil
	}
	// Without an address, the library would start a program to get one.
	if address, _ := lookupEnv("DBUS_SESSION_BUS_ADDRESS"); address != "" {
		return nil
	}
	if _, err := stat("/run/user/" + strconv.Itoa(os.Getuid()) + "/bus"); err == nil {
		return nil
	}
	return unavailablef("this session has no key store. Log in to a desktop session, or keep the secret in a file and write file:PATH")
}

// fromKeyring reads a secret from the system's key store.
func fromKeyring(ctx context.Context, name string) (string, error) {
	value, err := withKeyring(ctx, func() (string, error) { return keyring.Get(keyringService, name) })
	if errors.Is(err, keyring.ErrNotFound) {
		return "", unavailablef("keyring:%s: the key store has no secret of that name. wasm-runner login writes one", name)
	}
	if err != nil {
		return "", unavailablef("keyring:%s: %v", name, err)
	}
	return value, nil
}

// withKeyring runs a request to the key store. It waits until ctx ends or for keyringTimeout, because the request takes no context.
func withKeyring(ctx context.Context, request func() (string, error)) (string, error) {
	if err := KeyringMissing(); err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, keyringTimeout)
	defer cancel()
	type result struct {
		value string
		err   error
	}
	done := make(chan result, 1)
	go func() {
		value, err := request()
		done <- result{value, err}
	}()
	select {
	case r := <-done:
		if r.err != nil && !errors.Is(r.err, keyring.ErrNotFound) {
			return "", keyringRefusal(r.err)
		}
		return r.value, r.err
	case <-ctx.Done():
		return "", errors.New("the key store does not answer. Unlock it, or keep the secret in a file and write file:PATH")
	}
}

// keyringRefusal explains an error of the key store. An operation that is not permitted is the kernel's answer, because
// a confined process cannot open the key store's socket.
func keyringRefusal(err error) error {
	text := strings.Join(strings.Fields(err.Error()), " ")
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("this process may not open the key store (%s): a program confines itself at its start, and keeps the key store open only if its configuration then has a keyring: secret. Start the program again", text)
	}
	return fmt.Errorf("the key store refuses: %s. Unlock it, or keep the secret in a file and write file:PATH", text)
}
