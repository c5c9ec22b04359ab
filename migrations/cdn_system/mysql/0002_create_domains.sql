-- Domains, filled from loki.facts, and the nodes that they belong to: a question about a part of the tree is answered from one snapshot.
-- `json` is the entity as its fact carries it; the other columns repeat what queries need. Nothing is unique or foreign across entities: a
-- compacted log passes through states that never were.

CREATE TABLE IF NOT EXISTS node (
    id VARCHAR(16) NOT NULL,
    -- Empty at the top of the tree.
    parent VARCHAR(16) NOT NULL,
    name VARCHAR(64) NOT NULL,
    -- The offset of the fact that gave it its state.
    fact BIGINT NOT NULL,
    json MEDIUMTEXT NOT NULL,
    PRIMARY KEY (id),
    KEY node_by_place (parent, name)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS domain (
    id VARCHAR(16) NOT NULL,
    -- The host, and a port where it is not the scheme's.
    name VARCHAR(253) NOT NULL,
    node VARCHAR(16) NOT NULL,
    fact BIGINT NOT NULL,
    json MEDIUMTEXT NOT NULL,
    PRIMARY KEY (id),
    KEY domain_by_name (name),
    KEY domain_by_node (node, name)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- One row: how far the tables above are. No row: they are empty.
CREATE TABLE IF NOT EXISTS domain_position (
    id INT NOT NULL,
    log VARCHAR(16) NOT NULL,
    position BIGINT NOT NULL,
    -- building, live or asked
    state VARCHAR(8) NOT NULL,
    -- When the end of the log was last reached, and when a rebuild was last finished: milliseconds since 1970.
    ended_ms BIGINT NOT NULL,
    built_ms BIGINT NOT NULL,
    PRIMARY KEY (id)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
