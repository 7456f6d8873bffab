//go:build race

package srtp

// raced is where sync.Pool forgets on purpose.
const raced = true
