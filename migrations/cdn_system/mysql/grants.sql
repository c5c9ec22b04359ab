-- The users of the database `cdn_system`, each with the least that it needs; run once by an administrator. They may be those of `loki`.
--
-- Replace {database} (write `_` as `\_` here: in a GRANT it stands for any character), {host} (`%` for any), {prefix} (`loki_`) and the
-- passwords. No user may grant, read another schema or touch the server.

-- `loki migrate`
CREATE USER IF NOT EXISTS '{prefix}migrate'@'{host}' IDENTIFIED BY '{password_migrate}';
GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, DROP, INDEX ON `{database}`.* TO '{prefix}migrate'@'{host}';

-- `loki mysql`, the projector: it makes the schema again when it was emptied, and rebuilds into tables of its own
CREATE USER IF NOT EXISTS '{prefix}mysql'@'{host}' IDENTIFIED BY '{password_mysql}';
GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, DROP ON `{database}`.* TO '{prefix}mysql'@'{host}';

-- `loki api`, which only reads
CREATE USER IF NOT EXISTS '{prefix}api'@'{host}' IDENTIFIED BY '{password_api}';
GRANT SELECT ON `{database}`.* TO '{prefix}api'@'{host}';
