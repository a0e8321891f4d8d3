-- Storage format: names and columns stay as they are. Streams that stand still for a process.

CREATE TABLE parked_streams (
    process TEXT NOT NULL COLLATE "C",
    stream TEXT NOT NULL COLLATE "C",
    revision BIGINT NOT NULL,
    event_type TEXT NOT NULL,
    error TEXT NOT NULL,
    PRIMARY KEY (process, stream)
);
