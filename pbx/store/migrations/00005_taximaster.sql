-- What Такси-Мастер has asked us to tell clients, so that the outcome is
-- reported to the request it belongs to.

-- +goose Up
CREATE TABLE taximaster_requests (
    order_id TEXT NOT NULL,
    version  INTEGER NOT NULL, -- 1, 2, … within the order
    status   TEXT NOT NULL,
    request  INTEGER NOT NULL, -- STATE_ID of set_request_state
    at       INTEGER NOT NULL,
    PRIMARY KEY (order_id, version)
) STRICT, WITHOUT ROWID;

-- +goose Down
DROP TABLE taximaster_requests;
