package config

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"strconv"
)

// Rewrite is a rule about how a carrier writes numbers.
type Rewrite struct {
	Match string `yaml:"match"` // RE2, of the whole number
	To    string `yaml:"to"`    // $1 is what the first brackets of Match hold
	Only  string `yaml:"only"`  // called or caller; empty: both
}

const (
	maxRewrites = 100
	maxPattern  = 200 // characters
)

// rewritten is a number with references to what brackets hold.
var rewritten = regexp.MustCompile(`^(\$[1-9]|[0-9+*#]){1,64}$`)

var reference = regexp.MustCompile(`\$[1-9]`)

func (r *reader) rewrites(name string, rules []Rewrite) {
	if len(rules) > maxRewrites {
		r.problem(r.at[&rules[0]], "%s: %d rules; more than %d are a mistake", name, len(rules), maxRewrites)
	}
	for i := range rules {
		rule := &rules[i]
		if rule.Only != "" {
			r.oneOf(name+".only", &rule.Only, []string{"called", "caller"})
		}
		brackets, err := pattern(rule.Match)
		switch {
		case rule.Match == "":
			r.missing(rule, "%s: match is missing", name)
			continue
		case err != nil:
			r.problem(r.at[&rule.Match], "%s.match: %v", name, err)
			continue
		case rule.To == "":
			r.missing(rule, "%s: to is missing", name)
			continue
		case !rewritten.MatchString(rule.To):
			r.problem(r.at[&rule.To], "%s.to: %q is no number; write digits, + * #, and $1 for what the first brackets of match hold", name, rule.To)
			continue
		}
		for _, ref := range reference.FindAllString(rule.To, -1) {
			if n, _ := strconv.Atoi(ref[1:]); n > brackets {
				r.problem(r.at[&rule.To], "%s.to: %s is nothing: match has brackets: %d", name, ref, brackets)
			}
		}
	}
}

// pattern checks a regular expression and counts its brackets.
func pattern(text string) (brackets int, err error) {
	if len(text) > maxPattern {
		return 0, fmt.Errorf("longer than %d characters", maxPattern)
	}
	compiled, err := regexp.Compile(text)
	if err != nil {
		var wrong *syntax.Error
		if errors.As(err, &wrong) {
			return 0, fmt.Errorf("%q is no pattern: %s in %q", text, wrong.Code, wrong.Expr)
		}
		return 0, err
	}
	return compiled.NumSubexp(), nil
}
