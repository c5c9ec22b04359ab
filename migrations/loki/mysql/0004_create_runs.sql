-- Tokens, packages, templates and runs, filled from loki.facts as the tables of the state before are.

CREATE TABLE IF NOT EXISTS token (
    id VARCHAR(16) NOT NULL,
    name VARCHAR(63) NOT NULL,
    -- Empty: everything.
    node VARCHAR(16) NOT NULL,
    fact BIGINT NOT NULL,
    json MEDIUMTEXT NOT NULL,
    PRIMARY KEY (id),
    KEY token_by_name (name)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS package (
    id VARCHAR(16) NOT NULL,
    name VARCHAR(63) NOT NULL,
    version VARCHAR(63) NOT NULL,
    fact BIGINT NOT NULL,
    json MEDIUMTEXT NOT NULL,
    PRIMARY KEY (id),
    KEY package_by_version (name, version)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS template (
    id VARCHAR(16) NOT NULL,
    node VARCHAR(16) NOT NULL,
    name VARCHAR(63) NOT NULL,
    fact BIGINT NOT NULL,
    json MEDIUMTEXT NOT NULL,
    PRIMARY KEY (id),
    KEY template_by_place (node, name)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS run (
    id VARCHAR(16) NOT NULL,
    node VARCHAR(16) NOT NULL,
    state VARCHAR(32) NOT NULL,
    begun_ms BIGINT NOT NULL,
    fact BIGINT NOT NULL,
    json MEDIUMTEXT NOT NULL,
    PRIMARY KEY (id),
    KEY run_by_time (begun_ms, id),
    KEY run_by_node (node, begun_ms)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS batch (
    id VARCHAR(33) NOT NULL,
    run VARCHAR(16) NOT NULL,
    number BIGINT NOT NULL,
    fact BIGINT NOT NULL,
    json MEDIUMTEXT NOT NULL,
    PRIMARY KEY (id),
    KEY batch_by_run (run, number)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS task (
    id VARCHAR(33) NOT NULL,
    run VARCHAR(16) NOT NULL,
    server VARCHAR(16) NOT NULL,
    state VARCHAR(32) NOT NULL,
    fact BIGINT NOT NULL,
    json MEDIUMTEXT NOT NULL,
    PRIMARY KEY (id),
    KEY task_by_run (run, server),
    KEY task_by_server (server, state)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
