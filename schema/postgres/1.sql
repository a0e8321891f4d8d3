-- Storage format: names and columns stay as they are. The read models' own tables are made from their description.

CREATE TABLE read_models (name TEXT PRIMARY KEY, definition TEXT NOT NULL, partitions INT NOT NULL);
CREATE TABLE checkpoints (
    view TEXT NOT NULL,
    partition INT NOT NULL,
    log UUID NOT NULL,
    epoch BIGINT NOT NULL,
    position BIGINT NOT NULL,
    PRIMARY KEY (view, partition)
);
CREATE TABLE parked (
    view TEXT NOT NULL COLLATE "C",
    key TEXT NOT NULL COLLATE "C",
    stream TEXT NOT NULL,
    revision BIGINT NOT NULL,
    event_type TEXT NOT NULL,
    error TEXT NOT NULL,
    PRIMARY KEY (view, key)
);

CREATE TABLE process_checkpoints (
    process TEXT PRIMARY KEY,
    log UUID NOT NULL,
    epoch BIGINT NOT NULL,
    position BIGINT NOT NULL
);
CREATE TABLE outbox (
    planned BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id UUID NOT NULL UNIQUE,
    process TEXT NOT NULL,
    subject UUID NOT NULL,
    facility UUID NOT NULL,
    due BIGINT NOT NULL,
    correlation UUID NOT NULL,
    effect TEXT NOT NULL
);
CREATE INDEX outbox_due ON outbox (due);
CREATE INDEX outbox_subject ON outbox (process, subject);
CREATE TABLE gateway_calls (key TEXT PRIMARY KEY, call TEXT NOT NULL);

CREATE TABLE snapshots (
    id UUID NOT NULL,
    category TEXT NOT NULL,
    next_revision BIGINT NOT NULL,
    version BIGINT NOT NULL,
    state BYTEA NOT NULL,
    PRIMARY KEY (id, category)
);
