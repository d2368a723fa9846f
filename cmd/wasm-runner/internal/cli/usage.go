package cli

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/internal/nearest"
)

// FlagError returns what is wrong with a flag, in the words of this program instead of those of Go's libraries.
func (a *App) FlagError(cmd *cobra.Command, err error) error {
	var value *pflag.InvalidValueError
	var unknown *pflag.NotExistError
	switch {
	case errors.As(err, &value):
		f := value.GetFlag()
		return Usagef("invalid argument %q for %q flag: %s: see %s --help", value.GetValue(), "--"+f.Name, wanted(f.Value.Type(), value.GetValue()), cmd.CommandPath())
	case errors.As(err, &unknown) && cmd == cmd.Root():
		// Before a flag of another command, the missing command is the first mistake.
		if i := slices.IndexFunc(a.args, operationName.MatchString); i >= 0 && a.operation(cmd.Context(), a.args[i]) != nil {
			return a.UnknownCommand(cmd, a.args[i:])
		}
	}
	near := ""
	if unknown != nil && unknown.GetSpecifiedName() != "" && unknown.GetSpecifiedShortnames() == "" {
		var names []string
		cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
		if name := nearest.Of(unknown.GetSpecifiedName(), names); name != "" {
			near = " (did you mean --" + name + "?)"
		}
	}
	return Usagef("%v%s: see %s --help", err, near, cmd.CommandPath())
}

// CheckNotEmpty refuses a flag that is given with an empty value, as a variable that is not set gives it. Such a run would
// silently do without an audit, an idempotency key or a grant.
func CheckNotEmpty(flags *pflag.FlagSet) error {
	var err error
	flags.Visit(func(f *pflag.Flag) {
		empty := f.Value.String() == ""
		if list, ok := f.Value.(pflag.SliceValue); ok {
			empty = strings.Join(list.GetSlice(), "") == ""
		}
		if empty && err == nil {
			err = Usagef("--%s: want a value, found an empty one: is a variable not set? Leave the flag out to do without it", f.Name)
		}
	})
	return err
}

// operationName matches the name of an operation, with or without its kind.
var operationName = regexp.MustCompile(`^[a-z]+([._][a-z]+)+$`)

// wanted returns what a flag of a type takes.
func wanted(kind, value string) string {
	number := strings.Trim(value, "0123456789") == "" && value != ""
	switch kind {
	case "duration":
		if number {
			return "a time has a unit: write " + value + "s, " + value + "m or " + value + "h"
		}
		return "want a time with its unit, such as 5s, 10m or 1h"
	case "int", "int64":
		if strings.Trim(strings.TrimPrefix(value, "-"), "0123456789") == "" && value != "" && value != "-" {
			return "it is too large: at most 9223372036854775807"
		}
		return "want a whole number"
	case "float64":
		return "want a number, such as 0.5 or 20"
	case "bool":
		return "want true or false"
	case "stringSlice":
		return "want names with commas between them"
	}
	return "it cannot be read"
}

// UnknownCommand returns the error for an unknown command. Where the name is that of an operation, it names the command to use.
func (a *App) UnknownCommand(root *cobra.Command, args []string) error {
	name := args[0]
	root.SuggestionsMinimumDistance = 2
	if near := root.SuggestionsFor(name); len(near) > 0 {
		return Usagef("unknown command %q: did you mean %s?", name, strings.Join(near, " or "))
	}
	op := a.operation(root.Context(), name)
	if op == nil {
		return Usagef("unknown command %q: wasm-runner --help lists the commands", name)
	}
	command, rest := "invoke", ""
	if !op.On(abi.Axon) {
		command = "table"
	}
	if len(args) > 1 {
		rest = " …"
	}
	return Usagef("unknown command %q: did you mean: wasm-runner %s %s%s", name, command, op.Name, rest)
}

// operation returns the operation with this name or the nearest one. It returns nil if none is near, or without a module.
func (a *App) operation(ctx context.Context, name string) *abi.Operation {
	if ctx == nil {
		ctx = context.Background()
	}
	m, err := a.LoadModule(ctx)
	if err != nil {
		return nil
	}
	defer func() { _ = m.Close(context.WithoutCancel(ctx)) }()
	if op, err := m.Operation(name); err == nil {
		return op
	}
	var names []string
	for i := range m.Manifest().Operations {
		names = append(names, m.Manifest().Operations[i].Name)
	}
	op, err := m.Operation(nearest.Of(strings.TrimPrefix(name, m.Manifest().Kind+"."), names))
	if err != nil {
		return nil
	}
	return op
}

// DidYouMean returns a question with the nearest of the names, "" if none is near.
func DidYouMean(name string, names []string) string {
	if near := nearest.Of(name, names); near != "" {
		return ". Did you mean " + near + "?"
	}
	return ""
}
