package term

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// ErrNoAnswer means that the input ended before the answer.
var ErrNoAnswer = errors.New("no answer: the input ended")

const maxAnswer = 64 << 10 // bytes

// Ask writes a question and reads a line. It returns the line without spaces around it. The error is ErrNoAnswer or that of ctx.
func Ask(ctx context.Context, in io.Reader, out io.Writer, question string) (string, error) {
	if _, err := io.WriteString(out, question); err != nil {
		return "", err
	}
	return within(ctx, func() (string, error) { return readLine(in) })
}

// AskSecret is Ask for a secret: a terminal does not show the answer, and nothing is stripped but the end of the line. When ctx
// ends, the terminal shows what is typed again.
func AskSecret(ctx context.Context, in *os.File, out io.Writer, question string) (string, error) {
	if _, err := io.WriteString(out, question); err != nil {
		return "", err
	}
	before, err := term.GetState(int(in.Fd()))
	if err != nil {
		return "", err
	}
	defer func() {
		_ = term.Restore(int(in.Fd()), before) // the terminal may be gone
		_, _ = io.WriteString(out, "\n")
	}()
	return within(ctx, func() (string, error) {
		b, err := term.ReadPassword(int(in.Fd()))
		defer clear(b)
		if err != nil {
			return "", ErrNoAnswer
		}
		return string(b), nil
	})
}

// within returns what read returns, or the error of ctx if that ends first.
func within(ctx context.Context, read func() (string, error)) (string, error) {
	type result struct {
		text string
		err  error
	}
	done := make(chan result, 1)
	go func() {
		text, err := read()
		done <- result{text, err}
	}()
	select {
	case r := <-done:
		return r.text, r.err
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
}

// readLine reads to the end of a line, and no further.
func readLine(in io.Reader) (string, error) {
	var line []byte
	one := make([]byte, 1)
	for len(line) < maxAnswer {
		n, err := in.Read(one)
		if n == 1 && one[0] == '\n' {
			return strings.TrimSpace(string(line)), nil
		}
		line = append(line, one[:n]...)
		if err != nil {
			if text := strings.TrimSpace(string(line)); text != "" {
				return text, nil
			}
			return "", ErrNoAnswer
		}
	}
	return "", errors.New("the answer is longer than 64 KiB")
}
