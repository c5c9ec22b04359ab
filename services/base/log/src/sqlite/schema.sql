-- The embedded log's file, version 1. A record's id is its partition's id shifted left by 47 bits plus its offset: one clustered tree
-- in the order in which it is read, and no second index on the hot path.

CREATE TABLE batch (one INTEGER PRIMARY KEY CHECK (one = 1), number INTEGER NOT NULL) STRICT;
INSERT INTO batch (one, number) VALUES (1, 0);

CREATE TABLE topic (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, spec TEXT NOT NULL) STRICT;

-- `next` is the offset of the next record and outlives every removal: offsets are never given twice.
-- `clean_to` is where compaction goes on.
CREATE TABLE partition (
    id INTEGER PRIMARY KEY,
    topic INTEGER NOT NULL,
    number INTEGER NOT NULL,
    start INTEGER NOT NULL DEFAULT 0,
    next INTEGER NOT NULL DEFAULT 0,
    max_timestamp_ms INTEGER NOT NULL DEFAULT -1,
    clean_to INTEGER NOT NULL DEFAULT 0,
    UNIQUE (topic, number)
) STRICT;

-- The time comes first: a search by time then never touches the pages of a large value.
CREATE TABLE record (id INTEGER PRIMARY KEY, timestamp_ms INTEGER NOT NULL, key BLOB, value BLOB, headers BLOB) STRICT;

-- Now and then, before a record: the greatest time of all records before it. A search by time starts from here.
CREATE TABLE time_mark (
    partition INTEGER NOT NULL,
    max_timestamp_ms INTEGER NOT NULL,
    position INTEGER NOT NULL,
    PRIMARY KEY (partition, max_timestamp_ms, position)
) STRICT, WITHOUT ROWID;

-- Compacted topics, below `clean_to`: where each key's one record is, and when a removal may go itself.
CREATE TABLE latest (
    partition INTEGER NOT NULL,
    key BLOB NOT NULL,
    record INTEGER NOT NULL,
    PRIMARY KEY (partition, key)
) STRICT, WITHOUT ROWID;
CREATE TABLE removal (record INTEGER PRIMARY KEY, expires_ms INTEGER NOT NULL) STRICT;

CREATE TABLE committed (
    consumers TEXT NOT NULL,
    partition INTEGER NOT NULL,
    position INTEGER NOT NULL,
    note TEXT,
    PRIMARY KEY (consumers, partition)
) STRICT, WITHOUT ROWID;

CREATE TABLE writer (name TEXT PRIMARY KEY, epoch INTEGER NOT NULL) STRICT, WITHOUT ROWID;
