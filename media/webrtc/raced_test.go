//go:build race

package webrtc_test

// raced is where sync.Pool forgets on purpose.
const raced = true
