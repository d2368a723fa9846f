package login

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mach5/okta-connector/cmd/wasm-runner/internal/cli"
	"github.com/mach5/okta-connector/cmd/wasm-runner/internal/term"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/egress"
	"github.com/mach5/okta-connector/host/network"
	"github.com/mach5/okta-connector/host/secrets"
)

// checkFlags returns an error for flags that do not fit together.
func (o *options) checkFlags() error {
	app := o.given("client-id") || o.given("private-key") || o.given("key-id") || o.given("scopes") || o.given("dpop")
	if o.credential != "" {
		if err := cli.OneOf("credential", o.credential, credentials); err != nil {
			return err
		}
	}
	if o.client.DPoP != "" {
		if err := cli.OneOf("dpop", o.client.DPoP, []string{"auto", "required", "off"}); err != nil {
			return err
		}
	}
	if o.network.TLSMin != "" {
		if err := cli.OneOf("tls-min", o.network.TLSMin, []string{"1.2", "1.3"}); err != nil {
			return err
		}
	}
	if o.network.Proxy != "" {
		if err := network.CheckProxy(o.network.Proxy); err != nil {
			return cli.Usagef("--proxy: %w", err)
		}
	}
	switch {
	case o.credential == "token" && app:
		return cli.Usagef("--credential token has no client, key, scopes or dpop: leave these flags out, or give --credential app")
	case o.credential == "app" && o.given("store"):
		return cli.Usagef("--store is for a token: a private key stays in its file")
	}
	return nil
}

// configure returns a new connection: what the flags and the answers say.
func (o *options) configure(ctx context.Context, place cli.NewConnections) (host.Config, error) {
	config := o.network
	config.Name, config.Kind, config.ProxyCredentialsRef = o.name, place.Kind, absoluteRef(config.ProxyCredentialsRef)
	if config.CAFile != "" {
		config.CAFile = cli.Absolute(config.CAFile)
	}
	if (o.client.ClientID == "") != (o.keyFile == "") && o.credential == "" {
		return config, cli.Usagef("--client-id and --private-key belong together: give both, or neither")
	}
	if o.client.ClientID == "" && o.credential == "" && (o.given("key-id") || o.given("scopes") || o.given("dpop")) {
		return config, cli.Usagef("--key-id, --scopes and --dpop are for a service app: give --client-id and --private-key, too")
	}
	var err error
	if config.BaseURL, err = o.askAddress(ctx, place); err != nil {
		return config, err
	}
	app, err := o.isApp(ctx)
	switch {
	case err != nil:
		return config, err
	case app:
		config.OAuth, err = o.askClient(ctx)
		return config, err
	}
	missing := secrets.KeyringMissing()
	switch {
	case o.store == "keyring" && missing != nil:
		return config, cli.Usagef("--store keyring: %w", missing)
	case o.store == "keyring", o.store == "auto" && missing == nil:
		config.TokenSecretRef = "keyring:" + o.name
	default:
		config.TokenSecretRef = "file:" + filepath.Join(filepath.Dir(place.Path), o.name+".token")
	}
	return config, nil
}

// change plans what becomes of an existing connection.
func (o *options) change(ctx context.Context, p *plan) error {
	old, path := p.existing, p.place.Path
	p.config = *old
	scheme, _, _ := strings.Cut(old.TokenSecretRef, ":")
	app := old.TokenSecretRef == ""
	switch {
	case old.Kind != p.place.Kind:
		return cli.Usagef("connection %s is of kind %s, and the module of kind %s: choose another name", o.name, old.Kind, p.place.Kind)
	case o.baseURL != "" && o.baseURL != old.BaseURL:
		return cli.Usagef("connection %s of %s has the address %s: choose another name, or change the file", o.name, path, old.BaseURL)
	case !app && (o.credential == "app" || o.client.ClientID != "" || o.keyFile != ""):
		return cli.Usagef("connection %s signs in with a token: choose another name for the service app", o.name)
	case !app && (o.given("key-id") || o.given("scopes") || o.given("dpop")):
		return cli.Usagef("connection %s signs in with a token, which has no key, scopes or dpop: leave these flags out", o.name)
	case app && o.credential == "token":
		return cli.Usagef("connection %s signs in as a service app: choose another name for the token", o.name)
	}
	if slices.ContainsFunc(settings, o.given) {
		if err := o.checkKeyFile(o.keyFile); o.given("private-key") && err != nil {
			return cli.Usagef("--private-key: %w", err)
		}
		o.setFlags(p)
		return nil
	}
	if app {
		return o.askNewKey(ctx, p)
	}
	if scheme != "file" && scheme != "keyring" {
		return cli.Usagef("the token of connection %s is not kept by login: it is at %s, so change it there", o.name, secrets.Name(old.TokenSecretRef))
	}
	p.token = true
	return nil
}

// askNewKey asks for the new key of a service app.
func (o *options) askNewKey(ctx context.Context, p *plan) error {
	old := p.existing.OAuth
	_, is := term.Columns(o.app.Stdin)
	tty, out, err := o.terminal()
	if err != nil || !is {
		return cli.Usagef("connection %s signs in with the key at %s, which login does not keep: give --private-key FILE for another key, or flags for other settings",
			o.name, secrets.Name(old.PrivateKeyRef))
	}
	file, err := o.askKeyFile(ctx, tty, out, "File with the new private key: ")
	if err != nil {
		return err
	}
	p.set(true, &p.config.OAuth.PrivateKeyRef, "file:"+cli.Absolute(file), "oauth", "private_key_ref")
	id, err := term.Ask(ctx, tty, out, "Key id (KID) of the new key; empty if the file has it: ")
	if err != nil {
		return err
	}
	p.set(id != "", &p.config.OAuth.KeyID, id, "oauth", "key_id")
	return nil
}

// terminal returns the terminal to ask on.
func (o *options) terminal() (tty *os.File, out io.Writer, err error) {
	tty, out, err = o.app.AskOn(false)
	o.asked = o.asked || err == nil
	return tty, out, err
}

// ask asks until the answer is not empty.
func ask(ctx context.Context, tty *os.File, out io.Writer, question string) (string, error) {
	for {
		answer, err := term.Ask(ctx, tty, out, question)
		if err != nil || answer != "" {
			return answer, err
		}
	}
}

// isApp reports whether the connection signs in as a service app. It asks if no flag says so and there is a terminal.
func (o *options) isApp(ctx context.Context) (bool, error) {
	if o.credential != "" || o.client.ClientID != "" {
		return o.credential != "token", nil
	}
	if _, is := term.Columns(o.app.Stdin); !is { // the token is on standard input
		return false, nil
	}
	tty, out, err := o.terminal()
	if err != nil {
		return false, err
	}
	for {
		answer, err := term.Ask(ctx, tty, out, "Sign in with an API token, or as an OAuth service app? token or app [token]: ")
		if err != nil {
			return false, err
		}
		switch strings.ToLower(answer) {
		case "", "t", "token":
			return false, nil
		case "a", "app", "oauth":
			return true, nil
		}
	}
}

// askClient returns the service app that the flags and the answers say.
func (o *options) askClient(ctx context.Context) (client host.OAuth, err error) {
	client = o.client
	if client.ClientID == "" || o.keyFile == "" {
		tty, out, err := o.terminal()
		if err != nil {
			return client, cli.Usagef("%w for the service app: give --client-id and --private-key", err)
		}
		if client.ClientID == "" {
			if client.ClientID, err = ask(ctx, tty, out, "Client ID of the service app: "); err != nil {
				return client, err
			}
		}
		if o.keyFile == "" {
			if o.keyFile, err = o.askKeyFile(ctx, tty, out, "File with its private key: "); err != nil {
				return client, err
			}
			if client.KeyID == "" {
				if client.KeyID, err = term.Ask(ctx, tty, out, "Key id (KID); empty if the file has it: "); err != nil {
					return client, err
				}
			}
		}
	}
	if err := o.checkKeyFile(o.keyFile); err != nil {
		return client, cli.Usagef("--private-key: %w", err)
	}
	client.PrivateKeyRef = "file:" + cli.Absolute(o.keyFile)
	return client, nil
}

// askKeyFile asks for a file until there is one.
func (o *options) askKeyFile(ctx context.Context, tty *os.File, out io.Writer, question string) (string, error) {
	for {
		file, err := ask(ctx, tty, out, question)
		if err != nil {
			return "", err
		}
		if err = o.checkKeyFile(file); err == nil {
			return file, nil
		}
		if _, err := fmt.Fprintf(out, "%s\n", term.OneLine(err.Error())); err != nil {
			return "", err
		}
	}
}

// checkKeyFile returns an error for what is not a file.
func (o *options) checkKeyFile(path string) error {
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a file that this user can read: download the key of the service app, and name its file", path)
	}
	return nil
}

// askAddress returns the org's address, from the flag or the person at the terminal.
func (o *options) askAddress(ctx context.Context, place cli.NewConnections) (string, error) {
	if o.baseURL != "" {
		u, err := o.parse(o.baseURL, place)
		if err != nil {
			return "", cli.Usagef("--base-url: %w", err)
		}
		return u, nil
	}
	tty, out, err := o.terminal()
	if err != nil {
		return "", cli.Usagef("%w for the address of the org: give --base-url", err)
	}
	example := "https://service.example.com"
	if place.Addresses != nil && place.Addresses.Example != "" {
		example = place.Addresses.Example
	}
	for {
		answer, err := ask(ctx, tty, out, "Address of the org, such as "+example+": ")
		if err != nil {
			return "", err
		}
		u, err := o.parse(answer, place)
		if err == nil {
			return u, nil
		}
		if _, err := fmt.Fprintf(out, "%s\n", term.OneLine(err.Error())); err != nil {
			return "", err
		}
	}
}

// parse checks an address. A name without a scheme, as people type it first, is https.
func (o *options) parse(address string, place cli.NewConnections) (string, error) {
	if address != "" && !strings.Contains(address, "://") {
		address = "https://" + address
	}
	u, err := egress.ParseBaseURL(address, place.Addresses)
	if err != nil {
		return "", err
	}
	if egress.ThisMachine(u.Hostname()) && !o.network.AllowPrivateNetwork {
		return "", fmt.Errorf("%s is this machine: if that is intended, run login with --allow-private-network", u.Host)
	}
	return u.String(), nil
}

// askToken returns the token, from standard input or the person at the terminal.
func (o *options) askToken(ctx context.Context) (secrets.Value, error) {
	a := o.app
	if _, is := term.Columns(a.Stdin); !is {
		b, err := io.ReadAll(io.LimitReader(a.Interruptible(a.Stdin), 64<<10))
		defer clear(b)
		if err != nil {
			return secrets.Value{}, err
		}
		token, err := checkToken(string(b))
		if err != nil {
			return secrets.Value{}, cli.Usagef("%w: nothing was saved", err)
		}
		return token, nil
	}
	tty, out, err := o.terminal()
	if err != nil {
		return secrets.Value{}, err
	}
	for {
		text, err := term.AskSecret(ctx, tty, out, "API token (it is not shown): ", a.Interrupt)
		if err != nil {
			return secrets.Value{}, err
		}
		token, err := checkToken(text)
		if err == nil {
			return token, nil
		}
		if _, err := fmt.Fprintf(out, "%s\n", err); err != nil {
			return secrets.Value{}, err
		}
	}
}

// checkToken returns a text as a token, without the spaces around it.
func checkToken(text string) (secrets.Value, error) {
	text = strings.TrimSpace(text)
	switch {
	case text == "":
		return secrets.Value{}, fmt.Errorf("the token is empty")
	case strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r >= 0x7f }):
		return secrets.Value{}, fmt.Errorf("the token contains a space or another character that no token has")
	}
	return secrets.New(text), nil
}
