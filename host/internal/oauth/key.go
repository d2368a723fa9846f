package oauth

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// Key is the private key that a client signs its assertions with. Every way to print it gives only its id.
type Key struct {
	private   crypto.Signer
	algorithm jose.SignatureAlgorithm
	id        string
}

// minRSA is the size of the smallest RSA key that is accepted, in bits.
const minRSA = 2048

// ParseKey reads a private key: PEM (PKCS #8, PKCS #1 or SEC 1) or a JWK. keyID is the key's id at the service; it may be
// empty if the JWK has one. No error contains a part of the key.
func ParseKey(text, keyID string) (*Key, error) {
	text = strings.TrimSpace(text)
	if !strings.Contains(text, "\n") { // an environment variable often has escaped line breaks
		text = strings.ReplaceAll(text, `\n`, "\n")
	}
	k := &Key{}
	var private any
	var err error
	b := []byte(text)
	defer clear(b)
	switch {
	case strings.HasPrefix(text, "{"):
		private, err = k.parseJWK(b)
	case strings.HasPrefix(text, "-----BEGIN "):
		private, err = parsePEM(b)
	default:
		err = errors.New("it is neither PEM, which begins with -----BEGIN, nor a JWK, which begins with {")
	}
	if err != nil {
		return nil, err
	}
	if keyID != "" && k.id != "" && keyID != k.id {
		return nil, errors.New("the JWK has another kid than key_id says: leave key_id out, or write the kid of this key")
	}
	if k.id == "" {
		k.id = keyID
	}
	if err := k.use(private); err != nil {
		return nil, err
	}
	return k, nil
}

// use sets the private key and its algorithm. k.algorithm may have the one that a JWK names.
func (k *Key) use(private any) error {
	var possible []jose.SignatureAlgorithm
	switch p := private.(type) {
	case *rsa.PrivateKey:
		if p.N.BitLen() < minRSA {
			return fmt.Errorf("its RSA key has %d bits, and at least %d are required: make a new key", p.N.BitLen(), minRSA)
		}
		if err := p.Validate(); err != nil {
			return errors.New("its RSA key is damaged: make a new key")
		}
		k.private, possible = p, []jose.SignatureAlgorithm{jose.RS256, jose.RS384, jose.RS512}
	case *ecdsa.PrivateKey:
		switch p.Curve.Params().BitSize {
		case 256:
			possible = []jose.SignatureAlgorithm{jose.ES256}
		case 384:
			possible = []jose.SignatureAlgorithm{jose.ES384}
		case 521:
			possible = []jose.SignatureAlgorithm{jose.ES512}
		default:
			return fmt.Errorf("its curve %s is not supported: use P-256, P-384 or P-521", p.Curve.Params().Name)
		}
		k.private = p
	default:
		return errors.New("its type is not supported: use an RSA key, or an EC key on P-256, P-384 or P-521")
	}
	if k.algorithm == "" {
		k.algorithm = possible[0]
	}
	for _, a := range possible {
		if a == k.algorithm {
			return nil
		}
	}
	return fmt.Errorf("its alg does not fit the key: write one of %v", possible)
}

// parseJWK reads a JWK, and sets the id and the algorithm that it names.
func (k *Key) parseJWK(text []byte) (private any, err error) {
	var of struct {
		Keys json.RawMessage `json:"keys"`
		D    json.RawMessage `json:"d"`
		Kty  string          `json:"kty"`
		Use  string          `json:"use"`
	}
	defer func() { clear(of.D); clear(of.Keys) }()
	if err := json.Unmarshal(text, &of); err != nil {
		return nil, errors.New("it begins like a JWK but is not JSON: write the whole key")
	}
	switch {
	case of.Keys != nil:
		return nil, errors.New("it is a set of keys: write only the one private key, the object with kty and d")
	case of.Kty == "oct":
		return nil, errors.New("it is a shared secret (kty oct): use an RSA or EC key")
	case of.D == nil && of.Kty != "":
		return nil, errors.New("it is a public key: write the private key, which has a member d")
	case of.Use != "" && of.Use != "sig":
		return nil, errors.New("it is a key for encryption: use one with \"use\":\"sig\"")
	}
	var jwk jose.JSONWebKey
	if err := jwk.UnmarshalJSON(text); err != nil || jwk.IsPublic() {
		return nil, errors.New("it is not a valid JWK of a private RSA or EC key")
	}
	k.id, k.algorithm = jwk.KeyID, jose.SignatureAlgorithm(jwk.Algorithm)
	return jwk.Key, nil
}

// parsePEM reads the only private key of a PEM text.
func parsePEM(text []byte) (private any, err error) {
	var found *pem.Block
	var other string
	for rest := text; len(bytes.TrimSpace(rest)) > 0; {
		var b *pem.Block
		if b, rest = pem.Decode(rest); b == nil {
			break
		}
		if !strings.HasSuffix(b.Type, "PRIVATE KEY") {
			other = b.Type // such as EC PARAMETERS, which openssl writes before the key
			continue
		}
		defer clear(b.Bytes)
		if found != nil {
			return nil, errors.New("it has several private keys: write only one")
		}
		found = b
	}
	switch {
	case found == nil && strings.HasSuffix(other, "PUBLIC KEY"):
		return nil, errors.New("it is a public key: write the private key")
	case found == nil && other == "CERTIFICATE":
		return nil, errors.New("it is a certificate: write the private key")
	case found == nil:
		return nil, errors.New("it begins like PEM but has no complete private key: write the whole key, with its line breaks")
	case found.Type == "OPENSSH PRIVATE KEY":
		return nil, errors.New("it has the format of OpenSSH: convert it with ssh-keygen -p -m PKCS8, or make one with openssl genpkey")
	case found.Type == "ENCRYPTED PRIVATE KEY" || found.Headers["Proc-Type"] != "":
		return nil, errors.New("it is encrypted: decrypt it with openssl pkey -in KEY -out NEW, and protect the file by its mode")
	}
	for _, parse := range []func([]byte) (any, error){
		x509.ParsePKCS8PrivateKey,
		func(b []byte) (any, error) { return x509.ParsePKCS1PrivateKey(b) },
		func(b []byte) (any, error) { return x509.ParseECPrivateKey(b) },
	} {
		if key, err := parse(found.Bytes); err == nil {
			return key, nil
		}
	}
	return nil, errors.New("its private key cannot be read: it must be PKCS #8, PKCS #1 or SEC 1")
}

// fingerprint identifies the key and its id.
func (k *Key) fingerprint() string {
	der, _ := x509.MarshalPKIXPublicKey(k.private.Public()) // RSA and EC keys cannot fail
	sum := sha256.Sum256(append(der, k.id...))
	return string(sum[:])
}

// String returns the key's id.
func (k *Key) String() string { return "[private key " + k.id + "]" }

// GoString returns the same as String.
func (k *Key) GoString() string { return k.String() }

// Format implements fmt.Formatter, whatever the verb.
func (k *Key) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(k.String())) }

// LogValue implements slog.LogValuer.
func (k *Key) LogValue() slog.Value { return slog.StringValue(k.String()) }

// MarshalJSON encodes what String returns.
func (k *Key) MarshalJSON() ([]byte, error) { return json.Marshal(k.String()) }
