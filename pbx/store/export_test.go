package store

import "time"

// OpenImpatient is Open for tests of locked files.
func OpenImpatient(path string) (*Store, error) { return open(path, 50*time.Millisecond) }
