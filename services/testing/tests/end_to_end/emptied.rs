//! Stores emptied with their own tools, and set back to an older copy, while everything runs: each is filled again by itself and is equal to the
//! log again, and meanwhile readers get 503 or the truth, never less.
//!
//! Each harm to a whole store is done twice: once while everything runs, and once while the store's projector stands still, so that nobody can mend it: then
//! whatever is read from that store must be refused, however long it takes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use loki_core::generate::Wild;
use loki_testing::real::{self, Kafka, MariaDb, Redis, Running, Snapshot, ZooKeeper};
use sqlx::{AssertSqlSafe, Connection};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::RwLock;

use crate::api::{Api, PATIENCE};
use crate::platform::{Backends, Platform};
use crate::watch::{Route, Store, Watch};

/// What is done to a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Harm {
    DropTable,
    DropDatabase,
    DeleteAll,
    SetBackMysql,
    SetBackZookeeper,
    FlushAll,
    SetBackRedis,
}

impl Harm {
    const ALL: [Self; 7] = [
        Self::DropTable,
        Self::DropDatabase,
        Self::DeleteAll,
        Self::FlushAll,
        Self::SetBackMysql,
        Self::SetBackZookeeper,
        Self::SetBackRedis,
    ];

    /// The projector that mends it.
    fn projector(self) -> &'static str {
        match self {
            Self::DropTable | Self::DropDatabase | Self::SetBackMysql => "mysql",
            Self::DeleteAll | Self::SetBackZookeeper => "zookeeper",
            Self::FlushAll | Self::SetBackRedis => "redis",
        }
    }

    /// The projections that are filled anew; those of a store that was set back go on from where it is.
    fn rebuilt(self) -> &'static [&'static str] {
        match self {
            Self::DropTable => &["mysql"],
            Self::DropDatabase => &["mysql", "history", "task_logs"],
            Self::DeleteAll => &["zookeeper"],
            Self::FlushAll => &["redis"],
            Self::SetBackMysql | Self::SetBackZookeeper | Self::SetBackRedis => &[],
        }
    }

    /// Whether what this route reads is harmed.
    fn hits(self, route: Route) -> bool {
        match (self, route.store()) {
            (Self::DropTable, _) => route == Route::Node,
            (Self::DropDatabase | Self::SetBackMysql, store) => matches!(store, Store::State | Store::History),
            (Self::DeleteAll | Self::SetBackZookeeper, store) => store == Store::Tree,
            (Self::FlushAll | Self::SetBackRedis, store) => store == Store::Live,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn emptied_and_set_back_stores_are_filled_again() {
    let mut site = Site::start().await;
    site.equal("at the start").await;
    site.copy().await;
    site.equal("after the copies were made").await;
    for harm in Harm::ALL {
        let ways: &[bool] = if harm == Harm::DropTable { &[false] } else { &[false, true] };
        for &held in ways {
            let before = site.rebuilds(harm).await;
            // what is told from here on is newer than any copy
            site.watch.passes(3).await;
            if held {
                site.platform.pause(harm.projector());
            }
            let started = Instant::now();
            while !site.harm(harm).await {
                // it stands still within a transaction, which keeps the tables
                assert!(held && started.elapsed() < PATIENCE, "{harm:?} waits for a lock");
                site.platform.resume(harm.projector());
                tokio::time::sleep(Duration::from_millis(10)).await;
                site.platform.pause(harm.projector());
            }
            if held {
                site.watch.refuses(|route| harm.hits(route)).await;
                site.platform.resume(harm.projector());
            }
            site.rebuilt(harm, &before).await;
            site.equal(&format!("{harm:?}, held {held}")).await;
        }
    }
    site.end().await;
}

/// Backends of one's own, the platform on them, load, and readers.
struct Site {
    watch: Watch,
    load: tokio::task::JoinHandle<()>,
    platform: Platform,
    mysql: Running,
    zookeeper: Running,
    redis: Running,
    _kafka: Running,
    copies: Option<[Snapshot; 3]>,
    backends: Backends,
    /// Held for reading by whoever sends commands.
    quiet: Arc<RwLock<()>>,
    done: Arc<AtomicBool>,
}

impl Site {
    async fn start() -> Self {
        let start = |backend| Running::start(backend).unwrap();
        let (kafka, mysql, zookeeper, redis) =
            tokio::task::block_in_place(|| (start(&Kafka), start(&MariaDb), start(&ZooKeeper), start(&Redis)));
        let backends = Backends {
            kafka: kafka.address(),
            mysql: mysql.url(),
            zookeeper: zookeeper.address(),
            opentsdb: real::shared().opentsdb.clone(),
            redis: redis.url(),
        };
        let platform = Platform::real(&backends).await;
        let (quiet, done) = (Arc::default(), Arc::default());
        let watch = Watch::start(&platform.api, Arc::clone(&quiet)).await;
        let load = tokio::spawn(load(platform.api.clone(), Arc::clone(&quiet), Arc::clone(&done)));
        Self { watch, load, platform, mysql, zookeeper, redis, _kafka: kafka, copies: None, backends, quiet, done }
    }

    /// Makes the copies that the stores are set back to, each server being stopped meanwhile.
    async fn copy(&mut self) {
        // the copy's generation has a higher number than the first of a store that was emptied: it must not be taken for a newer one
        self.platform.expect(&["rebuild", "zookeeper", "--yes"]);
        self.copies = Some(tokio::task::block_in_place(|| {
            let copy = |server: &mut Running| {
                server.stop().unwrap();
                let copy = server.snapshot_data().unwrap();
                server.restart().unwrap();
                copy
            };
            [copy(&mut self.mysql), copy(&mut self.zookeeper), copy(&mut self.redis)]
        }));
    }

    /// Whether it is done: what is in use cannot be dropped.
    async fn harm(&mut self, harm: Harm) -> bool {
        let database = &self.platform.database;
        match harm {
            Harm::DropTable => return self.sql(format!("DROP TABLE {database}.node")).await,
            Harm::DropDatabase => return self.sql(format!("DROP DATABASE {database}")).await,
            Harm::DeleteAll => self.delete_all().await,
            Harm::FlushAll => self.flush_all().await,
            Harm::SetBackMysql | Harm::SetBackZookeeper | Harm::SetBackRedis => {
                let [of_mysql, of_zookeeper, of_redis] = self.copies.as_ref().unwrap();
                let (server, copy) = match harm {
                    Harm::SetBackMysql => (&mut self.mysql, of_mysql),
                    Harm::SetBackZookeeper => (&mut self.zookeeper, of_zookeeper),
                    _ => (&mut self.redis, of_redis),
                };
                tokio::task::block_in_place(|| {
                    server.stop().unwrap();
                    server.restore_data(copy).unwrap();
                    server.restart().unwrap();
                });
            }
        }
        true
    }

    /// As `redis-cli` would.
    async fn flush_all(&self) {
        let mut redis = TcpStream::connect(self.redis.address()).await.unwrap();
        redis.write_all(b"FLUSHALL\r\nQUIT\r\n").await.unwrap();
        let mut said = String::new();
        redis.read_to_string(&mut said).await.unwrap();
        assert_eq!(said, "+OK\r\n+OK\r\n");
    }

    /// Whether it is done; false: it waited for a lock, which it would do for a day by default.
    async fn sql(&self, sql: String) -> bool {
        let mut root = sqlx::MySqlConnection::connect(&format!("{}/mysql", self.backends.mysql)).await.unwrap();
        sqlx::query("SET lock_wait_timeout = 5").execute(&mut root).await.unwrap();
        match sqlx::query(AssertSqlSafe(sql)).execute(&mut root).await {
            Ok(_) => true,
            Err(sqlx::Error::Database(error)) if error.message().contains("Lock wait timeout") => false,
            Err(error) => panic!("{error}"),
        }
    }

    /// With ZooKeeper's own shell. It lists all znodes before it deletes the first, and gives up when one of them is gone or new when its turn comes:
    /// commands are held up meanwhile, and it is told again, as an operator would.
    async fn delete_all(&self) {
        let _quiet = self.quiet.write().await;
        let started = Instant::now();
        let line = ["deleteall", &self.platform.chroot];
        loop {
            let output = tokio::task::block_in_place(|| real::zookeeper_shell(&self.backends.zookeeper, &line)).unwrap();
            let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            if output.status.success() && !said.contains("Failed to delete") {
                return;
            }
            assert!(started.elapsed() < PATIENCE, "`{line:?}` ended with {}: {said}", output.status);
        }
    }

    /// How often the projections were filled anew.
    async fn rebuilds(&self, harm: Harm) -> Vec<f64> {
        let mut counts = Vec::new();
        for projection in harm.rebuilt() {
            let label = format!("projection=\"{projection}\"");
            counts.push(self.platform.metric(harm.projector(), "lokiops_project_rebuilds_total", &label).await.unwrap());
        }
        counts
    }

    /// Waits until they were filled anew once more: an answer that is right proves nothing while the harm has not been noticed.
    async fn rebuilt(&self, harm: Harm, before: &[f64]) {
        let started = Instant::now();
        while !self.rebuilds(harm).await.iter().zip(before).all(|(now, before)| now > before) {
            assert!(started.elapsed() < PATIENCE, "{harm:?} is not noticed\n{}", self.platform.log(harm.projector()));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Every route shows the newest truth; with the commands held up for a moment, every store equals the log.
    async fn equal(&self, when: &str) {
        self.watch.answers().await;
        let _quiet = self.quiet.write().await;
        self.platform.api.settled().await;
        let output = self.platform.loki(&["verify"]);
        assert!(output.status.success(), "{when}: {}", String::from_utf8_lossy(&output.stdout));
    }

    async fn end(self) {
        self.done.store(true, Ordering::SeqCst);
        self.load.await.unwrap();
        self.watch.end().await;
    }
}

/// Random commands, one after another.
async fn load(api: Api, quiet: Arc<RwLock<()>>, done: Arc<AtomicBool>) {
    for asked in Wild::new(31) {
        if done.load(Ordering::SeqCst) {
            break;
        }
        let going = quiet.read().await;
        api.send(&asked, false).await;
        drop(going);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
