//! 5,000 random commands, valid and not, with repeats and reused ids: then every store equals the log, and there is one outcome a command.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use loki_core::generate::{Asked, Wild};
use serde_json::Value;

use crate::platform::{Backends, Platform};

const COMMANDS: usize = 5_000;
const AT_ONCE: usize = 32;

#[tokio::test(flavor = "multi_thread")]
async fn random_commands_on_the_embedded_set() {
    let mut platform = Platform::embedded().await;
    run(&platform, 11).await;
    platform.stop("all");
    // memory is filled again from the log, files are where they were
    platform.start("all").await;
    platform.api.settled().await;
    platform.verify();
}

#[tokio::test(flavor = "multi_thread")]
async fn random_commands_on_the_real_set() {
    let mut platform = Platform::real(&Backends::shared()).await;
    run(&platform, 12).await;
    for service in ["api", "decider", "zookeeper", "mysql"] {
        platform.stop(service);
    }
}

/// Sends, settles, compares.
async fn run(platform: &Platform, seed: u64) {
    let asked: Arc<Vec<Asked>> = Arc::new(Wild::new(seed).take(COMMANDS).collect());
    let sent = send_all(platform, asked.clone()).await;
    assert_eq!(sent, COMMANDS);
    platform.api.settled().await;
    platform.verify();

    let audit = platform.api.audit().await;
    let most = COMMANDS + platform.api.repeated();
    assert!((COMMANDS..=most).contains(&audit.len()), "one outcome a command: {} of {COMMANDS} to {most}", audit.len());
    let count = |kind: &str| audit.iter().filter(|line| line["outcome"] == kind).count();
    assert!(
        count("accepted") > 100 && count("rejected") > 100 && count("duplicate") > 10,
        "{} {} {}",
        count("accepted"),
        count("rejected"),
        count("duplicate")
    );

    repeat(platform, &asked, &audit).await;
}

/// Sends the commands, several at once; the number that was acknowledged.
async fn send_all(platform: &Platform, asked: Arc<Vec<Asked>>) -> usize {
    let next = Arc::new(AtomicUsize::new(0));
    let senders = (0..AT_ONCE).map(|_| {
        let (api, asked, next) = (platform.api.clone(), asked.clone(), next.clone());
        tokio::spawn(async move {
            let mut sent = 0;
            while let Some(asked) = asked.get(next.fetch_add(1, Ordering::Relaxed)) {
                let answer = api.send(asked, false).await;
                assert!(answer["position"].as_str().is_some_and(|position| position.starts_with('c')), "{answer}");
                sent += 1;
            }
            sent
        })
    });
    let mut sent = 0;
    for sender in senders.collect::<Vec<_>>() {
        sent += sender.await.unwrap();
    }
    sent
}

/// A command that is sent again gets its first outcome, rejected ones too.
async fn repeat(platform: &Platform, asked: &[Asked], audit: &[Value]) {
    let mut first: HashMap<(&str, &str), &Value> = HashMap::new();
    for line in audit.iter().rev().filter(|line| line["code"] != "id_reused") {
        first.entry((line["actor"].as_str().unwrap(), line["id"].as_str().unwrap())).or_insert(line);
    }
    let mut repeated = 0;
    for asked in asked.iter().step_by(97) {
        let Some(before) = first.get(&(asked.actor.as_str(), asked.id.as_str())) else { continue };
        let again = platform.api.send(asked, true).await;
        if again["code"] == "id_reused" && before["code"] != "id_reused" {
            continue;
        }
        assert_eq!(
            (&again["outcome"], &again["position"], &again["code"]),
            (&before["outcome"], &before["position"], &before["code"]),
            "{again}"
        );
        assert_eq!(again["duplicate_of"], before["position"], "{again}");
        repeated += 1;
    }
    assert!(repeated > 20, "{repeated}");
}
