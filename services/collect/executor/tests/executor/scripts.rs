//! Scripts, which run once.

use loki_executor::{Outcome, Step};
use loki_wire::task::{Document, Wanted};

use crate::host::{Host, document, failure, lines, run};

fn script(host: &Host, number: u8, attempt: u32, lines: &str) -> Document {
    let script = format!("echo $LOKI_RUN >>{}\n{lines}", host.path().join("log").display());
    document(number, attempt, Wanted::Script { script, user: None, output_bytes_max: 20 })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_runs_once() {
    let host = Host::new();
    assert_eq!(host.carry_out(&script(&host, 1, 1, "echo a >b; ls")).await, Outcome::Succeeded);
    assert_eq!(host.told(), ["script"]);
    // whose report was lost
    assert_eq!(host.carry_out(&script(&host, 1, 2, "echo a >b; ls")).await, Outcome::Succeeded);
    assert_eq!(lines(&host.path().join("log")), [run(1).to_string()]);
    let output = host.executor.output(run(1)).unwrap();
    assert_eq!((output.len(), lines(&output[0].path)), (1, vec!["b".to_owned()]));
    assert!(!output[0].path.with_file_name("scratch").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_that_fails_is_tried_again_by_the_next_attempt() {
    let host = Host::new();
    let outcome = host.carry_out(&script(&host, 1, 1, "echo one two three four five six; exit 7")).await;
    assert_eq!(failure(&outcome), (Step::Script, "`script` ended with 7: one two three four f"));
    assert_eq!(lines(&host.executor.output(run(1)).unwrap()[0].path)[1], "[8 bytes more were left out]");
    assert_eq!(host.carry_out(&script(&host, 1, 2, "true")).await, Outcome::Succeeded);
    assert_eq!(lines(&host.path().join("log")).len(), 2);
}

/// What a script leaves may be nothing that can be removed as a folder: its outcome is its own all the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_script_whose_scratch_stays_has_ended_as_it_did() {
    let host = Host::new();
    let no_folder = "cd ..; rmdir scratch; touch scratch";
    assert_eq!(host.carry_out(&script(&host, 1, 1, no_folder)).await, Outcome::Succeeded);
    let outcome = host.carry_out(&script(&host, 2, 1, &format!("{no_folder}; exit 7"))).await;
    assert_eq!(failure(&outcome), (Step::Script, "`script` ended with 7"));
    // once it can be removed, it is with the end of the next task
    let scratch = host.executor.output(run(1)).unwrap()[0].path.with_file_name("scratch");
    std::fs::remove_file(&scratch).unwrap();
    std::fs::create_dir_all(scratch.join("more")).unwrap();
    assert_eq!(host.carry_out(&script(&host, 3, 1, "true")).await, Outcome::Succeeded);
    assert!(!scratch.exists());
}
