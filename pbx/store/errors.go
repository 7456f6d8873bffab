package store

import (
	"errors"
	"fmt"
	"os"

	"github.com/mattn/go-sqlite3"
)

// What can be wrong with the file; errors of this package wrap them where that
// is what happened.
var (
	ErrFull    = errors.New("the disk is full: free some space; calls go on, but nothing is written down")
	ErrLocked  = errors.New("another program holds the file locked: end the backup or the sqlite3 session that does")
	ErrDamaged = errors.New("the file is damaged or no Cabline database: move it away and restore the last backup")
	ErrNewer   = errors.New("the file was written by a newer Cabline")
	ErrAccess  = errors.New("no permission: the file, its folder and what lies beside it (-wal, -shm) must be writable for the user Cabline runs as")
)

// newerError is ErrNewer with the versions.
type newerError struct{ here, known int64 }

func (e *newerError) Error() string {
	return fmt.Sprintf("%v (its tables are version %d, this program knows %d): run that version, or restore a backup from before the upgrade",
		ErrNewer, e.here, e.known)
}

func (e *newerError) Is(target error) bool { return target == ErrNewer }

// Explain adds the file, and for the usual faults of databases the mend, to an
// error of the database. Other errors pass unchanged.
func (s *Store) Explain(err error) error {
	var fault sqlite3.Error
	var newer *newerError
	switch {
	case errors.As(err, &newer):
		return fmt.Errorf("%s: %w", s.path, err)
	case !errors.As(err, &fault):
		return err
	}
	meaning := s.meaning(fault)
	if meaning == nil {
		return fmt.Errorf("%s: %w", s.path, err)
	}
	return fmt.Errorf("%s: %w (%w)", s.path, meaning, err)
}

func (s *Store) meaning(fault sqlite3.Error) error {
	switch fault.Code {
	case sqlite3.ErrFull:
		return ErrFull
	case sqlite3.ErrBusy, sqlite3.ErrLocked:
		return ErrLocked
	case sqlite3.ErrCorrupt, sqlite3.ErrNotADB, sqlite3.ErrFormat:
		return ErrDamaged
	case sqlite3.ErrReadonly, sqlite3.ErrCantOpen, sqlite3.ErrPerm:
		return ErrAccess
	case sqlite3.ErrIoErr:
		if errors.Is(fault.SystemErrno, os.ErrPermission) {
			return ErrAccess
		}
	}
	return nil
}
