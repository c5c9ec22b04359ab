-- The current state, filled from loki.facts. `json` is the entity as its fact carries it; the other columns repeat what queries need.
-- Nothing is unique or foreign across entities: a compacted log passes through states that never were.

CREATE TABLE IF NOT EXISTS node (
    id TEXT NOT NULL,
    -- Empty at the top of the tree.
    parent TEXT NOT NULL,
    name TEXT NOT NULL,
    -- The offset of the fact that gave it its state.
    fact INTEGER NOT NULL,
    json TEXT NOT NULL,
    PRIMARY KEY (id)
) WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS node_by_place ON node (parent, name);

CREATE TABLE IF NOT EXISTS server (
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    state TEXT NOT NULL,
    idc TEXT NULL,
    fact INTEGER NOT NULL,
    json TEXT NOT NULL,
    -- Lists are by name, and rows lie in this order.
    PRIMARY KEY (name, id),
    UNIQUE (id)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS mount (
    -- Node and server, as in the fact's key.
    id TEXT NOT NULL,
    node TEXT NOT NULL,
    server TEXT NOT NULL,
    fact INTEGER NOT NULL,
    json TEXT NOT NULL,
    PRIMARY KEY (id)
) WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS mount_by_node ON mount (node);

CREATE INDEX IF NOT EXISTS mount_by_server ON mount (server);

CREATE TABLE IF NOT EXISTS membership (
    id TEXT NOT NULL,
    node TEXT NOT NULL,
    fact INTEGER NOT NULL,
    json TEXT NOT NULL,
    PRIMARY KEY (id)
) WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS membership_by_node ON membership (node);

-- One row: how far the tables above are. No row: they are empty.
CREATE TABLE IF NOT EXISTS state_position (
    id INTEGER NOT NULL,
    log TEXT NOT NULL,
    position INTEGER NOT NULL,
    -- building or live
    state TEXT NOT NULL,
    -- When the end of the log was last reached, and when a rebuild was last finished: milliseconds since 1970.
    ended_ms INTEGER NOT NULL,
    built_ms INTEGER NOT NULL,
    PRIMARY KEY (id)
);
