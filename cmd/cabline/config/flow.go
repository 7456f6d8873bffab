package config

import (
	"unicode/utf8"

	"github.com/goccy/go-yaml/token"
)

// joinColons mends what the YAML library's scanner breaks: in a list inside
// {braces} it takes every colon for one that ends a key, so that
// {listen: [udp://127.0.0.1:5060]} becomes a mapping with the key
// "udp://127.0.0.1". By YAML 1.2 §7.3.3 a colon ends a key only where a space
// follows; without one it belongs to the text around it.
// https://github.com/goccy/go-yaml/issues/832
func joinColons(tokens token.Tokens) token.Tokens {
	var joined token.Tokens
	var open []token.Type // the brackets we are in
	for i := 0; i < len(tokens); i++ {
		t := tokens[i]
		switch t.Type {
		case token.MappingStartType, token.SequenceStartType:
			open = append(open, t.Type)
		case token.MappingEndType, token.SequenceEndType:
			open = open[:max(len(open)-1, 0)]
		}
		inList := len(open) > 0 && open[len(open)-1] == token.SequenceStartType
		if !inList || t.Type != token.MappingValueType || i+1 == len(tokens) || !touch(t, tokens[i+1]) || !plainText(tokens[i+1]) {
			joined.Add(t)
			continue
		}
		next := tokens[i+1]
		text, origin, at := t.Value+next.Value, t.Origin+next.Origin, t.Position
		if last := len(joined) - 1; last >= 0 && plainText(joined[last]) && touch(joined[last], t) {
			text, origin, at = joined[last].Value+text, joined[last].Origin+origin, joined[last].Position
			joined = joined[:last]
		}
		joined.Add(token.String(text, origin, at))
		i++
	}
	return joined
}

// touch reports whether b begins where a ends.
func touch(a, b *token.Token) bool {
	return a.Position.Line == b.Position.Line &&
		a.Position.Column+utf8.RuneCountInString(a.Value) == b.Position.Column
}

// plainText is a text, number or the like without quotes.
func plainText(t *token.Token) bool {
	return t.CharacterType == token.CharacterTypeMiscellaneous && t.Indicator == token.NotIndicator
}
