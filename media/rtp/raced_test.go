//go:build race

package rtp

// raced is where sync.Pool forgets on purpose.
const raced = true
