//go:build !race

package srtp

const raced = false
