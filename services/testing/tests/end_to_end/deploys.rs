//! Deploys to twenty hosts on the real set: batches, a host that fails, the way back; and everything that is killed in their midst.

use std::fs;
use std::time::Instant;

use serde_json::{Value, json};

use crate::api::PATIENCE;
use crate::fleet::{Fleet, HOSTS, SICK, name, names, said};

/// Of the second batch: its agent is killed in each of these steps, in which it is held until it has been started again.
const KILLED: &str = "h03";
const STEPS: [&str; 5] = ["prepare", "stop", "start", "test", "health"];

#[tokio::test(flavor = "multi_thread")]
async fn twenty_hosts_are_deployed_to_while_processes_are_killed_and_one_host_fails() {
    let mut fleet = Fleet::start().await;
    fleet.push("1");
    fleet.push("2");
    for (host, bell) in [("h01", Some(1.0)), ("h02", Some(0.0))] {
        assert_eq!(fleet.until_bell(host, bell).await, bell, "{host}");
    }
    let plan = fleet.platform.expect(&["deploy", "plan", "/acme/shop", "--batches", "1 25% *2"]);
    assert!(plan.starts_with("20 servers in 4 batches"), "{plan}");

    let first = fleet.deploy("1", &["--wait", "3m"]);
    assert!(first.status.success(), "{}", said(&first));
    assert_eq!(fleet.serve().await, vec!["1"; HOSTS]);
    for host in names() {
        assert_eq!((fleet.lines(&host, "log"), fleet.lines(&host, "count")), (texts(&["start 1", "test 1"]), texts(&["1"])), "{host}");
    }

    let run = second(&mut fleet).await;
    let watched = fleet.platform.loki(&["deploy", "watch", &run, "--wait", "3m"]);
    assert_eq!(watched.status.code(), Some(1), "{}", said(&watched));
    for number in 1..=16 {
        let host = name(number);
        // the sick one went back by itself; the one that was killed has sent what it had printed all the same, once
        let expected = match host == SICK {
            true => "stop 1\nstart 2\ntest 2\nstop 2\nstart 1\n",
            false => "stop 1\nstart 2\ntest 2\n",
        };
        assert_eq!(fleet.printed(&run, &host), expected, "{host}");
        // each service counts its own starts
        let expected: &[&str] = if host == SICK { &["1", "2", "1"] } else { &["1", "2"] };
        assert_eq!(fleet.lines(&host, "count"), texts(expected), "{host}");
    }
    let detail = fleet.run(&run).await;
    assert_eq!((&detail["run"]["state"], &detail["run"]["batch"]), (&json!("paused"), &json!(2)), "{}", said(&watched));
    assert_eq!((&detail["tasks"]["succeeded"], &detail["tasks"]["failed"]), (&json!(15), &json!(1)), "{detail}");
    let why = detail["run"]["why"].to_string();
    assert!(why.contains(SICK) && why.contains("it was not good within"), "{why}");
    let served = fleet.serve().await;
    for number in 1..=HOSTS {
        let expected = if number <= 16 && name(number) != SICK { "2" } else { "1" };
        assert_eq!(served[number - 1], expected, "{}", name(number));
    }

    // back: every host has the same release again, and each effect was had once
    let back = fleet.platform.loki(&["deploy", "rollback", &run, "--fast", "--wait", "3m"]);
    assert!(back.status.success() && said(&back).contains("rolled_back"), "{}", said(&back));
    assert_eq!(fleet.serve().await, vec!["1"; HOSTS]);
    for number in 1..=HOSTS {
        let host = name(number);
        // the sick one went back by itself, and the run's way back found it there
        let expected: &[&str] = if number > 16 { &["1"] } else { &["1", "2", "1"] };
        assert_eq!(fleet.lines(&host, "count"), texts(expected), "{host}");
    }
    fleet.platform.api.settled().await;
    fleet.platform.verify();
}

/// Version 2: in its midst, while one agent is held in its second step, ZooKeeper is restarted, decider, API and clock are killed, and that agent in
/// each of its steps; one host never becomes well. The run's id.
async fn second(fleet: &mut Fleet) -> String {
    fs::write(fleet.shared(SICK, "sick"), "").unwrap();
    for step in STEPS {
        fs::write(fleet.shared(KILLED, &format!("hold-{step}")), "").unwrap();
    }
    let started = fleet.deploy("2", &["-o", "json"]);
    assert!(started.status.success(), "{}", said(&started));
    let outcome: Value = serde_json::from_slice(&started.stdout).unwrap();
    let facts = outcome["facts"].as_array().unwrap();
    let run = facts.iter().find_map(|fact| fact["key"].as_str()?.strip_prefix("run/")).unwrap().to_owned();
    for step in STEPS {
        fleet.until_step(&run, KILLED, step).await;
        fleet.platform.kill(KILLED);
        if step == "stop" {
            tokio::task::block_in_place(|| fleet.zookeeper.restart().unwrap());
            for service in ["decider", "api", "clock"] {
                fleet.platform.kill(service);
                fleet.platform.spawn(service, service);
            }
        }
        fleet.start_agent(KILLED);
        let run = fleet.run(&run).await["run"].take();
        assert_eq!((&run["state"], &run["batch"]), (&json!("running"), &json!(1)), "{step}: {run}");
        fs::remove_file(fleet.shared(KILLED, &format!("hold-{step}"))).unwrap();
    }
    let watch = Instant::now();
    while fleet.run(&run).await["run"]["batch"] == 1 {
        assert!(watch.elapsed() < PATIENCE, "the second batch does not end");
    }
    run
}

fn texts(lines: &[&str]) -> Vec<String> {
    lines.iter().map(|line| (*line).to_owned()).collect()
}
