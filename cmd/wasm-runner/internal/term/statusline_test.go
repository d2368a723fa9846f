package term

import (
	"strings"
	"testing"
)

func TestFitParts_InANarrowLine_KeepsLowRanks(t *testing.T) {
	parts := []Part{{"records", 0}, {"pages", 2}, {"quota", 1}}
	for columns, want := range map[int]string{100: "records  pages  quota", 21: "records  pages  quota", 20: "records  quota", 13: "records", 7: "records", 6: "quota", 0: "", -3: ""} {
		if got := FitParts(parts, columns); got != want {
			t.Errorf("%d columns: %q, want %q", columns, got, want)
		}
	}
}

func TestStatusLine_WhenSettled_StaysOnTheScreen(t *testing.T) {
	for name, redraw := range map[string]bool{"terminal": true, "dumb terminal": false} {
		var screen strings.Builder
		c := NewConsole(&screen)
		text := "half"
		l := StartStatusLine(c, redraw, func(int) string { return text })
		l.Stop()
		text = "all"
		l.Settle()
		if _, err := c.Write([]byte("a message\n")); err != nil {
			t.Fatal(err)
		}
		if got := screen.String(); !strings.HasSuffix(got, "all\na message\n") || redraw != strings.Contains(got, clearLine) {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func TestConsole_OfAMessage_KeepsTheStatusLineBelow(t *testing.T) {
	var screen strings.Builder
	c := NewConsole(&screen)
	c.draw("half")
	if n, err := c.Write([]byte("a message\n")); n != len("a message\n") || err != nil {
		t.Fatal(n, err)
	}
	if got, want := screen.String(), clearLine+"half"+clearLine+"a message\nhalf"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
