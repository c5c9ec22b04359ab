//! The disk of the embedded set is full: what cannot be kept is refused and may be sent again, what was acknowledged stays, and once there is room it goes
//! on by itself.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use loki_testing::child;
use serde_json::json;

use crate::api::PATIENCE;
use crate::platform::Platform;

/// Room for everything that an empty platform makes, and some.
const SIZE: &str = "96m";

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_and_loses_nothing() {
    let disk = SmallDisk::mount();
    let mut platform = Platform::on_disk(&disk.folder, disk.enter()).await;
    platform.api.accept("node.create", json!({ "path": "/a", "parents": true })).await;
    let mut acknowledged = sent(&platform, "before", 20).await;
    assert_eq!(acknowledged.len(), 20);

    disk.fill();
    acknowledged.extend(sent(&platform, "full", 200).await);
    until_refused(&platform).await;
    // what is there can still be read
    let (status, answer) = platform.api.get("/v1/nodes/%2Fa").await.unwrap();
    assert_eq!(status, 200, "{answer}");
    assert!(!platform.has_ended("all"), "{}", platform.log("all"));
    // and a process that is killed now can be started again
    platform.kill("all");
    platform.spawn("all", "all");
    tokio::time::sleep(Duration::from_secs(1)).await;

    disk.empty();
    platform.ready("all").await;
    acknowledged.extend(sent(&platform, "after", 20).await);
    platform.api.settled().await;
    platform.verify();
    for (path, position) in &acknowledged {
        let (status, answer) = platform.api.get(&format!("/v1/commands/{position}?wait=30s")).await.unwrap();
        assert_eq!((status, &answer["outcome"]), (200, &json!("accepted")), "{path} at {position}: {answer}");
        let (status, answer) = platform.api.get(&format!("/v1/nodes/{}", path.replace('/', "%2F"))).await.unwrap();
        assert_eq!(status, 200, "{path} at {position}: {answer}");
    }
    assert!(acknowledged.iter().filter(|(path, _)| path.contains("after")).count() == 20);
}

/// Sends that many commands once; those that were acknowledged, with their positions. The others are refused for now.
async fn sent(platform: &Platform, name: &str, count: usize) -> Vec<(String, String)> {
    let mut acknowledged = Vec::new();
    for number in 0..count {
        let path = format!("/a/{name}-{number}");
        // so long that a few of them fill what room is left between the files
        let labels = json!({ "long": "x".repeat(200) });
        let body = json!({ "type": "node.create", "data": { "path": path, "labels": labels } }).to_string();
        match platform.api.post("/v1/commands", body).await {
            Ok((202, answer)) => acknowledged.push((path, answer["position"].as_str().unwrap().to_owned())),
            Ok((503, _)) => {}
            other => panic!("{path} was answered {other:?}"),
        }
    }
    acknowledged
}

/// Until commands are refused, again and again, with a reason.
async fn until_refused(platform: &Platform) {
    let started = Instant::now();
    let mut number = 0;
    loop {
        number += 1;
        let body = json!({ "type": "node.create", "data": { "path": format!("/a/more-{number}") } }).to_string();
        let (status, answer) = platform.api.post("/v1/commands", body).await.unwrap();
        assert!(matches!(status, 202 | 503), "{status} {answer}");
        if status == 503 {
            assert!(answer["detail"].as_str().is_some_and(|detail| detail.contains("full")), "{answer}");
            return;
        }
        assert!(started.elapsed() < PATIENCE, "a full disk takes commands");
    }
}

/// A file system of its own in a namespace of its own; it is gone with what holds it.
struct SmallDisk {
    holder: Child,
    /// As processes within the namespace see it.
    folder: PathBuf,
    _home: tempfile::TempDir,
}

impl SmallDisk {
    fn mount() -> Self {
        let home = tempfile::Builder::new().prefix("loki-disk-").tempdir().unwrap();
        let folder = home.path().join("disk");
        std::fs::create_dir(&folder).unwrap();
        let mut command = child::bound(Path::new("unshare")).unwrap();
        let script =
            format!("mount -t tmpfs -o size={SIZE} loki \"$0\" && echo mounted && exec setpriv --pdeathsig KILL -- sleep infinity");
        command.args(["--map-root-user", "--mount", "sh", "-c", &script]).arg(&folder).stdout(Stdio::piped());
        let mut holder = child::spawn(command).unwrap();
        let mut said = String::new();
        BufReader::new(holder.stdout.take().unwrap()).read_line(&mut said).unwrap();
        assert_eq!(said, "mounted\n", "this test mounts a tmpfs in a user namespace: allow them (`sysctl user.max_user_namespaces`)");
        Self { holder, folder, _home: home }
    }

    /// What a command begins with that is to see it. Whoever enters a namespace is not bound to its parent's life any more.
    fn enter(&self) -> Vec<String> {
        let id = self.holder.id().to_string();
        ["nsenter", "--target", &id, "--user", "--mount", "--preserve-credentials", "--", "setpriv", "--pdeathsig", "KILL", "--"]
            .map(str::to_owned)
            .to_vec()
    }

    fn ballast(&self) -> PathBuf {
        // as this process sees it
        let root = format!("/proc/{}/root", self.holder.id());
        Path::new(&root).join(self.folder.strip_prefix("/").unwrap()).join("ballast")
    }

    /// Leaves no room.
    fn fill(&self) {
        let mut file = std::fs::File::create(self.ballast()).unwrap();
        let mut part = vec![b'x'; 1 << 20];
        while !part.is_empty() {
            if let Err(error) = file.write_all(&part) {
                assert_eq!(error.kind(), std::io::ErrorKind::StorageFull, "{error}");
                part.truncate(part.len() / 2);
            }
        }
    }

    fn empty(&self) {
        std::fs::remove_file(self.ballast()).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // one that has ended cannot be killed, which is as good
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}
