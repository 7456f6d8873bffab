-- What dispatch systems are still to be told, a row for each event and receiver.
-- A row is deleted when its receiver has it. Times are microseconds.

-- +goose Up
CREATE TABLE outbox (
    seq      INTEGER PRIMARY KEY AUTOINCREMENT, -- the order things happened in
    receiver TEXT NOT NULL,
    call_id  TEXT NOT NULL,    -- events of one call are told in order
    id       TEXT NOT NULL,    -- of the event: the same in every try
    body     TEXT NOT NULL,    -- JSON, see event.go of dispatchapi/outbox
    posted   INTEGER NOT NULL,
    due      INTEGER NOT NULL, -- not before; 0: not tried yet
    tries    INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX outbox_due ON outbox (receiver, due, seq);
CREATE INDEX outbox_call ON outbox (receiver, call_id, seq);
CREATE INDEX outbox_posted ON outbox (posted);

-- +goose Down
DROP TABLE outbox;
