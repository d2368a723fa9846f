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

// AskSecret is Ask for a secret: a terminal does not show the answer, and nothing is stripped but the end of the line. Ctrl-C
// calls interrupt. When ctx ends, the terminal shows what is typed again.
func AskSecret(ctx context.Context, in *os.File, out io.Writer, question string, interrupt func()) (string, error) {
	if _, err := io.WriteString(out, question); err != nil {
		return "", err
	}
	before, err := term.MakeRaw(int(in.Fd()))
	if err != nil {
		return "", err
	}
	defer func() {
		_ = term.Restore(int(in.Fd()), before) // the terminal may be gone
		_, _ = io.WriteString(out, "\n")
	}()
	return within(ctx, func() (string, error) {
		text, err := readKeys(in)
		if errors.Is(err, errInterrupted) {
			interrupt()
			<-ctx.Done()
			return "", context.Cause(ctx)
		}
		return text, err
	})
}

// errInterrupted means that Ctrl-C was typed.
var errInterrupted = errors.New("interrupted")

// Keys of a terminal that interprets none itself.
const (
	ctrlC     = 0x03
	ctrlD     = 0x04
	backspace = 0x08
	ctrlU     = 0x15
	ctrlW     = 0x17
	del       = 0x7f
)

// readKeys reads a line that is typed, with the keys that correct it. Ctrl-D in an empty line is its end: ErrNoAnswer.
func readKeys(in io.Reader) (string, error) {
	line := make([]byte, 0, 512) // a token does not move in memory
	defer func() { clear(line[:cap(line)]) }()
	one := make([]byte, 1)
	defer clear(one)
	for len(line) < maxAnswer {
		n, err := in.Read(one)
		if n == 0 || err != nil {
			return "", ErrNoAnswer
		}
		switch one[0] {
		case '\r', '\n':
			return string(line), nil
		case ctrlC:
			return "", errInterrupted
		case ctrlD:
			if len(line) == 0 {
				return "", ErrNoAnswer
			}
		case backspace, del:
			line = line[:max(len(line)-1, 0)]
		case ctrlU, ctrlW:
			line = line[:0]
		default:
			line = append(line, one[0])
		}
	}
	return "", errLong
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
	return "", errLong
}

var errLong = errors.New("the answer is longer than 64 KiB")
