-- News for clients, each with its journal. Times are microseconds since 1970 in
-- UTC, NULL for what never happened. Phones are whole.

-- +goose Up
CREATE TABLE notices (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    order_id    TEXT NOT NULL,
    status      TEXT NOT NULL,
    version     INTEGER NOT NULL,
    order_json  TEXT NOT NULL,    -- the order as the news had it, see orderRow in order.go
    source      TEXT NOT NULL,
    at          INTEGER,
    phone       TEXT NOT NULL,
    line        TEXT NOT NULL,
    state       TEXT NOT NULL,
    due         INTEGER,          -- of those that wait
    tries       INTEGER NOT NULL,
    interrupted INTEGER NOT NULL, -- 1: the exchange died once with it in hand
    foreseen    INTEGER NOT NULL, -- 1: read from the dispatch system before its notice came
    call_id     TEXT NOT NULL,
    answer      TEXT NOT NULL,
    machine     INTEGER NOT NULL,
    ended       INTEGER,
    reported    INTEGER NOT NULL, -- 1: dispatch was told how it ended
    UNIQUE (order_id, status, version)
) STRICT;
CREATE INDEX notices_order ON notices (order_id, version, id);
CREATE INDEX notices_due ON notices (line, due) WHERE state = 'waiting';
CREATE INDEX notices_next ON notices (due) WHERE state = 'waiting';
CREATE INDEX notices_phone ON notices (phone) WHERE state = 'waiting';
CREATE INDEX notices_in_hand ON notices (id) WHERE state IN ('dialling', 'answered', 'speaking');
CREATE INDEX notices_unreported ON notices (id) WHERE ended IS NOT NULL AND reported = 0;

CREATE TABLE notice_journal (
    seq    INTEGER PRIMARY KEY AUTOINCREMENT,
    notice INTEGER NOT NULL REFERENCES notices (id) ON DELETE CASCADE,
    at     INTEGER NOT NULL,
    state  TEXT NOT NULL,
    what   TEXT NOT NULL
) STRICT;
CREATE INDEX notice_journal_notice ON notice_journal (notice, seq);

-- Clients who want no calls of a machine.
CREATE TABLE opt_outs (
    phone TEXT PRIMARY KEY,
    since INTEGER NOT NULL,
    note  TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- +goose Down
DROP TABLE opt_outs;
DROP TABLE notice_journal;
DROP TABLE notices;
