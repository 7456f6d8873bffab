-- What dispatch systems have told us of orders, for those that cannot be asked.
-- Times are microseconds. Phones are whole.

-- +goose Up
CREATE TABLE known_orders (
    source  TEXT NOT NULL,    -- the dispatch system
    id      TEXT NOT NULL,
    version INTEGER NOT NULL, -- of the status: grows with each piece of news
    status  TEXT NOT NULL,
    active  INTEGER NOT NULL, -- 1: a client who calls now calls about it
    phone   TEXT NOT NULL,
    driver  TEXT NOT NULL,
    facts   TEXT NOT NULL,    -- JSON of pbx.Order
    told    INTEGER NOT NULL, -- when we last heard of it
    PRIMARY KEY (source, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX known_orders_phone ON known_orders (source, phone, active, told);
CREATE INDEX known_orders_driver ON known_orders (source, driver, active, told);
CREATE INDEX known_orders_told ON known_orders (told);

-- Each piece of news about an order: a status, and who drives.
CREATE TABLE known_news (
    source   TEXT NOT NULL,
    order_id TEXT NOT NULL,
    version  INTEGER NOT NULL,
    status   TEXT NOT NULL,
    who      TEXT NOT NULL,
    told     INTEGER NOT NULL,
    PRIMARY KEY (source, order_id, version),
    FOREIGN KEY (source, order_id) REFERENCES known_orders (source, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

-- +goose Down
DROP TABLE known_news;
DROP TABLE known_orders;
