package oauth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"log/slog"
	"math/big"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/lestrrat-go/jwx/v3/jwa"
	"github.com/lestrrat-go/jwx/v3/jws"
	"github.com/lestrrat-go/jwx/v3/jwt"
)

func pemOf(typ string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: typ, Bytes: der}))
}

// rsaKey is one key for all tests, since making one takes long.
var rsaKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

func ecKey(t testing.TB, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func pkcs8(t testing.TB, key any) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pemOf("PRIVATE KEY", der)
}

func sec1(t testing.TB, key *ecdsa.PrivateKey) string {
	t.Helper()
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pemOf("EC PRIVATE KEY", der)
}

func jwkOf(t testing.TB, key any, kid, alg string) string {
	t.Helper()
	b, err := jose.JSONWebKey{Key: key, KeyID: kid, Algorithm: alg, Use: "sig"}.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestParseKey_EveryForm_SignsWhatAnotherLibraryVerifies has jwx as its judge.
func TestParseKey_EveryForm_SignsWhatAnotherLibraryVerifies(t *testing.T) {
	p256, p384, p521 := ecKey(t, elliptic.P256()), ecKey(t, elliptic.P384()), ecKey(t, elliptic.P521())
	for name, c := range map[string]struct {
		text, keyID string
		public      crypto.PublicKey
		algorithm   jwa.SignatureAlgorithm
	}{
		"PKCS #8 RSA":             {pkcs8(t, rsaKey()), "k1", rsaKey().Public(), jwa.RS256()},
		"PKCS #1":                 {pemOf("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaKey())), "k1", rsaKey().Public(), jwa.RS256()},
		"PKCS #8 EC":              {pkcs8(t, p256), "k1", p256.Public(), jwa.ES256()},
		"SEC 1 P-256":             {sec1(t, p256), "k1", p256.Public(), jwa.ES256()},
		"SEC 1 P-384":             {sec1(t, p384), "k1", p384.Public(), jwa.ES384()},
		"SEC 1 P-521":             {sec1(t, p521), "k1", p521.Public(), jwa.ES512()},
		"SEC 1 after parameters":  {pemOf("EC PARAMETERS", []byte{6, 8, 42, 134, 72, 206, 61, 3, 1, 7}) + sec1(t, p256), "k1", p256.Public(), jwa.ES256()},
		"escaped line breaks":     {strings.ReplaceAll(strings.TrimSpace(pkcs8(t, p256)), "\n", `\n`), "k1", p256.Public(), jwa.ES256()},
		"Windows line breaks":     {strings.ReplaceAll(pkcs8(t, p256), "\n", "\r\n"), "k1", p256.Public(), jwa.ES256()},
		"JWK RS256":               {jwkOf(t, rsaKey(), "k1", "RS256"), "", rsaKey().Public(), jwa.RS256()},
		"JWK RS384":               {jwkOf(t, rsaKey(), "k1", "RS384"), "", rsaKey().Public(), jwa.RS384()},
		"JWK RS512":               {jwkOf(t, rsaKey(), "k1", "RS512"), "k1", rsaKey().Public(), jwa.RS512()},
		"JWK ES256":               {jwkOf(t, p256, "k1", "ES256"), "", p256.Public(), jwa.ES256()},
		"JWK ES384":               {jwkOf(t, p384, "k1", "ES384"), "", p384.Public(), jwa.ES384()},
		"JWK ES512":               {jwkOf(t, p521, "k1", "ES512"), "", p521.Public(), jwa.ES512()},
		"JWK without kid and alg": {jwkOf(t, p384, "", ""), "k1", p384.Public(), jwa.ES384()},
	} {
		t.Run(name, func(t *testing.T) {
			key, err := ParseKey(c.text, c.keyID)
			if err != nil {
				t.Fatal(err)
			}
			const audience = "https://example.com/token"
			now := time.Now()
			text, err := key.assertion("client", audience, now)
			if err != nil {
				t.Fatal(err)
			}
			parsed, err := jwt.Parse([]byte(text), jwt.WithKey(c.algorithm, c.public), jwt.WithAudience(audience), jwt.WithIssuer("client"), jwt.WithSubject("client"))
			if err != nil {
				t.Fatal(err)
			}
			issued, _ := parsed.IssuedAt()
			expires, _ := parsed.Expiration()
			id, _ := parsed.JwtID()
			if issued.Unix() != now.Unix() || expires.Sub(now) > 5*time.Minute || !expires.After(now.Add(time.Minute)) || len(id) < 22 {
				t.Errorf("iat %s, exp %s, jti %q", issued, expires, id)
			}
			message, err := jws.Parse([]byte(text))
			if err != nil {
				t.Fatal(err)
			}
			header := message.Signatures()[0].ProtectedHeaders()
			if kid, _ := header.KeyID(); kid != "k1" {
				t.Errorf("kid %q", kid)
			}
			if again, _ := key.assertion("client", audience, now); again == text {
				t.Error("two assertions are equal")
			}
		})
	}
}

func TestParseKey_Unusable_SaysWhatToWrite(t *testing.T) {
	p256 := ecKey(t, elliptic.P256())
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	_, edwards, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(p256.Public())
	if err != nil {
		t.Fatal(err)
	}
	whole := pkcs8(t, p256)
	for name, c := range map[string]struct{ text, keyID, want string }{
		"a token":                {"00abcdefghijklmnop", "", "neither PEM"},
		"nothing":                {"", "", "neither PEM"},
		"half a PEM":             {whole[:len(whole)/2], "", "write the whole key"},
		"half a JWK":             {`{"kty":"EC","d":"x`, "", "write the whole key"},
		"a public PEM":           {pemOf("PUBLIC KEY", public), "", "is a public key: write the private key"},
		"a public JWK":           {jwkOf(t, p256.Public(), "k", ""), "", "is a public key"},
		"a certificate":          {pemOf("CERTIFICATE", []byte("x")), "", "is a certificate"},
		"an encrypted key":       {pemOf("ENCRYPTED PRIVATE KEY", []byte("x")), "", "is encrypted"},
		"an encrypted old key":   {"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----\n", "", "is encrypted"},
		"an OpenSSH key":         {pemOf("OPENSSH PRIVATE KEY", []byte("x")), "", "format of OpenSSH"},
		"two keys":               {whole + pkcs8(t, rsaKey()), "", "several private keys"},
		"damaged DER":            {pemOf("PRIVATE KEY", []byte("x")), "", "PKCS #8, PKCS #1 or SEC 1"},
		"a set of keys":          {`{"keys":[` + jwkOf(t, p256, "k", "") + `]}`, "", "is a set of keys"},
		"a shared secret":        {`{"kty":"oct","k":"AAAA"}`, "", "shared secret"},
		"a key for encryption":   {`{"kty":"EC","d":"x","use":"enc"}`, "", "for encryption"},
		"a small RSA key":        {pkcs8(t, small), "", "1024 bits, and at least 2048"},
		"an Ed25519 key":         {pkcs8(t, edwards), "", "not supported"},
		"the curve P-224":        {pkcs8(t, ecKey(t, elliptic.P224())), "", "P-224 is not supported"},
		"another key id":         {jwkOf(t, p256, "k1", ""), "k2", "leave key_id out"},
		"an alg of another type": {jwkOf(t, p256, "k1", "RS256"), "", "alg does not fit"},
		"an alg of another size": {jwkOf(t, p256, "k1", "ES384"), "", ""},
	} {
		key, err := ParseKey(c.text, c.keyID)
		if err == nil || key != nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", name, err, c.want)
			continue
		}
		for _, line := range strings.Fields(c.text) {
			if len(line) > 20 && strings.Contains(err.Error(), line) {
				t.Errorf("%s: the error shows a part of the key: %v", name, err)
			}
		}
	}
}

func TestKey_HoweverItIsPrinted_IsRedacted(t *testing.T) {
	p256 := ecKey(t, elliptic.P256())
	key, err := ParseKey(sec1(t, p256), "k1")
	if err != nil {
		t.Fatal(err)
	}
	prover, err := newProver()
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "key", key, "prover", prover)
	encoded, err := json.Marshal([]any{key, struct{ K *Key }{key}, prover})
	if err != nil {
		t.Fatal(err)
	}
	d, err := p256.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	number := new(strings.Builder)
	fmt.Fprintf(number, "%d", d)
	for _, shown := range []string{log.String(), string(encoded), fmt.Sprintf("%v %+v %#v %s %d %x", key, key, key, key, key, key), fmt.Sprintf("%v %+v %#v", prover, prover, prover)} {
		if strings.Contains(shown, new(big.Int).SetBytes(d).String()) || strings.Contains(shown, fmt.Sprintf("%x", d)) || len(shown) > 400 {
			t.Errorf("shows the key: %s", shown)
		}
	}
}

// FuzzParseKey: no text makes ParseKey panic, and no error repeats it.
func FuzzParseKey(f *testing.F) {
	f.Add("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "")
	f.Add(`{"kty":"EC","crv":"P-256","x":"AA","y":"AA","d":"AA"}`, "k")
	f.Fuzz(func(t *testing.T, text, keyID string) {
		key, err := ParseKey(text, keyID)
		if (err == nil) != (key != nil) {
			t.Fatal(key, err)
		}
		if err == nil {
			if _, err := key.assertion("c", "a", time.Unix(0, 0)); err != nil {
				t.Fatal(err)
			}
			return
		}
		if len(err.Error()) > 200 {
			t.Errorf("a long error: %v", err)
		}
	})
}
