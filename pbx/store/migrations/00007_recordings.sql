-- Recordings of talks that are whole. The files are what counts: this is found
-- out from them again should it be lost. Times are microseconds since 1970 in UTC.

-- +goose Up
CREATE TABLE recordings (
    call_id     TEXT NOT NULL,
    number      INTEGER NOT NULL, -- which talk of the call, from 1 on
    file        TEXT NOT NULL,    -- below the folder of recordings
    started     INTEGER NOT NULL,
    length      INTEGER NOT NULL, -- microseconds
    size        INTEGER NOT NULL, -- bytes
    left_party  TEXT NOT NULL,
    right_party TEXT NOT NULL,
    PRIMARY KEY (call_id, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX recordings_started ON recordings (started);

-- +goose Down
DROP TABLE recordings;
