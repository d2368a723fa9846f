package connections

import (
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// oauthNames are field names that people write for a connection that signs in with OAuth.
var oauthNames = []string{"client_id", "client_secret", "client_secret_ref", "private_key", "private_key_ref", "private_key_secret_ref", "private_key_file", "key_id", "kid", "scope", "scopes",
	"oauth", "oauth2", "dpop", "issuer", "authorization_server", "token_url", "token_endpoint", "auth", "auth_mode", "auth_type", "authorization_mode"}

// oauthExample is the field oauth as it is written.
const oauthExample = "oauth: {client_id: ID, private_key_ref: file:PATH}"

// signIn are the fields of which a connection has exactly one, if its schema has both.
var signIn = []string{"token_secret_ref", "oauth"}

// takesOAuth reports whether a connection may sign in with OAuth.
func (s *Schema) takesOAuth() bool { return slices.Contains(s.fields(nil), "oauth") }

// checkSignIn reports a connection that does not have exactly one of the fields of signIn.
func (e *entry) checkSignIn(given []member) {
	if !e.schema.takesOAuth() || !slices.Contains(e.schema.fields(nil), signIn[0]) {
		return
	}
	var found []member
	for _, m := range given {
		if slices.Contains(signIn, m.name) {
			found = append(found, m)
		}
	}
	switch {
	case len(found) > 1:
		e.report(at(found[1].key, "field %s: the connection has %s, too, and signs in with only one of them: remove one", found[1].name, found[0].name))
	case len(found) == 0:
		fault := at(e.node, "connection%s has no token_secret_ref: write %s. Or sign in with OAuth: write %s", named(e.name),
			e.schema.at(signIn[:1]).Get("description").Str, oauthExample)
		fault.missing = signIn[0]
		e.report(fault)
	}
}

// unknownOAuth returns what is wrong with a field for OAuth that has another place or name. within is where it was found:
// "" for a connection, or "oauth".
func (s *Schema) unknownOAuth(name, within string) string {
	if !slices.Contains(oauthNames, plain(name)) && (within == "" || !isLiteral(name)) {
		return ""
	}
	switch field := plain(name); {
	case !s.takesOAuth():
		return fmt.Sprintf("field %s: the module signs in only with a token: write token_secret_ref: env:%s_API_TOKEN", name, strings.ToUpper(s.kind))
	case field == "private_key" || within != "" && isLiteral(name):
		return fmt.Sprintf("field %s: a secret does not belong in this file. Put the private key into a file of mode 0600, and write private_key_ref: file:PATH in oauth", name)
	case field == "client_secret" || field == "client_secret_ref":
		return fmt.Sprintf("field %s: a client signs in with a private key, not with a shared secret: write %s", name, oauthExample)
	case strings.HasPrefix(field, "private_key_"):
		return fmt.Sprintf("field %s: write %s", name, oauthExample)
	case field == "kid":
		return fmt.Sprintf("field %s: write key_id in oauth", name)
	case field == "scope":
		return fmt.Sprintf("field %s: write scopes: [SCOPE, …] in oauth", name)
	case within == "" && slices.Contains(s.fields([]string{"oauth"}), field):
		return fmt.Sprintf("field %s: it belongs in oauth: write oauth: {%s: …} with client_id and private_key_ref", name, field)
	case slices.Contains([]string{"issuer", "authorization_server", "token_url", "token_endpoint"}, field):
		return fmt.Sprintf("field %s: the token endpoint is at base_url, as the module says: leave the field out", name)
	}
	return fmt.Sprintf("field %s: write %s", name, oauthExample)
}

// hintOfList is hint for a list of texts. People write one text, or several with spaces or commas between them.
func (e *entry) hintOfList(path []string) string {
	text, _ := e.nodes[strings.Join(path, "/")].(*ast.StringNode)
	if text == nil || e.schema.at(path).Get("items.type").Str != "string" {
		return ""
	}
	words := strings.FieldsFunc(text.Value, func(r rune) bool { return r == ' ' || r == ',' })
	if len(words) == 0 || len(words) > 20 || slices.ContainsFunc(words, func(w string) bool { return shown(w) != w }) {
		return ""
	}
	return ": write [" + strings.Join(words, ", ") + "]"
}

// notReference returns what is wrong with a text in place of a reference.
func notReference(field string) string {
	if field == "private_key_ref" {
		return "not a reference (is it the key itself?): put the key into a file of mode 0600, and write file:PATH"
	}
	return "not a reference (is it the token itself?): put the token into the environment or a file, and write env:NAME or file:PATH"
}
