-- Who may reach the other party of an order by calling the firm. Times are
-- microseconds since 1970 in UTC. Phones are whole.

-- +goose Up
CREATE TABLE callback_windows (
    order_id TEXT NOT NULL,
    client   TEXT NOT NULL,
    driver   TEXT NOT NULL,
    line     TEXT NOT NULL,
    status   TEXT NOT NULL,
    missed   TEXT NOT NULL, -- client or driver: who missed a call; empty: an operator opened it
    opened   INTEGER NOT NULL,
    until    INTEGER NOT NULL,
    PRIMARY KEY (order_id, missed, client, driver)
) STRICT, WITHOUT ROWID;
CREATE INDEX callback_windows_client ON callback_windows (client);
CREATE INDEX callback_windows_driver ON callback_windows (driver);
CREATE INDEX callback_windows_until ON callback_windows (until);

-- The last order of a driver who has none now.
CREATE INDEX orders_of_driver ON orders (driver_phone, id);

-- +goose Down
DROP INDEX orders_of_driver;
DROP TABLE callback_windows;
