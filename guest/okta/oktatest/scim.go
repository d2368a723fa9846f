package oktatest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidwall/gjson"
)

// Filters and searches are SCIM expressions: attribute operator value, joined by and, or and parentheses.
// https://developer.okta.com/docs/reference/core-okta-api/#filter

// expression is one node: a comparison, or two joined expressions.
type expression struct {
	attribute string
	operator  string // "and" and "or" join left and right; the others compare attribute with value
	value     gjson.Result
	moment    time.Time // value as a time, if it is one
	exact     bool      // case matters

	left, right *expression
}

const (
	maxExpression = 4096 // bytes
	maxDepth      = 32   // parentheses
)

// parseExpression parses s. Errors say what is wrong and where.
func parseExpression(s string) (*expression, error) {
	if len(s) > maxExpression {
		return nil, fmt.Errorf("longer than %d bytes", maxExpression)
	}
	tokens, err := tokenize(s)
	if err != nil {
		return nil, err
	}
	p := &expressionParser{tokens: tokens}
	e, err := p.or(0)
	if err != nil {
		return nil, err
	}
	if p.next < len(tokens) {
		return nil, fmt.Errorf("unexpected %q", tokens[p.next])
	}
	return e, nil
}

// tokenize splits s into parentheses, quoted strings and words.
func tokenize(s string) ([]string, error) {
	var tokens []string
	for i := 0; i < len(s); {
		switch c := s[i]; {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			i++
		case c == '(' || c == ')':
			tokens = append(tokens, s[i:i+1])
			i++
		case c == '"':
			end := i + 1
			for end < len(s) && s[end] != '"' {
				if s[end] == '\\' {
					end++
				}
				end++
			}
			if end >= len(s) {
				return nil, fmt.Errorf("unclosed quote at %d", i)
			}
			quoted := s[i : end+1]
			if !gjson.Valid(quoted) {
				return nil, fmt.Errorf("bad string %s", quoted)
			}
			tokens = append(tokens, quoted)
			i = end + 1
		default:
			end := i
			for end < len(s) && !strings.ContainsRune(" \t\r\n()\"", rune(s[end])) {
				end++
			}
			tokens = append(tokens, s[i:end])
			i = end
		}
	}
	return tokens, nil
}

type expressionParser struct {
	tokens []string
	next   int
}

func (p *expressionParser) peek(word string) bool {
	return p.next < len(p.tokens) && strings.EqualFold(p.tokens[p.next], word)
}

func (p *expressionParser) take() (string, error) {
	if p.next == len(p.tokens) {
		return "", fmt.Errorf("unexpected end")
	}
	p.next++
	return p.tokens[p.next-1], nil
}

func (p *expressionParser) or(depth int) (*expression, error) {
	return p.join("or", func() (*expression, error) {
		return p.join("and", func() (*expression, error) { return p.term(depth) })
	})
}

func (p *expressionParser) join(word string, part func() (*expression, error)) (*expression, error) {
	left, err := part()
	for err == nil && p.peek(word) {
		p.next++
		var right *expression
		if right, err = part(); err == nil {
			left = &expression{operator: word, left: left, right: right}
		}
	}
	return left, err
}

func (p *expressionParser) term(depth int) (*expression, error) {
	token, err := p.take()
	if err != nil {
		return nil, err
	}
	if token == "(" {
		if depth >= maxDepth {
			return nil, fmt.Errorf("more than %d levels of parentheses", maxDepth)
		}
		inner, err := p.or(depth + 1)
		if err != nil {
			return nil, err
		}
		if closing, err := p.take(); err != nil || closing != ")" {
			return nil, fmt.Errorf("missing )")
		}
		return inner, nil
	}
	if !isAttribute(token) {
		return nil, fmt.Errorf("%q is not an attribute", token)
	}
	e := &expression{attribute: token}
	operator, err := p.take()
	if err != nil {
		return nil, fmt.Errorf("no operator after %s", token)
	}
	e.operator = strings.ToLower(operator)
	if !slices.Contains([]string{"eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le", "pr"}, e.operator) {
		return nil, fmt.Errorf("unknown operator %q", operator)
	}
	if e.operator == "pr" {
		return e, nil
	}
	value, err := p.take()
	if err != nil {
		return nil, fmt.Errorf("no value after %s %s", token, operator)
	}
	if !gjson.Valid(value) || value[0] == '{' || value[0] == '[' {
		return nil, fmt.Errorf("bad value %q", value)
	}
	e.value = gjson.Parse(value)
	e.moment, _ = parseTime(e.value.Str)
	return e, nil
}

func isAttribute(s string) bool {
	for i, r := range s {
		letter := r == '_' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
		if !letter && (i == 0 || !strings.ContainsRune("0123456789.-:", r)) {
			return false
		}
	}
	return s != ""
}

// comparisons calls visit for every comparison in e until one fails.
func (e *expression) comparisons(visit func(*expression) error) error {
	if e.left == nil {
		return visit(e)
	}
	if err := e.left.comparisons(visit); err != nil {
		return err
	}
	return e.right.comparisons(visit)
}

// matches evaluates e over a JSON object.
func (e *expression) matches(object gjson.Result) bool {
	switch e.operator {
	case "and":
		return e.left.matches(object) && e.right.matches(object)
	case "or":
		return e.left.matches(object) || e.right.matches(object)
	case "ne":
		return !walk(object, e.attribute, func(v gjson.Result) bool { return e.compare("eq", v) })
	}
	return walk(object, e.attribute, func(v gjson.Result) bool { return e.compare(e.operator, v) })
}

// walk calls accept for the values at path until one is accepted. An array in the path means all of its elements.
func walk(v gjson.Result, path string, accept func(gjson.Result) bool) bool {
	if v.IsArray() {
		found := false
		v.ForEach(func(_, element gjson.Result) bool {
			found = walk(element, path, accept)
			return !found
		})
		return found
	}
	if path == "" {
		return accept(v)
	}
	key, rest, _ := strings.Cut(path, ".")
	next := v.Get(gjson.Escape(key))
	return next.Exists() && walk(next, rest, accept)
}

// compare tests one value. Strings are compared without case, unless a dialect is exact.
func (e *expression) compare(operator string, v gjson.Result) bool {
	if operator == "pr" {
		return v.Type != gjson.Null && v.String() != ""
	}
	if e.value.Type != gjson.String || v.Type != gjson.String {
		return e.compareScalars(operator, v)
	}
	have, want := v.Str, e.value.Str
	if !e.exact {
		have, want = strings.ToLower(have), strings.ToLower(want)
	}
	switch operator {
	case "co":
		return strings.Contains(have, want)
	case "sw":
		return strings.HasPrefix(have, want)
	case "ew":
		return strings.HasSuffix(have, want)
	}
	order := strings.Compare(have, want)
	if !e.moment.IsZero() {
		if moment, err := parseTime(v.Str); err == nil {
			order = moment.Compare(e.moment)
		}
	}
	return ordered(operator, order)
}

// compareScalars compares numbers by value and everything else by its text, since callers write isProxy eq "true".
func (e *expression) compareScalars(operator string, v gjson.Result) bool {
	if v.Type == gjson.Number {
		if want, err := strconv.ParseFloat(e.value.String(), 64); err == nil {
			switch {
			case v.Num < want:
				return ordered(operator, -1)
			case v.Num > want:
				return ordered(operator, 1)
			}
			return ordered(operator, 0)
		}
	}
	return operator == "eq" && v.Type == e.value.Type && v.Raw == e.value.Raw ||
		operator == "eq" && v.IsBool() && strings.EqualFold(v.Raw, e.value.String())
}

func ordered(operator string, order int) bool {
	switch operator {
	case "eq":
		return order == 0
	case "gt":
		return order > 0
	case "ge":
		return order >= 0
	case "lt":
		return order < 0
	case "le":
		return order <= 0
	}
	return false
}

// parseTime parses a timestamp like Okta: RFC 3339 with or without fractions, or only a date.
func parseTime(s string) (time.Time, error) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999Z0700", "2006-01-02T15:04:05.999", time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is not a date", s)
}

// dialect is the part of the language that one endpoint accepts.
type dialect struct {
	operators string // space-separated, for every attribute
	ranges    string // attributes that also accept gt, ge, lt and le; space-separated
	contains  string // attributes that accept co; space-separated, empty means all
	exact     bool   // case matters in values
	single    bool   // one comparison only, without and, or and brackets
	known     func(attribute string) bool
	refuse    func(why string) *apiError
}

// parse parses s, or returns the endpoint's refusal.
func (d dialect) parse(s string) (*expression, error) {
	e, err := parseExpression(s)
	if err != nil {
		return nil, d.refuse(err.Error())
	}
	if d.single && (e.left != nil || strings.HasPrefix(strings.TrimSpace(s), "(")) {
		return nil, d.refuse("only one comparison is supported")
	}
	err = e.comparisons(func(c *expression) error {
		if !d.known(c.attribute) {
			return d.refuse("attribute " + c.attribute + " is not supported")
		}
		c.exact = d.exact
		if c.operator == "co" && d.contains != "" && !slices.Contains(strings.Fields(d.contains), c.attribute) {
			return d.refuse("operator co is not supported for " + c.attribute)
		}
		if slices.Contains(strings.Fields(d.operators), c.operator) {
			return nil
		}
		if slices.Contains([]string{"gt", "ge", "lt", "le"}, c.operator) && slices.Contains(strings.Fields(d.ranges), c.attribute) {
			return nil
		}
		return d.refuse("operator " + c.operator + " is not supported for " + c.attribute)
	})
	return e, err
}
