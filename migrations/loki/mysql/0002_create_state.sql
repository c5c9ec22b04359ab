-- The current state, filled from loki.facts. `json` is the entity as its fact carries it; the other columns repeat what queries need.
-- Nothing is unique or foreign across entities: a compacted log passes through states that never were.

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

CREATE TABLE IF NOT EXISTS server (
    id VARCHAR(16) NOT NULL,
    name VARCHAR(253) NOT NULL,
    state VARCHAR(16) NOT NULL,
    idc VARCHAR(256) NULL,
    fact BIGINT NOT NULL,
    json MEDIUMTEXT NOT NULL,
    -- Lists are by name, and rows lie in this order.
    PRIMARY KEY (name, id),
    UNIQUE KEY server_by_id (id)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS mount (
    -- Node and server, as in the fact's key.
    id VARCHAR(33) NOT NULL,
    node VARCHAR(16) NOT NULL,
    server VARCHAR(16) NOT NULL,
    fact BIGINT NOT NULL,
    json MEDIUMTEXT NOT NULL,
    PRIMARY KEY (id),
    KEY mount_by_node (node),
    KEY mount_by_server (server)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS membership (
    id VARCHAR(16) NOT NULL,
    node VARCHAR(16) NOT NULL,
    fact BIGINT NOT NULL,
    json MEDIUMTEXT NOT NULL,
    PRIMARY KEY (id),
    KEY membership_by_node (node)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- One row: how far the tables above are. No row: they are empty.
CREATE TABLE IF NOT EXISTS state_position (
    id INT NOT NULL,
    log VARCHAR(16) NOT NULL,
    position BIGINT NOT NULL,
    -- building or live
    state VARCHAR(8) NOT NULL,
    -- When the end of the log was last reached, and when a rebuild was last finished: milliseconds since 1970.
    ended_ms BIGINT NOT NULL,
    built_ms BIGINT NOT NULL,
    PRIMARY KEY (id)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
