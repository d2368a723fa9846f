package secrets

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Commands starts the commands of exec: references. It returns what a command writes to its standard output, and fails if the
// command fails, writes over limit bytes, or runs when ctx ends. The bytes are cleared once they were read. Its errors hold nothing that a command wrote. A
// *confinement.Starter is one. It is safe for concurrent use.
type Commands interface {
	Output(ctx context.Context, command []string, limit int) ([]byte, error)
}

// ErrNewCommand is the error of Commands for a command that they may not start, since it was not known when they were made.
var ErrNewCommand = errors.New("the command was added while this process runs. It starts only the commands of its start, so restart it")

// commandTime is how long a command may run.
const commandTime = 30 * time.Second

// execScheme begins a reference to the output of a command.
const execScheme = "exec:"

// Command returns the command of an exec: reference, such as exec:[vault, kv, get, -field=token, secret/idp]. The words are
// a JSON list, or words without quotes between commas. Nothing is expanded: there is no shell. ok is false for a reference of
// another kind.
func Command(ref string) (words []string, ok bool, err error) {
	text, ok := strings.CutPrefix(ref, execScheme)
	if !ok {
		return nil, false, nil
	}
	var inJSON []string
	text = strings.TrimSpace(text)
	list, opened := strings.CutPrefix(text, "[")
	list, closed := strings.CutSuffix(list, "]")
	switch {
	case !opened || !closed:
		return nil, true, unavailablef("%s is not a list of words: write exec:[PROGRAM, ARGUMENT, …]", execScheme)
	case json.Unmarshal([]byte(text), &inJSON) == nil:
		words = inJSON
	case strings.ContainsAny(list, "\"'[]{}\n"):
		return nil, true, unavailablef("the words of %s cannot be read: write a list in JSON, such as exec:[\"PROGRAM\", \"ARGUMENT\"]", execScheme)
	default:
		for word := range strings.SplitSeq(list, ",") {
			words = append(words, strings.TrimSpace(word))
		}
	}
	if len(words) == 0 || words[0] == "" || strings.Contains(strings.Join(words, ""), "\x00") {
		return nil, true, unavailablef("%s names no program: write exec:[PROGRAM, ARGUMENT, …]", execScheme)
	}
	return words, true, nil
}

// Name returns a reference as people may see it. Of a command it has the program alone: an argument may be a secret itself.
func Name(ref string) string {
	words, ok, err := Command(ref)
	switch {
	case !ok:
		return ref
	case err != nil:
		return execScheme + "[…]"
	case len(words) == 1:
		return fmt.Sprintf("%s[%s]", execScheme, words[0])
	}
	return fmt.Sprintf("%s[%s, …]", execScheme, words[0])
}

// fromCommand returns the output of the command of a reference, without a trailing newline.
func (d Default) fromCommand(ctx context.Context, ref string) (string, error) {
	words, _, err := Command(ref)
	if err != nil {
		return "", err
	}
	name := Name(ref)
	if d.Commands == nil {
		return "", unavailablef("%s: this program starts no commands. Use env:NAME or file:PATH", name)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, commandTime, fmt.Errorf("it did not end within %s", commandTime))
	defer cancel()
	out, err := d.Commands.Output(ctx, words, maxFile)
	switch {
	case errors.Is(err, ErrNewCommand):
		return "", unavailable{fmt.Sprintf("%s: %v", name, err), err}
	case err != nil && strings.Contains(err.Error(), "executable file not found"): // as package exec says
		return "", unavailablef("%s: the program is not in PATH. Install it, or write its whole path", name)
	case err != nil:
		return "", unavailablef("%s: %v. Run the command by hand to see what it says", name, err)
	}
	value := taken(out)
	if value == "" {
		return "", unavailablef("%s: it wrote nothing to its standard output. Run the command by hand", name)
	}
	if !IsKey(value) && strings.ContainsFunc(value, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return "", unavailablef("%s: it wrote more than a secret: a space, a line break or another character that a secret may not have", name)
	}
	return value, nil
}
