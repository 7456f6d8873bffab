// Package store keeps what must survive a restart, in one SQLite file: CDRs,
// and the tables of the embedded order book. It implements pbx.Store.
//
// It knows SQL and nothing of calls in progress. It does not log: its errors
// say, for a person, what is wrong with the file and what to do about it.
package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"time"

	_ "github.com/mattn/go-sqlite3" // the database/sql driver "sqlite3"
	"github.com/pressly/goose/v3"
)

//go:embed migrations/*.sql
var migrations embed.FS

// patience is how long a statement waits for another's lock before it is an
// error. Ours take a millisecond: who holds a lock this long is a backup, or a
// person with the sqlite3 tool.
const patience = 5 * time.Second

// Store is the open database. Its methods are safe for concurrent use.
type Store struct {
	path     string
	patience time.Duration
	writer   *sql.DB // one connection: SQLite has one writer, and waiting in Go is cheaper than SQLITE_BUSY
	readers  *sql.DB // these read beside the writer (WAL)
	saveCDR  *sql.Stmt
}

// Open opens the database at path, making it and its folder where they are
// missing, and brings its tables up to date.
func Open(path string) (*Store, error) { return open(path, patience) }

func open(path string, patience time.Duration) (*Store, error) {
	if err := prepare(path); err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	s := &Store{path: path, patience: patience}
	if err := s.open(); err != nil {
		return nil, errors.Join(fmt.Errorf("open database: %w", s.Explain(err)), s.Close())
	}
	return s, nil
}

// prepare makes the file before SQLite does: it holds telephone numbers, so
// nobody but the owner may read it. The WAL beside it inherits its mode.
func prepare(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	return file.Close()
}

func (s *Store) open() error {
	var err error
	if s.writer, err = s.connect("&_txlock=immediate", 1); err != nil {
		return err
	}
	if err := migrate(s.writer); err != nil {
		return err
	}
	if s.readers, err = s.connect("&_query_only=on", max(4, runtime.NumCPU())); err != nil {
		return err
	}
	s.saveCDR, err = s.writer.Prepare(insertCDR)
	return err
}

func (s *Store) connect(options string, connections int) (*sql.DB, error) {
	// A file: URI, so that a path may hold any character.
	dsn := fmt.Sprintf("file:%s?_journal_mode=WAL&_foreign_keys=on&_busy_timeout=%d%s",
		(&url.URL{Path: s.path}).EscapedPath(), s.patience.Milliseconds(), options)
	db, err := sql.Open("sqlite3", dsn)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	return db, nil
}

func migrate(db *sql.DB) error {
	folder, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	provider, err := goose.NewProvider(goose.DialectSQLite3, db, folder,
		goose.WithLogger(goose.NopLogger()), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute) // Open has no caller's context: it is the start of the program
	defer cancel()
	here, known, err := provider.GetVersions(ctx)
	if err != nil {
		return err
	}
	if here > known {
		return &newerError{here, known}
	}
	_, err = provider.Up(ctx)
	return err
}

// Close waits for statements that run and closes the file.
func (s *Store) Close() error {
	var errs []error
	if s.readers != nil {
		errs = append(errs, s.readers.Close())
	}
	if s.writer != nil { // the last to close checkpoints the WAL and removes it
		errs = append(errs, s.writer.Close())
	}
	return errors.Join(errs...)
}

// Ping answers whether the database can be read.
func (s *Store) Ping(ctx context.Context) error {
	var one int
	if err := s.readers.QueryRowContext(ctx, "SELECT count(*) FROM goose_db_version").Scan(&one); err != nil {
		return s.Explain(err)
	}
	return nil
}

// Readers is for queries that change nothing. Errors go through Explain.
func (s *Store) Readers() *sql.DB { return s.readers }

// Write runs f in a transaction of its own, alone of all writers, and commits
// it when f returns nil.
func (s *Store) Write(ctx context.Context, f func(*sql.Tx) error) error {
	tx, err := s.writer.BeginTx(ctx, nil)
	if err != nil {
		return s.Explain(err)
	}
	if err := f(tx); err != nil {
		_ = tx.Rollback() // f's error is the one that matters
		return s.Explain(err)
	}
	return s.Explain(tx.Commit())
}

// Micros is how a time stands in the database; Time reads it back. NULL is the
// zero time.
func Micros(t time.Time) sql.NullInt64 {
	return sql.NullInt64{Int64: t.UnixMicro(), Valid: !t.IsZero()}
}

// Time is the inverse of Micros, in UTC.
func Time(us sql.NullInt64) time.Time {
	if !us.Valid {
		return time.Time{}
	}
	return time.UnixMicro(us.Int64).UTC()
}
