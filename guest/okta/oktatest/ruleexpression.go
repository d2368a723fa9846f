package oktatest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tidwall/gjson"
)

// ruleExpression decides whether a group rule applies to a user. It implements a part of Okta's expression language:
// https://developer.okta.com/docs/reference/okta-expression-language/#expressions-in-group-rules
type ruleExpression struct {
	operator string // and, or, !, ==, !=; a function; "user." for an attribute; "" for a literal
	operands []*ruleExpression
	value    string // the name of an attribute, or a literal
	null     bool   // the literal null
	boolean  bool   // the result is true or false
}

// ruleFunctions are the functions for rules: their number of arguments, where -1 means any but none, and whether they
// return a boolean.
var ruleFunctions = map[string]struct {
	arguments int
	boolean   bool
}{
	"String.startsWith": {2, true}, "String.stringContains": {2, true}, "Arrays.contains": {2, true},
	"isMemberOfGroup": {1, true}, "isMemberOfAnyGroup": {-1, true}, "isMemberOfGroupName": {1, true},
	"isMemberOfGroupNameStartsWith": {1, true}, "isMemberOfGroupNameContains": {1, true},
	"String.toLowerCase": {1, false}, "String.toUpperCase": {1, false},
}

const mostRuleDepth = 50

// ruleParser parses an expression. Its methods panic with a ruleError, which parseRule catches.
type ruleParser struct {
	tokens []string
	known  map[string]attribute
	depth  int
}

type ruleError string

// parseRule parses an expression with the attributes that users may have.
func parseRule(text string, known map[string]attribute) (e *ruleExpression, err error) {
	defer func() {
		if refused, ok := recover().(ruleError); ok {
			e, err = nil, fmt.Errorf("%s", string(refused))
		} else if e == nil && err == nil {
			err = fmt.Errorf("the expression is empty")
		}
	}()
	p := &ruleParser{tokens: ruleTokens(text), known: known}
	parsed := p.either()
	if len(p.tokens) > 0 {
		panic(ruleError("unexpected " + p.tokens[0]))
	}
	if !parsed.boolean {
		panic(ruleError("the expression is not true or false"))
	}
	return parsed, nil
}

// ruleTokens returns strings with their opening quote, names, and operators.
func ruleTokens(text string) (all []string) {
	for text != "" {
		n := 1
		switch c := text[0]; {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			text = text[1:]
			continue
		case c == '"' || c == '\'':
			end := strings.IndexByte(text[1:], c)
			if end < 0 {
				panic(ruleError("a string has no end"))
			}
			all = append(all, `"`+text[1:1+end])
			text = text[end+2:]
			continue
		case strings.HasPrefix(text, "==") || strings.HasPrefix(text, "!=") || strings.HasPrefix(text, "&&") || strings.HasPrefix(text, "||"):
			n = 2
		case isNameByte(c):
			for n < len(text) && isNameByte(text[n]) {
				n++
			}
		}
		all = append(all, text[:n])
		text = text[n:]
	}
	return all
}

func isNameByte(c byte) bool {
	return c == '.' || c == '_' || c == '-' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// take removes the next token if it is one of words, in any case.
func (p *ruleParser) take(words ...string) bool {
	if len(p.tokens) > 0 && slices.ContainsFunc(words, func(w string) bool { return strings.EqualFold(w, p.tokens[0]) }) {
		p.tokens = p.tokens[1:]
		return true
	}
	return false
}

func (p *ruleParser) either() *ruleExpression {
	if p.depth++; p.depth > mostRuleDepth {
		panic(ruleError("the expression is nested too deeply"))
	}
	defer func() { p.depth-- }()
	return p.chain("or", []string{"or", "||"}, func() *ruleExpression {
		return p.chain("and", []string{"and", "&&"}, p.negated)
	})
}

func (p *ruleParser) chain(operator string, words []string, next func() *ruleExpression) *ruleExpression {
	e := next()
	for p.take(words...) {
		right := next()
		if !e.boolean || !right.boolean {
			panic(ruleError(operator + " wants conditions on both sides"))
		}
		e = &ruleExpression{operator: operator, operands: []*ruleExpression{e, right}, boolean: true}
	}
	return e
}

func (p *ruleParser) negated() *ruleExpression {
	not := false
	for p.take("!", "not") {
		not = !not
	}
	e := p.operand()
	for _, operator := range []string{"==", "!="} {
		if p.take(operator) {
			e = &ruleExpression{operator: operator, operands: []*ruleExpression{e, p.operand()}, boolean: true}
		}
	}
	if !not {
		return e
	}
	if !e.boolean {
		panic(ruleError("! wants a condition"))
	}
	return &ruleExpression{operator: "!", operands: []*ruleExpression{e}, boolean: true}
}

func (p *ruleParser) operand() *ruleExpression {
	if p.take("(") {
		e := p.either()
		p.want(")")
		return e
	}
	if len(p.tokens) == 0 {
		panic(ruleError("the expression ends too early"))
	}
	token := p.tokens[0]
	p.tokens = p.tokens[1:]
	if text, quoted := strings.CutPrefix(token, `"`); quoted {
		return &ruleExpression{value: text}
	}
	if name, ok := strings.CutPrefix(token, "user."); ok {
		if _, known := p.known[name]; !known {
			panic(ruleError("Invalid property " + name + " in expression"))
		}
		return &ruleExpression{operator: "user.", value: name}
	}
	if f, ok := ruleFunctions[token]; ok {
		e := &ruleExpression{operator: token, boolean: f.boolean}
		p.want("(")
		for len(e.operands) == 0 || p.take(",") {
			e.operands = append(e.operands, p.either())
		}
		p.want(")")
		if f.arguments > 0 && len(e.operands) != f.arguments {
			panic(ruleError(fmt.Sprintf("%s takes %d arguments", token, f.arguments)))
		}
		return e
	}
	switch {
	case token == "true" || token == "false":
		return &ruleExpression{value: token, boolean: true}
	case token == "null":
		return &ruleExpression{null: true}
	case token[0] >= '0' && token[0] <= '9':
		return &ruleExpression{value: token}
	}
	panic(ruleError("unexpected " + token))
}

func (p *ruleParser) want(token string) {
	if !p.take(token) {
		panic(ruleError("missing " + token))
	}
}

// ruleFacts are what an expression is evaluated on.
type ruleFacts struct {
	profile gjson.Result
	groups  []*group
}

// text returns the value of e, and whether there is one.
func (e *ruleExpression) text(f *ruleFacts) (string, bool) {
	switch e.operator {
	case "":
		return e.value, !e.null
	case "user.":
		v := f.profile.Get(gjson.Escape(e.value))
		return v.String(), v.Exists() && v.Type != gjson.Null
	case "String.toLowerCase", "String.toUpperCase":
		text, ok := e.operands[0].text(f)
		if e.operator == "String.toLowerCase" {
			return strings.ToLower(text), ok
		}
		return strings.ToUpper(text), ok
	}
	return fmt.Sprint(e.holds(f)), true
}

// holds reports whether a condition is true.
func (e *ruleExpression) holds(f *ruleFacts) bool {
	text := func(i int) string {
		s, _ := e.operands[i].text(f)
		return s
	}
	switch e.operator {
	case "":
		return e.value == "true"
	case "and":
		return e.operands[0].holds(f) && e.operands[1].holds(f)
	case "or":
		return e.operands[0].holds(f) || e.operands[1].holds(f)
	case "!":
		return !e.operands[0].holds(f)
	case "==", "!=":
		left, hasLeft := e.operands[0].text(f)
		right, hasRight := e.operands[1].text(f)
		return (hasLeft == hasRight && left == right) == (e.operator == "==")
	case "String.startsWith":
		return strings.HasPrefix(text(0), text(1))
	case "String.stringContains":
		return strings.Contains(text(0), text(1))
	case "Arrays.contains":
		return slices.ContainsFunc(f.profile.Get(gjson.Escape(e.operands[0].value)).Array(), func(v gjson.Result) bool { return v.String() == text(1) })
	}
	return slices.ContainsFunc(f.groups, func(g *group) bool {
		for i := range e.operands {
			switch e.operator {
			case "isMemberOfGroup", "isMemberOfAnyGroup":
				if g.id == text(i) {
					return true
				}
			case "isMemberOfGroupName":
				return g.name() == text(i)
			case "isMemberOfGroupNameStartsWith":
				return strings.HasPrefix(g.name(), text(i))
			case "isMemberOfGroupNameContains":
				return strings.Contains(g.name(), text(i))
			}
		}
		return false
	})
}
