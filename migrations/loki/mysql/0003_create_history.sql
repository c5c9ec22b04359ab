-- The history, filled from loki.outcomes: the audit, and every version of every entity.

CREATE TABLE IF NOT EXISTS outcome (
    -- The command's offset, and the outcome's own.
    command BIGINT NOT NULL,
    position BIGINT NOT NULL,
    id VARCHAR(255) NOT NULL,
    actor VARCHAR(255) NOT NULL,
    -- The command's type; empty when it could not be read.
    type VARCHAR(255) NOT NULL,
    at_ms BIGINT NOT NULL,
    -- accepted, rejected, duplicate or dead
    outcome VARCHAR(16) NOT NULL,
    code VARCHAR(64) NULL,
    field MEDIUMTEXT NULL,
    message MEDIUMTEXT NULL,
    conflict VARCHAR(255) NULL,
    -- The offset of the command that was answered first.
    duplicate_of BIGINT NULL,
    -- The offset of the last fact.
    after_fact BIGINT NULL,
    -- How many entities it changed, and the keys of the first of them.
    changes INT NOT NULL,
    touched TEXT NOT NULL,
    json MEDIUMTEXT NOT NULL,
    PRIMARY KEY (command),
    KEY outcome_by_id (id),
    KEY outcome_by_actor (actor),
    KEY outcome_by_type (type),
    KEY outcome_by_time (at_ms),
    KEY outcome_by_outcome (outcome)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS entity_change (
    -- The fact's offset: it orders all changes.
    fact BIGINT NOT NULL,
    command BIGINT NOT NULL,
    kind VARCHAR(16) NOT NULL,
    entity VARCHAR(64) NOT NULL,
    at_ms BIGINT NOT NULL,
    -- Null: removed.
    json MEDIUMTEXT NULL,
    PRIMARY KEY (fact),
    KEY entity_change_by_command (command),
    KEY entity_change_by_entity (kind, entity, fact)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- One row: how far the tables above are. No row: they are empty.
CREATE TABLE IF NOT EXISTS history_position (
    id INT NOT NULL,
    log VARCHAR(16) NOT NULL,
    position BIGINT NOT NULL,
    state VARCHAR(8) NOT NULL,
    ended_ms BIGINT NOT NULL,
    built_ms BIGINT NOT NULL,
    PRIMARY KEY (id)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
