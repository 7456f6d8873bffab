//go:build !race

package webrtc_test

const raced = false
