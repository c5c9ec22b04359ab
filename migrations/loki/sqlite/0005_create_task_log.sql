-- What hooks and scripts have printed, filled from loki.task-logs: the last 30 days, and of each server the last 64 MiB.

CREATE TABLE IF NOT EXISTS task_log (
    -- The record's offset: it orders all chunks.
    position INTEGER NOT NULL,
    run TEXT NOT NULL,
    server TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    -- How many bytes of the attempt's log come before it.
    begins INTEGER NOT NULL,
    -- What it counts of the bytes that a server may have here.
    size INTEGER NOT NULL,
    -- When the log took it.
    at_ms INTEGER NOT NULL,
    json TEXT NOT NULL,
    PRIMARY KEY (position),
    -- A chunk that was sent again lies there twice.
    UNIQUE (run, server, attempt, begins, position),
    UNIQUE (server, position, size),
    UNIQUE (at_ms, position)
);

-- One row: how far the table above is. No row: it is empty.
CREATE TABLE IF NOT EXISTS task_log_position (
    id INTEGER NOT NULL,
    log TEXT NOT NULL,
    position INTEGER NOT NULL,
    state TEXT NOT NULL,
    ended_ms INTEGER NOT NULL,
    built_ms INTEGER NOT NULL,
    PRIMARY KEY (id)
);
