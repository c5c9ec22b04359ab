//! The real collectd, whose `write_tsdb` sends to the telnet listener. It leaves two spaces between its own tag and those of its configuration.

use std::fs;
use std::path::Path;
use std::process::{Child, ExitStatus, Stdio};
use std::time::Duration;

use loki_runtime::clock::Stopwatch;
use loki_runtime::task;
use loki_testing::child;
use loki_testing::real::stack_dir;
use rustix::process::{Pid, Signal, kill_process};

use super::given::{Given, Listener, PATIENCE};

const LOOK_EVERY: Duration = Duration::from_millis(50);

#[tokio::test(flavor = "multi_thread")]
async fn collectd_sends_its_points_unchanged() {
    let given = Given::new().await;
    let listener = Listener::start(&given).await;
    let mut collectd = start(given.folder.path(), listener.address.port());
    let has = |points: &[String], metric: &str| points.iter().any(|point| point.starts_with(metric));
    let watch = Stopwatch::start();
    loop {
        let points = given.points().await;
        if has(&points, "load.load.shortterm{") && has(&points, "cpu.") {
            break;
        }
        let ended = collectd.try_wait().unwrap();
        assert!(ended.is_none() && watch.elapsed() < PATIENCE, "{ended:?}, {points:?}, {}", log_of(given.folder.path()));
        task::sleep(LOOK_EVERY).await;
    }
    // it sends what it still holds
    let status = stop(&mut collectd).await;
    assert!(status.success(), "{status}: {}", log_of(given.folder.path()));
    listener.stop().await;
    let points = given.points().await;
    for metric in ["load.load.shortterm", "load.load.midterm", "load.load.longterm"] {
        assert!(has(&points, &format!("{metric}{{fqdn=web01,idc=bj,status=production}} ")), "no `{metric}` in {points:#?}");
    }
    let (host, idle) = ("{fqdn=web01,idc=bj,status=production} ", points.iter().filter(|point| point.contains("idle")));
    assert!(points.iter().all(|point| point.contains(host)), "{points:#?}");
    assert!(idle.count() > 0, "no idle processor in {points:#?}");
}

/// The one that `install.sh` has unpacked, else the one on the path.
fn start(folder: &Path, port: u16) -> Child {
    let unpacked = stack_dir().join("collectd/usr");
    let (program, places) = match unpacked.join("sbin/collectd") {
        program if program.is_file() => {
            let (plugins, types) = (unpacked.join("lib/collectd"), unpacked.join("share/collectd/types.db"));
            (program, format!("PluginDir \"{}\"\nTypesDB \"{}\"\n", plugins.display(), types.display()))
        }
        _ => ("collectd".into(), String::new()),
    };
    let configuration = format!(
        r#"{places}BaseDir "{folder}"
PIDFile "{folder}/collectd.pid"
Hostname "web01"
FQDNLookup false
Interval 1
LoadPlugin load
LoadPlugin cpu
LoadPlugin write_tsdb
<Plugin write_tsdb>
  <Node>
    Host "127.0.0.1"
    Port "{port}"
    HostTags "idc=bj status=production"
    StoreRates true
  </Node>
</Plugin>
"#,
        folder = folder.display(),
    );
    let file = folder.join("collectd.conf");
    fs::write(&file, configuration).unwrap();
    let log = fs::File::create(folder.join("collectd.log")).unwrap();
    let mut collectd = child::bound(program).unwrap();
    collectd.arg("-f").arg("-C").arg(file).stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
    child::spawn(collectd).unwrap()
}

fn log_of(folder: &Path) -> String {
    fs::read_to_string(folder.join("collectd.log")).unwrap()
}

async fn stop(collectd: &mut Child) -> ExitStatus {
    kill_process(Pid::from_child(collectd), Signal::TERM).unwrap();
    let watch = Stopwatch::start();
    loop {
        if let Some(status) = collectd.try_wait().unwrap() {
            return status;
        }
        assert!(watch.elapsed() < PATIENCE, "collectd does not end");
        task::sleep(LOOK_EVERY).await;
    }
}
