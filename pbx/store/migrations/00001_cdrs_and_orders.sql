-- Times are microseconds since 1970 in UTC, NULL for what never happened.
-- Durations are microseconds. Phones are whole.

-- +goose Up
CREATE TABLE cdrs (
    seq         INTEGER PRIMARY KEY AUTOINCREMENT, -- the order they were saved in: the cursor of those who read on
    id          TEXT NOT NULL UNIQUE,              -- of the call
    kind        TEXT NOT NULL,
    line        TEXT NOT NULL,
    from_phone  TEXT NOT NULL,
    to_phone    TEXT NOT NULL,
    order_id    TEXT NOT NULL,
    branch      TEXT NOT NULL,
    started     INTEGER,
    answered    INTEGER,
    ended       INTEGER,
    waited      INTEGER NOT NULL,
    talked      INTEGER NOT NULL,
    result      TEXT NOT NULL,
    steps       TEXT NOT NULL, -- JSON: [{"at": µs, "what": "…"}]
    legs        TEXT NOT NULL  -- JSON, see legRow in cdrs.go
) STRICT;
CREATE INDEX cdrs_ended ON cdrs (ended);

CREATE TABLE orders (
    id           INTEGER PRIMARY KEY AUTOINCREMENT, -- never given twice, not even after a deletion
    status       TEXT NOT NULL,
    active       INTEGER NOT NULL, -- 1: a client who calls now calls about it
    phone        TEXT NOT NULL,
    client_name  TEXT NOT NULL,
    line         TEXT NOT NULL,
    branch       TEXT NOT NULL,
    tariff       TEXT NOT NULL,
    pickup       TEXT NOT NULL,
    dropoff      TEXT NOT NULL,
    comment      TEXT NOT NULL,
    eta_minutes  INTEGER,
    car_color    TEXT NOT NULL,
    car_mark     TEXT NOT NULL,
    car_model    TEXT NOT NULL,
    car_plate    TEXT NOT NULL,
    price        INTEGER NOT NULL,
    driver_phone TEXT NOT NULL,
    created      INTEGER NOT NULL,
    updated      INTEGER NOT NULL
) STRICT;
CREATE INDEX orders_phone ON orders (phone, active, id);
CREATE INDEX orders_driver ON orders (driver_phone, id) WHERE active = 1;
CREATE INDEX orders_active ON orders (id) WHERE active = 1;

-- Each status an order has had. (order, version) names one piece of news.
CREATE TABLE order_statuses (
    order_id INTEGER NOT NULL REFERENCES orders (id) ON DELETE CASCADE,
    version  INTEGER NOT NULL, -- 1, 2, …
    status   TEXT NOT NULL,
    at       INTEGER NOT NULL,
    PRIMARY KEY (order_id, version)
) STRICT, WITHOUT ROWID;

-- +goose Down
DROP TABLE order_statuses;
DROP TABLE orders;
DROP TABLE cdrs;
