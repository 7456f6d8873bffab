-- What dispatch systems that number no news have told us, so that a repetition is
-- known, and so that the outcome is reported to the request it belongs to.

-- +goose Up
CREATE TABLE news (
    source   TEXT NOT NULL, -- the adapter
    order_id TEXT NOT NULL,
    version  INTEGER NOT NULL, -- 1, 2, … within the order
    status   TEXT NOT NULL,
    request  INTEGER NOT NULL, -- what the source calls it by
    at       INTEGER NOT NULL,
    PRIMARY KEY (source, order_id, version)
) STRICT, WITHOUT ROWID;
CREATE INDEX news_at ON news (at);

-- +goose Down
DROP TABLE news;
