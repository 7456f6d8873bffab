// Package prompts holds what the voice says.
package prompts
