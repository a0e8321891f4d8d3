-- What events say, one row a fact. A fact is known by its stream, revision and number, which each sorting key holds;
-- whatever else a key begins with follows from the event. A fact that is told again is the same row: read with FINAL.
-- Times are of what happened, not of its recording.

-- Gate passages, refusals at gates and other changes of what is inside. Stream: parking-<facility>.
CREATE TABLE IF NOT EXISTS movements
(
    facility UUID,
    happened_at DateTime64(3, 'UTC'),
    revision UInt64,
    number UInt8,
    pool LowCardinality(String),
    passing LowCardinality(String) COMMENT 'ENTRY, EXIT, REFUSAL; OTHER: nothing was seen to pass',
    change Int32 COMMENT 'of what is inside the pool',
    lane LowCardinality(Nullable(String)),
    refusal LowCardinality(Nullable(String)) COMMENT 'its stable code'
)
ENGINE = ReplacingMergeTree
ORDER BY (facility, happened_at, revision, number);

-- What is known of visits: of entry and end the latest news holds, of the pool the first. Stream: parking-<facility>.
CREATE TABLE IF NOT EXISTS visits
(
    facility UUID,
    visit UUID,
    revision UInt64,
    number UInt8,
    happened_at DateTime64(3, 'UTC'),
    what LowCardinality(String) COMMENT 'GRANTED, ENTERED, ENDED, STILL_INSIDE, MERGED',
    kind LowCardinality(String) COMMENT 'of an entry SEEN, ESTIMATED, UNKNOWN; of an end SEEN, PRESUMED, JUDGED',
    pool LowCardinality(Nullable(String)),
    entered_at Nullable(DateTime64(3, 'UTC')),
    ended_at Nullable(DateTime64(3, 'UTC')),
    merged_into Nullable(UUID)
)
ENGINE = ReplacingMergeTree
ORDER BY (facility, visit, revision, number);

-- The money side of visits. Stream: session-<visit>.
CREATE TABLE IF NOT EXISTS sessions
(
    facility UUID,
    visit UUID,
    revision UInt64,
    number UInt8,
    happened_at DateTime64(3, 'UTC'),
    what LowCardinality(String) COMMENT 'OPENED, ENDED, RETIMED, ADJUSTED, CREDITED, REVERSED, MERGED, TAKEN_OVER',
    pool LowCardinality(Nullable(String)),
    tariff LowCardinality(Nullable(String)) COMMENT 'its version, as pinned at the opening',
    ended_at Nullable(DateTime64(3, 'UTC')),
    amount_minor Nullable(Int64),
    currency LowCardinality(Nullable(String)),
    event String COMMENT 'the whole fact: prices follow from it by the rules of the tariff' CODEC(ZSTD)
)
ENGINE = ReplacingMergeTree
ORDER BY (facility, visit, revision, number);

-- Money that moved. Stream: payment-<payment>.
CREATE TABLE IF NOT EXISTS payments
(
    facility UUID,
    payment UUID,
    revision UInt64,
    number UInt8,
    happened_at DateTime64(3, 'UTC'),
    what LowCardinality(String) COMMENT 'CAPTURED, REFUNDED',
    amount_minor Int64,
    currency LowCardinality(String)
)
ENGINE = ReplacingMergeTree
ORDER BY (facility, payment, revision, number);

-- Sums of movements per day of UTC, made anew from the facts of the day whenever one of them is written. They outlive
-- the facts: what was inside before the oldest fact that is kept is the sum of the days.
CREATE TABLE IF NOT EXISTS pool_days
(
    facility UUID,
    pool LowCardinality(String),
    day Date32,
    change Int64,
    entries UInt64,
    exits UInt64,
    refused UInt64
)
ENGINE = ReplacingMergeTree
ORDER BY (facility, pool, day);

-- What was inside at the end of each minute in which something passed or changed.
CREATE VIEW IF NOT EXISTS occupancy_minutes AS
WITH minutes AS
(
    SELECT
        facility,
        pool,
        toStartOfMinute(happened_at) AS minute,
        toDate32(happened_at) AS day,
        sum(movements.change) AS change,
        countIf(passing = 'ENTRY') AS entries,
        countIf(passing = 'EXIT') AS exits,
        countIf(passing = 'REFUSAL') AS refused
    FROM movements FINAL
    GROUP BY facility, pool, minute, day
),
days AS
(
    SELECT
        facility,
        pool,
        day,
        sum(pool_days.change) OVER (PARTITION BY facility, pool ORDER BY day) - pool_days.change AS inside_before
    FROM pool_days FINAL
)
SELECT
    minutes.facility AS facility,
    minutes.pool AS pool,
    minutes.minute AS minute,
    days.inside_before + sum(minutes.change) OVER (
        PARTITION BY minutes.facility, minutes.pool, minutes.day ORDER BY minutes.minute
    ) AS inside,
    minutes.entries AS entries,
    minutes.exits AS exits,
    minutes.refused AS refused
FROM minutes
INNER JOIN days ON minutes.facility = days.facility AND minutes.pool = days.pool AND minutes.day = days.day;

-- Up to where facts and sums tell of which log; written after both.
CREATE TABLE IF NOT EXISTS checkpoints
(
    log UUID,
    epoch UInt32,
    position UInt64
)
ENGINE = ReplacingMergeTree(position)
ORDER BY (log, epoch);

-- Events that could not be read: they have no facts.
CREATE TABLE IF NOT EXISTS unread
(
    stream String,
    revision UInt64,
    event_type LowCardinality(String),
    error String
)
ENGINE = ReplacingMergeTree
ORDER BY (stream, revision);
