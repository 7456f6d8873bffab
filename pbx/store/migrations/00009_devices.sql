-- The phones and pages that operators are logged in with, and were lately. Times
-- are microseconds since 1970 in UTC.

-- +goose Up
CREATE TABLE devices (
    id       INTEGER PRIMARY KEY,
    login    TEXT NOT NULL,
    contact  TEXT NOT NULL,
    instance TEXT NOT NULL,
    network  TEXT NOT NULL,
    source   TEXT NOT NULL,
    local    TEXT NOT NULL,
    call_id  TEXT NOT NULL,
    seq      INTEGER NOT NULL,
    agent    TEXT NOT NULL,
    expires  INTEGER NOT NULL,
    UNIQUE (login, contact, instance)
) STRICT;

-- +goose Down
DROP TABLE devices;
