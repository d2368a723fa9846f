package term

// Palette colours text for a terminal. The zero value leaves text as it is.
type Palette struct{ colours bool }

// NewPalette returns the palette for an output. It colours if the output is a terminal that takes escape codes, and NO_COLOR is
// not set. env returns an environment variable.
func NewPalette(out any, env func(name string) string) Palette {
	_, terminal := Columns(out)
	return Palette{terminal && env("NO_COLOR") == "" && !Dumb(env("TERM"))}
}

// Colours reports whether the palette colours.
func (p Palette) Colours() bool { return p.colours }

// Good colours success.
func (p Palette) Good(text string) string { return p.paint("32", text) }

// Warn colours what needs attention.
func (p Palette) Warn(text string) string { return p.paint("33", text) }

// Bad colours a failure, or a value that is replaced.
func (p Palette) Bad(text string) string { return p.paint("31", text) }

// Name colours the name of a member.
func (p Palette) Name(text string) string { return p.paint("36", text) }

// Faint colours what matters less.
func (p Palette) Faint(text string) string { return p.paint("2", text) }

// Strong marks a heading.
func (p Palette) Strong(text string) string { return p.paint("1", text) }

func (p Palette) paint(code, text string) string {
	if !p.colours || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}
