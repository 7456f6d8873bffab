//go:build !race

package lacking

const raced = false
