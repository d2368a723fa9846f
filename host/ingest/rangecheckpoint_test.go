package ingest

import (
	"encoding/json"
	"testing"
)

// FuzzRangeCheckpoint reads a checkpoint from arbitrary text. It is refused, or has the same meaning after it is written again.
func FuzzRangeCheckpoint(f *testing.F) {
	for _, s := range []string{``, `null`, `{"v":1,"cursor":"a","time":"2026-01-01T00:00:00Z"}`, `{"v":1,"done":true}`, `{"v":2,"input":"i","cursor":"a","since":"2026-01-01T00:00:00Z"}`,
		`{"v":2,"input":"i","time":"0001-01-01T00:00:00Z"}`, `{"v":2,"input":"other","done":true}`, `{"v":2,"input":"i","time":"yesterday"}`, `{"v":1,"time":""}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, at []byte) {
		c, err := readRange(at, "i")
		if err != nil {
			return
		}
		if c.Version != rangeVersion || c.Input != "i" {
			t.Fatalf("%+v", c)
		}
		text, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		again, err := readRange(text, "i")
		if err != nil || again.Cursor != c.Cursor || again.Since != c.Since || again.Done != c.Done || !again.Time.Equal(c.Time) {
			t.Fatalf("%q became %+v, written again %+v, %v", at, c, again, err)
		}
		if RangeDone(text) != c.Done || !RangeTime(text).Equal(c.Time) {
			t.Fatalf("%s", text)
		}
	})
}
