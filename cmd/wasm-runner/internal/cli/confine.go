package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/mach5/okta-connector/cmd/wasm-runner/internal/term"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/confinement"
	"github.com/mach5/okta-connector/host/secrets"
)

// confined is how this process is confined.
type confined struct {
	entered bool
	report  confinement.Report
}

// Need says what a command does after it is confined.
type Need struct {
	Files confinement.Files
	// Each adds the files that a connection needs. Nil adds none.
	Each func(connection string, files *confinement.Files)
	// Refs are references to secrets that no connection has.
	Refs []string
	// Long commands run until a user or the system ends them: connection files and secrets may be replaced meanwhile.
	Long bool
}

// Confines reports whether this process will confine itself, and so needs a starter for its children.
func (a *App) Confines() bool { return a.Enter != nil && !a.Flags.NoConfine }

// Confine takes all rights from this process that the command does not need. Call it after the module is loaded and before
// the module runs. It does nothing with --no-confine.
func (a *App) Confine(need Need, configs ...host.Config) error {
	if a.confined.entered {
		return nil
	}
	a.confined.entered = true
	if err := a.startCommands(append(secretRefs(configs), need.Refs...)); err != nil {
		return err
	}
	if a.Enter == nil {
		return nil
	}
	if a.Flags.NoConfine {
		a.Logger().Warn("--no-confine: this process keeps all rights of its user")
		return nil
	}
	files := need.Files
	for _, c := range configs {
		if need.Each != nil {
			need.Each(c.Name, &files)
		}
		if c.CAFile != "" {
			files.Watch(c.CAFile)
		}
	}
	for _, ref := range append(secretRefs(configs), need.Refs...) {
		if path, ok := strings.CutPrefix(ref, "file:"); ok {
			files.Watch(path)
		}
		if strings.HasPrefix(ref, "keyring:") {
			files.KeyStore()
		}
	}
	if need.Long {
		if path := a.configPath(); path != "" {
			files.Watch(path)
		}
	}
	report, err := a.Enter(files)
	if err != nil {
		return fmt.Errorf("this process cannot be confined: %w: use --no-confine to run with all rights of this user", err)
	}
	a.confined.report = report
	log := a.Logger()
	if missing := report.Missing(); missing != "" && need.Long {
		log.Warn("this kernel lacks "+missing+": a module that breaks out of the sandbox has the rights of this user", "in force", report.Walls)
	} else {
		log.Debug("this process is confined", "by", report.Walls)
	}
	if wide := files.Wide(); need.Long && report.Landlock > 0 && len(wide) > 0 {
		log.Warn("a module that breaks out could write all files of a folder that other programs use, such as your home folder: write these files to a folder of their own",
			"written", strings.Join(wide, ", "))
	}
	if narrow := files.Narrowed(); need.Long && len(narrow) > 0 {
		log.Info("if one of these files is replaced, this process cannot read the new one: keep them in a folder of their own", "files", strings.Join(narrow, ", "))
	}
	return nil
}

// startCommands prepares to run the commands of exec: references. If this process will be confined, a starter runs them.
func (a *App) startCommands(refs []string) error {
	var commands [][]string
	named := map[string]bool{} // variables that hold other secrets
	for _, ref := range refs {
		if name, ok := strings.CutPrefix(ref, "env:"); ok {
			named[name] = true
		}
		if words, ok, err := secrets.Command(ref); ok && err == nil { // Resolve returns the error
			commands = append(commands, words)
		}
	}
	if len(commands) == 0 {
		a.resolver = secrets.Default{LookupEnv: a.LookupEnv, Commands: knownCommands{}}
		return nil
	}
	env := slices.DeleteFunc(os.Environ(), func(variable string) bool {
		name, _, _ := strings.Cut(variable, "=")
		return named[name]
	})
	known := knownCommands{commands, confinement.Commands(env)}
	if a.Confines() {
		s, err := confinement.NewCommandStarter(commands, env)
		if err != nil {
			return fmt.Errorf("the commands of exec: cannot be started: %w", err)
		}
		known.starter = s // it ends with this process
	}
	a.resolver = secrets.Default{LookupEnv: a.LookupEnv, Commands: known}
	return nil
}

// knownCommands runs only the commands that were known at the start, because a connection file may change later.
type knownCommands struct {
	commands [][]string
	starter  secrets.Commands // nil if there are none
}

// Output implements secrets.Commands.
func (k knownCommands) Output(ctx context.Context, command []string, limit int) ([]byte, error) {
	if !slices.ContainsFunc(k.commands, func(c []string) bool { return slices.Equal(c, command) }) {
		return nil, secrets.ErrNewCommand
	}
	return k.starter.Output(ctx, command, limit)
}

// Secrets returns the resolver for the secrets of connections. Call it after Confine.
func (a *App) Secrets() secrets.Resolver { return a.resolver }

// OwnSecrets returns the resolver for the secrets of Need.Refs, which belong to no connection.
func (a *App) OwnSecrets() secrets.Resolver {
	if a.resolver == nil {
		return secrets.Default{LookupEnv: a.LookupEnv}
	}
	return a.resolver
}

// ConfinedBy says for people what confines this process. ok means that the kernel restricts both files and system calls.
// known is false if the command does not confine itself.
func (a *App) ConfinedBy() (text, fix string, ok, known bool) {
	r := a.confined.report
	switch {
	case a.Enter == nil:
		return "", "", false, false
	case a.Flags.NoConfine:
		return "this process keeps all rights of its user (--no-confine)", "leave out --no-confine", false, true
	case r.Whole():
		return "this process is confined by " + r.Walls, "", true, true
	case r.Walls == "":
		return "this process is not confined: only Linux can", "run untrusted modules on Linux", false, true
	}
	return "this kernel lacks " + r.Missing() + "; in force: " + r.Walls, "use Linux 6.12 or newer with landlock and seccomp, and allow both in a container", false, true
}

// configPath returns the connection file that was read, "" for none.
func (a *App) configPath() string {
	if a.Flags.Demo || a.Flags.Config == "-" {
		return ""
	}
	return a.readConfig
}

// secretRefs returns all texts of connections that may be references to secrets.
func secretRefs(configs []host.Config) (refs []string) {
	for _, c := range configs {
		eachString(reflect.ValueOf(c), func(text string) { refs = append(refs, text) })
	}
	return refs
}

// eachString calls give for each text in a value.
func eachString(v reflect.Value, give func(string)) {
	switch v.Kind() {
	case reflect.String:
		give(v.String())
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			eachString(v.Elem(), give)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			eachString(v.Field(i), give)
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			eachString(v.Index(i), give)
		}
	}
}

// StreamFiles adds the regular files behind the standard streams, which some commands open again by name.
func (a *App) StreamFiles(files *confinement.Files) {
	for i, stream := range []any{a.Stdin, a.Stdout} {
		f, ok := stream.(*os.File)
		if !ok {
			continue
		}
		info, err := f.Stat()
		if err != nil || !info.Mode().IsRegular() {
			continue
		}
		path, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", f.Fd()))
		if err != nil {
			continue // only Linux has /proc, and only Linux needs it
		}
		if i == 0 {
			files.Read(path)
		} else {
			files.Rewrite(path)
		}
	}
}

// Outside explains an error that the confinement causes, and returns "" for others.
func (a *App) Outside(err error) string {
	var path *fs.PathError
	if a.confined.report.Landlock == 0 || !errors.As(err, &path) || !errors.Is(err, fs.ErrPermission) {
		return ""
	}
	return fmt.Sprintf(" (this process is confined to the folders that it needed at its start: if other programs can use %s, run this again, or with --no-confine)", term.OneLine(path.Path))
}
