-- What hooks and scripts have printed, filled from loki.task-logs: the last 30 days, and of each server the last 64 MiB.

CREATE TABLE IF NOT EXISTS task_log (
    -- The record's offset: it orders all chunks.
    position BIGINT NOT NULL,
    run VARCHAR(16) NOT NULL,
    server VARCHAR(16) NOT NULL,
    attempt BIGINT NOT NULL,
    -- How many bytes of the attempt's log come before it.
    begins BIGINT NOT NULL,
    -- What it counts of the bytes that a server may have here.
    size INT NOT NULL,
    -- When the log took it.
    at_ms BIGINT NOT NULL,
    json MEDIUMTEXT NOT NULL,
    PRIMARY KEY (position),
    -- A chunk that was sent again lies there twice.
    UNIQUE KEY task_log_by_place (run, server, attempt, begins, position),
    UNIQUE KEY task_log_by_server (server, position, size),
    UNIQUE KEY task_log_by_time (at_ms, position)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- One row: how far the table above is. No row: it is empty.
CREATE TABLE IF NOT EXISTS task_log_position (
    id INT NOT NULL,
    log VARCHAR(16) NOT NULL,
    position BIGINT NOT NULL,
    state VARCHAR(8) NOT NULL,
    ended_ms BIGINT NOT NULL,
    built_ms BIGINT NOT NULL,
    PRIMARY KEY (id)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
