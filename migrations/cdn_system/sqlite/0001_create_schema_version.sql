-- Which of these files have been run.
CREATE TABLE IF NOT EXISTS schema_version (
    version INTEGER NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY (version)
);
