//! The store keeps its promises on MySQL, each test in a database of its own, as the user that the projector has in production.

use std::time::Duration;

use async_trait::async_trait;
use loki_mysql::contract::World;
use loki_mysql::port::ReadError;
use loki_mysql::{
    Config, Database, DomainProjection, Grants, HistoryProjection, Readers, StateProjection, domain_reader, migrate, mysql_contract,
};
use loki_runner::{Projection, StoreError};
use loki_runtime::Secret;
use loki_testing::real::{mysql_database, shared};
use sqlx::{AssertSqlSafe, Connection, Executor, MySqlConnection, Row};

struct MySql {
    database: String,
}

impl MySql {
    async fn new() -> Self {
        let world = Self { database: mysql_database() };
        for statement in world.grants().statements(Database::Loki).unwrap() {
            root(&statement).await;
        }
        world
    }

    fn grants(&self) -> Grants {
        Grants {
            database: self.database.clone(),
            host: "%".to_owned(),
            prefix: format!("{}_", self.database),
            password_migrate: Secret::new("migrate"),
            password_mysql: Secret::new("mysql"),
            password_api: Secret::new("api"),
        }
    }

    /// Settings for one of the services' users, who has its name as password.
    fn config_of(&self, user: &str) -> Config {
        let url = shared().mysql.replace("root@", &format!("{}_{user}@", self.database));
        let database = Config::mysql(format!("{url}/{}", self.database));
        // no limit that a machine which stalls for some seconds could reach
        let (connect_timeout, lock_timeout) = (Duration::from_secs(30), Duration::from_secs(30));
        Config { password: Secret::new(user), connect_timeout, lock_timeout, statement_timeout: Duration::from_secs(120), ..database }
    }

    async fn texts(&self, sql: &str) -> Vec<String> {
        let mut connection = MySqlConnection::connect(&shared().mysql).await.unwrap();
        let rows = sqlx::query(AssertSqlSafe(sql)).bind(&self.database).fetch_all(&mut connection).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }
}

async fn root(sql: &str) {
    MySqlConnection::connect(&shared().mysql).await.unwrap().execute(AssertSqlSafe(sql)).await.unwrap();
}

impl Drop for MySql {
    fn drop(&mut self) {
        let database = self.database.clone();
        let clean_up = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                root(&format!("DROP DATABASE IF EXISTS {database}")).await;
                for user in ["migrate", "mysql", "api"] {
                    root(&format!("DROP USER IF EXISTS '{database}_{user}'@'%'")).await;
                }
            });
        };
        // A runtime cannot be waited for within another one.
        std::thread::spawn(clean_up).join().unwrap();
    }
}

#[async_trait]
impl World for MySql {
    fn config(&self) -> Config {
        self.config_of("mysql")
    }

    async fn run(&self, sql: &str) {
        let mut connection = MySqlConnection::connect(&format!("{}/{}", shared().mysql, self.database)).await.unwrap();
        connection.execute(AssertSqlSafe(sql)).await.unwrap();
    }

    async fn empty(&self) {
        root(&format!("DROP DATABASE {}", self.database)).await;
    }

    async fn tables(&self) -> Vec<String> {
        self.texts("SELECT table_name FROM information_schema.tables WHERE table_schema = ? ORDER BY table_name").await
    }

    async fn shape(&self, table: &str) -> String {
        let mut connection = MySqlConnection::connect(&format!("{}/{}", shared().mysql, self.database)).await.unwrap();
        let row = sqlx::query(AssertSqlSafe(format!("SHOW CREATE TABLE {table}"))).fetch_one(&mut connection).await.unwrap();
        row.get(1)
    }
}

mysql_contract!(MySql::new());

#[tokio::test]
async fn the_api_may_only_read() {
    let world = MySql::new().await;
    migrate(&world.config_of("migrate")).await.unwrap();
    let api = world.config_of("api");
    // it can ask, and is told that the store is empty
    assert!(matches!(Readers::open(&api).unwrap().state.dump(None).await.err(), Some(ReadError::NotReady(_))));
    let url = shared().mysql_url(&world.database).replace("root@", &format!("{}_api:api@", world.database));
    let mut connection = MySqlConnection::connect(&url).await.unwrap();
    for refused in [
        "INSERT INTO node (id, parent, name, fact, json) VALUES ('1', '', 'a', 1, '{}')",
        "UPDATE state_position SET position = 1",
        "DELETE FROM outcome",
        "CREATE TABLE other (id INT)",
        "DROP TABLE node",
        "ALTER TABLE node ADD COLUMN x INT",
        "TRUNCATE TABLE node",
    ] {
        let error = connection.execute(refused).await.unwrap_err();
        assert!(error.to_string().contains("denied"), "{refused}: {error}");
    }
    // used as a projector it says so
    let mut projection = StateProjection::state(&api).unwrap();
    assert_eq!(projection.stored().await.unwrap(), None);
    let refused = projection.begin_rebuild(loki_domain::LogId::MIN, 0).await;
    assert!(matches!(&refused, Err(StoreError::Unusable(text)) if text.contains("denied")), "{refused:?}");
}

/// The rights on `cdn_system` are those of its own grants, whoever the users are.
#[tokio::test]
async fn the_users_of_domains_have_what_they_need_and_no_more() {
    let (world, other) = (MySql::new().await, MySql::new().await);
    // the same users, as a platform has them, on a second database
    let own = Grants { database: other.database.clone(), ..world.grants() };
    for statement in own.statements(Database::CdnSystem).unwrap() {
        root(&statement).await;
    }
    let config = |user: &str| {
        let url = world.config_of(user).url.expose().replace(&format!("/{}", world.database), &format!("/{}", other.database));
        Config { url: Secret::new(url), ..world.config_of(user) }.of(Database::CdnSystem)
    };
    migrate(&config("migrate")).await.unwrap();
    let mut projection = DomainProjection::domains(&config("mysql")).unwrap();
    projection.begin_rebuild(loki_domain::LogId::MIN, 0).await.unwrap();
    assert_eq!(projection.finish_rebuild(loki_domain::LogId::MIN, 0, 0).await.unwrap(), loki_runner::Applied::Done);
    let reader = domain_reader(&config("api")).unwrap();
    assert!(reader.dump(None).await.unwrap().next().await.unwrap().is_empty());
    let mut api = MySqlConnection::connect(&config("api").url.expose().replace('@', ":api@")).await.unwrap();
    for refused in ["DELETE FROM domain", "UPDATE domain_position SET position = 1", "DROP TABLE domain", "CREATE TABLE x (id INT)"] {
        let error = api.execute(refused).await.unwrap_err();
        assert!(error.to_string().contains("denied"), "{refused}: {error}");
    }
}

#[tokio::test]
async fn the_projector_stays_in_its_schema() {
    let (world, other) = (MySql::new().await, MySql::new().await);
    migrate(&other.config_of("migrate")).await.unwrap();
    migrate(&world.config_of("migrate")).await.unwrap();
    let url = shared().mysql_url(&world.database).replace("root@", &format!("{}_mysql:mysql@", world.database));
    let mut connection = MySqlConnection::connect(&url).await.unwrap();
    let there = &other.database;
    for refused in [
        format!("SELECT id FROM {there}.node"),
        format!("INSERT INTO {there}.node (id, parent, name, fact, json) VALUES ('1', '', 'a', 1, '{{}}')"),
        format!("DROP TABLE {there}.node"),
        format!("CREATE TABLE {there}.x (id INT)"),
        format!("CREATE DATABASE {there}x"),
        "SELECT user FROM mysql.user".to_owned(),
        format!("GRANT SELECT ON {}.* TO '{there}_api'@'%'", world.database),
    ] {
        let error = connection.execute(AssertSqlSafe(refused.clone())).await.unwrap_err();
        assert!(error.to_string().contains("denied"), "{refused}: {error}");
    }
}

#[tokio::test]
async fn a_projector_that_may_not_create_its_database_says_so() {
    let world = MySql::new().await;
    root(&format!("REVOKE CREATE ON `{}`.* FROM '{0}_mysql'@'%'", world.database)).await;
    let mut projection = StateProjection::state(&world.config()).unwrap();
    assert_eq!(projection.stored().await.unwrap(), None);
    let refused = projection.begin_rebuild(loki_domain::LogId::MIN, 0).await;
    assert!(matches!(&refused, Err(StoreError::Unusable(text)) if text.contains("grants.sql")), "{refused:?}");
}

#[tokio::test]
async fn a_wrong_password_is_unusable_and_a_server_that_is_away_is_away() {
    let world = MySql::new().await;
    let config = Config { password: Secret::new("hunter2"), ..world.config() };
    let mut projection = StateProjection::state(&config).unwrap();
    let refused = projection.stored().await;
    assert!(matches!(&refused, Err(StoreError::Unusable(text)) if !text.contains("hunter2")), "{refused:?}");

    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut projection = StateProjection::state(&Config::mysql(format!("mysql://u@127.0.0.1:{port}/d"))).unwrap();
    let away = projection.stored().await;
    assert!(matches!(away, Err(StoreError::Away(_))), "{away:?}");
}

/// A column as both databases describe it: table, name, kind of type, whether it may be null, whether it is the key.
type Column = (String, String, &'static str, bool, bool);

#[tokio::test]
async fn both_dialects_have_the_same_tables_and_columns() {
    dialects_agree(Database::Loki, 84, 23).await;
    dialects_agree(Database::CdnSystem, 15, 3).await;
}

/// The database has more columns than this, and as many indexes.
async fn dialects_agree(database: Database, columns: usize, indexes: usize) {
    let world = MySql::new().await;
    let on_mysql = migrate(&world.config_of("migrate").of(database)).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("store.db");
    let on_sqlite = migrate(&Config::sqlite(&file).of(database)).await.unwrap();
    assert_eq!(on_mysql, on_sqlite);

    let mut mysql = MySqlConnection::connect(&shared().mysql).await.unwrap();
    let sql = "SELECT table_name, column_name, data_type, is_nullable = 'YES', column_key = 'PRI' \
               FROM information_schema.columns WHERE table_schema = ? ORDER BY table_name, ordinal_position";
    let rows = sqlx::query(sql).bind(&world.database).fetch_all(&mut mysql).await.unwrap();
    let of_mysql = rows.iter().map(|row| {
        let kind = match row.get::<String, _>(2).to_lowercase().as_str() {
            "int" | "bigint" => "number",
            "varchar" | "text" | "mediumtext" => "text",
            other => panic!("a type for which SQLite has no match: {other}"),
        };
        (row.get(0), row.get(1), kind, row.get::<i64, _>(3) == 1, row.get::<i64, _>(4) == 1)
    });
    let of_mysql: Vec<Column> = of_mysql.collect();

    let mut sqlite = sqlx::SqliteConnection::connect(&format!("sqlite:{}", file.display())).await.unwrap();
    let sql = "SELECT m.name, c.name, c.type, c.\"notnull\" = 0, c.pk > 0 FROM sqlite_master AS m JOIN pragma_table_info(m.name) AS c \
               WHERE m.type = 'table' ORDER BY m.name, c.cid";
    let rows = sqlx::query(sql).fetch_all(&mut sqlite).await.unwrap();
    let of_sqlite = rows.iter().map(|row| {
        let kind = match row.get::<String, _>(2).as_str() {
            "INTEGER" => "number",
            "TEXT" => "text",
            other => panic!("a type that is not used: {other}"),
        };
        (row.get(0), row.get(1), kind, row.get::<i64, _>(3) == 1, row.get::<i64, _>(4) == 1)
    });
    let of_sqlite: Vec<Column> = of_sqlite.collect();
    assert!(of_mysql.len() > columns, "{of_mysql:?}");
    assert_eq!(of_mysql, of_sqlite);

    // and the same indexes over the same columns
    let sql = "SELECT index_name, CONCAT(table_name, ':', GROUP_CONCAT(column_name ORDER BY seq_in_index)) FROM information_schema.statistics \
               WHERE table_schema = ? AND index_name <> 'PRIMARY' GROUP BY table_name, index_name ORDER BY 2";
    let rows = sqlx::query(sql).bind(&world.database).fetch_all(&mut mysql).await.unwrap();
    let mut of_mysql: Vec<(Option<String>, String)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    // one that is part of a table's statement (`UNIQUE`) has no name of its own there
    let columns = "SELECT group_concat(name, ',') FROM (SELECT name FROM pragma_index_info(i.name) ORDER BY seqno)";
    let sql = format!(
        "SELECT CASE i.origin WHEN 'u' THEN NULL ELSE i.name END, m.name || ':' || ({columns}) FROM sqlite_master AS m JOIN pragma_index_list(m.name) AS i \
         WHERE m.type = 'table' AND i.origin <> 'pk' ORDER BY 2"
    );
    let rows = sqlx::query(sqlx::AssertSqlSafe(sql)).fetch_all(&mut sqlite).await.unwrap();
    let of_sqlite: Vec<(Option<String>, String)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    assert_eq!(of_mysql.len(), indexes);
    for ((name, _), (known, _)) in of_mysql.iter_mut().zip(&of_sqlite) {
        name.take_if(|_| known.is_none());
    }
    assert_eq!(of_mysql, of_sqlite);
}

#[tokio::test]
async fn the_server_gives_up_a_question_with_its_reader() {
    let world = MySql::new().await;
    migrate(&world.config_of("migrate")).await.unwrap();
    fill(&world).await;
    world.run("RENAME TABLE outcome TO slow").await;
    world.run("CREATE VIEW outcome AS SELECT * FROM slow WHERE SLEEP(600) = 0").await;
    let config = Config { statement_timeout: Duration::from_secs(1), ..world.config() };
    let readers = Readers::open(&config).unwrap();
    let asked = readers.history.outcome(0, None).await;
    assert!(matches!(asked, Err(ReadError::Away(_))), "{asked:?}");
    let running = format!(
        "SELECT CAST(COUNT(*) AS CHAR) FROM information_schema.processlist WHERE db = ? AND user = '{}_mysql' AND info LIKE '%FROM outcome%'",
        world.database
    );
    for _ in 0..300 {
        if world.texts(&running).await == ["0"] {
            return;
        }
        loki_runtime::task::sleep(Duration::from_millis(100)).await;
    }
    panic!("the server works on for nobody");
}

/// Makes the history live, with one outcome.
async fn fill(world: &MySql) {
    let log = loki_domain::LogId::MIN;
    let mut history = HistoryProjection::history(&world.config()).unwrap();
    history.begin_rebuild(log, 0).await.unwrap();
    assert_eq!(history.finish_rebuild(log, 0, 0).await.unwrap(), loki_runner::Applied::Done);
    world
        .run(
            "INSERT INTO outcome (command, position, id, actor, type, at_ms, outcome, changes, touched, json) \
             VALUES (0, 0, 'a', 'ann', 'node.create', 0, 'accepted', 0, '', '{}')",
        )
        .await;
}
