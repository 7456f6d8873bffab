package config

import _ "embed"

// Example is a whole file with every key explained. What it sets outside its
// lists is what is meant when the key is left out, the firm's name aside.
//
//go:embed example.yaml
var Example string
