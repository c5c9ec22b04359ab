-- Domains, filled from loki.facts, and the nodes that they belong to: a question about a part of the tree is answered from one snapshot.
-- `json` is the entity as its fact carries it; the other columns repeat what queries need. Nothing is unique or foreign across entities: a
-- compacted log passes through states that never were.

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

CREATE TABLE IF NOT EXISTS domain (
    id TEXT NOT NULL,
    -- The host, and a port where it is not the scheme's.
    name TEXT NOT NULL,
    node TEXT NOT NULL,
    fact INTEGER NOT NULL,
    json TEXT NOT NULL,
    PRIMARY KEY (id)
) WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS domain_by_name ON domain (name);

CREATE INDEX IF NOT EXISTS domain_by_node ON domain (node, name);

-- One row: how far the tables above are. No row: they are empty.
CREATE TABLE IF NOT EXISTS domain_position (
    id INTEGER NOT NULL,
    log TEXT NOT NULL,
    position INTEGER NOT NULL,
    -- building, live or asked
    state TEXT NOT NULL,
    -- When the end of the log was last reached, and when a rebuild was last finished: milliseconds since 1970.
    ended_ms INTEGER NOT NULL,
    built_ms INTEGER NOT NULL,
    PRIMARY KEY (id)
);
