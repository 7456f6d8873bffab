-- What is over is found by its age, to be deleted.

-- +goose Up
CREATE INDEX notices_ended ON notices (ended) WHERE ended IS NOT NULL;
CREATE INDEX orders_over ON orders (updated) WHERE active = 0;

-- +goose Down
DROP INDEX orders_over;
DROP INDEX notices_ended;
