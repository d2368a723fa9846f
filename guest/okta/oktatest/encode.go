package oktatest

import (
	"bytes"
	"encoding/json"
	"time"
	"unicode/utf8"
)

// Bodies are built by appending, so that keys keep their order and large pages need no reflection.

// appendString appends s as a JSON string. HTML characters are not escaped, as in Okta's responses.
func appendString(buf []byte, s string) []byte {
	plain := true
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < 0x20 || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			plain = false
			break
		}
	}
	if plain {
		buf = append(buf, '"')
		buf = append(buf, s...)
		return append(buf, '"')
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(s); err != nil { // strings always encode
		return append(buf, `""`...)
	}
	return append(buf, bytes.TrimSuffix(out.Bytes(), []byte("\n"))...)
}

// appendField appends ,"key":"value", without the comma after an opening brace.
func appendField(buf []byte, key, value string) []byte {
	return appendString(appendKey(buf, key), value)
}

func appendRaw(buf []byte, key string, value []byte) []byte {
	return append(appendKey(buf, key), value...)
}

func appendKey(buf []byte, key string) []byte {
	if n := len(buf); n > 0 && buf[n-1] != '{' && buf[n-1] != '[' {
		buf = append(buf, ',')
	}
	return append(appendString(buf, key), ':')
}

// appendTime appends ,"key":timestamp, or null if the time is not set.
func appendTime(buf []byte, key string, at millis) []byte {
	buf = appendKey(buf, key)
	if at == 0 {
		return append(buf, "null"...)
	}
	buf = append(buf, '"')
	buf = at.append(buf)
	return append(buf, '"')
}

// appendHref appends ,"key":{"href":"origin+path"}.
func appendHref(buf []byte, key, origin, path string) []byte {
	buf = append(appendKey(buf, key), '{')
	return append(appendField(buf, "href", origin+path), '}')
}

// millis is a time in milliseconds since 1970, the precision of Okta's timestamps. Zero means never.
type millis int64

const timeFormat = "2006-01-02T15:04:05.000Z"

func millisOf(t time.Time) millis         { return millis(t.UnixMilli()) }
func (m millis) time() time.Time          { return time.UnixMilli(int64(m)).UTC() }
func (m millis) append(buf []byte) []byte { return m.time().AppendFormat(buf, timeFormat) }
func (m millis) String() string           { return string(m.append(nil)) }
