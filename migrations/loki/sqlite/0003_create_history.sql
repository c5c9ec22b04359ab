-- The history, filled from loki.outcomes: the audit, and every version of every entity.

CREATE TABLE IF NOT EXISTS outcome (
    -- The command's offset, and the outcome's own.
    command INTEGER NOT NULL,
    position INTEGER NOT NULL,
    id TEXT NOT NULL,
    actor TEXT NOT NULL,
    -- The command's type; empty when it could not be read.
    type TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    -- accepted, rejected, duplicate or dead
    outcome TEXT NOT NULL,
    code TEXT NULL,
    field TEXT NULL,
    message TEXT NULL,
    conflict TEXT NULL,
    -- The offset of the command that was answered first.
    duplicate_of INTEGER NULL,
    -- The offset of the last fact.
    after_fact INTEGER NULL,
    -- How many entities it changed, and the keys of the first of them.
    changes INTEGER NOT NULL,
    touched TEXT NOT NULL,
    json TEXT NOT NULL,
    PRIMARY KEY (command)
);

CREATE INDEX IF NOT EXISTS outcome_by_id ON outcome (id);

CREATE INDEX IF NOT EXISTS outcome_by_actor ON outcome (actor);

CREATE INDEX IF NOT EXISTS outcome_by_type ON outcome (type);

CREATE INDEX IF NOT EXISTS outcome_by_time ON outcome (at_ms);

CREATE INDEX IF NOT EXISTS outcome_by_outcome ON outcome (outcome);

CREATE TABLE IF NOT EXISTS entity_change (
    -- The fact's offset: it orders all changes.
    fact INTEGER NOT NULL,
    command INTEGER NOT NULL,
    kind TEXT NOT NULL,
    entity TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    -- Null: removed.
    json TEXT NULL,
    PRIMARY KEY (fact)
);

CREATE INDEX IF NOT EXISTS entity_change_by_command ON entity_change (command);

CREATE INDEX IF NOT EXISTS entity_change_by_entity ON entity_change (kind, entity, fact);

-- One row: how far the tables above are. No row: they are empty.
CREATE TABLE IF NOT EXISTS history_position (
    id INTEGER NOT NULL,
    log TEXT NOT NULL,
    position INTEGER NOT NULL,
    state TEXT NOT NULL,
    ended_ms INTEGER NOT NULL,
    built_ms INTEGER NOT NULL,
    PRIMARY KEY (id)
);
