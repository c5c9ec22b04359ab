-- Tokens, packages, templates and runs, filled from loki.facts as the tables of the state before are.

CREATE TABLE IF NOT EXISTS token (
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    -- Empty: everything.
    node TEXT NOT NULL,
    fact INTEGER NOT NULL,
    json TEXT NOT NULL,
    PRIMARY KEY (id)
) WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS token_by_name ON token (name);

CREATE TABLE IF NOT EXISTS package (
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    version TEXT NOT NULL,
    fact INTEGER NOT NULL,
    json TEXT NOT NULL,
    PRIMARY KEY (id)
) WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS package_by_version ON package (name, version);

CREATE TABLE IF NOT EXISTS template (
    id TEXT NOT NULL,
    node TEXT NOT NULL,
    name TEXT NOT NULL,
    fact INTEGER NOT NULL,
    json TEXT NOT NULL,
    PRIMARY KEY (id)
) WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS template_by_place ON template (node, name);

CREATE TABLE IF NOT EXISTS run (
    id TEXT NOT NULL,
    node TEXT NOT NULL,
    state TEXT NOT NULL,
    begun_ms INTEGER NOT NULL,
    fact INTEGER NOT NULL,
    json TEXT NOT NULL,
    PRIMARY KEY (id)
) WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS run_by_time ON run (begun_ms, id);

CREATE INDEX IF NOT EXISTS run_by_node ON run (node, begun_ms);

CREATE TABLE IF NOT EXISTS batch (
    id TEXT NOT NULL,
    run TEXT NOT NULL,
    number INTEGER NOT NULL,
    fact INTEGER NOT NULL,
    json TEXT NOT NULL,
    PRIMARY KEY (id)
) WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS batch_by_run ON batch (run, number);

CREATE TABLE IF NOT EXISTS task (
    id TEXT NOT NULL,
    run TEXT NOT NULL,
    server TEXT NOT NULL,
    state TEXT NOT NULL,
    fact INTEGER NOT NULL,
    json TEXT NOT NULL,
    PRIMARY KEY (id)
) WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS task_by_run ON task (run, server);

CREATE INDEX IF NOT EXISTS task_by_server ON task (server, state);
