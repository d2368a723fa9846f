package oauth

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// assertionLife is how long an assertion is valid. A service allows at most five minutes or an hour; a client whose
// clock is two minutes ahead stays below both.
const assertionLife = 3 * time.Minute

// newID returns a random id for a token, with 128 bits.
func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // cannot fail
	return hex.EncodeToString(b[:])
}

// assertion returns a new signed assertion that the client is clientID (RFC 7523). audience is the address of the token
// endpoint, and now the service's time.
func (k *Key) assertion(clientID, audience string, now time.Time) (string, error) {
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: k.algorithm, Key: jose.JSONWebKey{Key: k.private, KeyID: k.id}}, new(jose.SignerOptions).WithType("JWT"))
	if err != nil {
		return "", fmt.Errorf("the private key cannot sign with %s", k.algorithm)
	}
	return sign(signer, struct {
		Issuer   string `json:"iss"`
		Subject  string `json:"sub"`
		Audience string `json:"aud"`
		Issued   int64  `json:"iat"`
		Expires  int64  `json:"exp"`
		ID       string `json:"jti"`
	}{clientID, clientID, audience, now.Unix(), now.Add(assertionLife).Unix(), newID()})
}

// sign returns claims as a signed JWT.
func sign(signer jose.Signer, claims any) (string, error) {
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		return "", err
	}
	return signed.CompactSerialize()
}

// prover makes DPoP proofs (RFC 9449) with a key of its own, which exists only in memory. It is safe for concurrent use.
type prover struct{ signer jose.Signer }

// newProver returns a prover with a new key.
func newProver() (*prover, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	options := &jose.SignerOptions{EmbedJWK: true}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, options.WithType("dpop+jwt"))
	if err != nil {
		return nil, err
	}
	return &prover{signer}, nil
}

// proof returns a new proof for a request. nonce and token may be empty.
func (p *prover) proof(method string, address *url.URL, now time.Time, nonce, token string) (string, error) {
	of := url.URL{Scheme: address.Scheme, Host: address.Host, Path: address.Path, RawPath: address.RawPath}
	claims := struct {
		ID     string `json:"jti"`
		Method string `json:"htm"`
		URL    string `json:"htu"`
		Issued int64  `json:"iat"`
		Nonce  string `json:"nonce,omitempty"`
		Token  string `json:"ath,omitempty"`
	}{ID: newID(), Method: method, URL: of.String(), Issued: now.Unix(), Nonce: nonce}
	if token != "" {
		sum := sha256.Sum256([]byte(token))
		claims.Token = base64.RawURLEncoding.EncodeToString(sum[:])
	}
	return sign(p.signer, claims)
}

// GoString hides the key.
func (p *prover) GoString() string { return "[DPoP key]" }

// String hides the key.
func (p *prover) String() string { return "[DPoP key]" }
