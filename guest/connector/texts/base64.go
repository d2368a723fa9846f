package texts

import "strings"

// base64Digits are the digits of base64url (RFC 4648, section 5).
const base64Digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

// EncodeBase64 returns a text in base64url without padding.
func EncodeBase64(text string) string {
	b := make([]byte, 0, (len(text)*4+2)/3)
	for ; len(text) >= 3; text = text[3:] {
		v := uint(text[0])<<16 | uint(text[1])<<8 | uint(text[2])
		b = append(b, base64Digits[v>>18], base64Digits[v>>12&63], base64Digits[v>>6&63], base64Digits[v&63])
	}
	switch len(text) {
	case 1:
		b = append(b, base64Digits[text[0]>>2], base64Digits[text[0]&3<<4])
	case 2:
		v := uint(text[0])<<8 | uint(text[1])
		b = append(b, base64Digits[v>>10], base64Digits[v>>4&63], base64Digits[v&15<<2])
	}
	return string(b)
}

// DecodeBase64 is the inverse of EncodeBase64. ok is false if s is not the encoding of a text.
func DecodeBase64(s string) (text string, ok bool) {
	if len(s)%4 == 1 {
		return "", false
	}
	b := make([]byte, 0, len(s)*3/4)
	var v, bits uint
	for i := range len(s) {
		digit := strings.IndexByte(base64Digits, s[i])
		if digit < 0 {
			return "", false
		}
		v, bits = v<<6|uint(digit), bits+6
		if bits >= 8 {
			bits -= 8
			b = append(b, byte(v>>bits))
		}
	}
	return string(b), true
}
