//! The bench at a small scale: that its figures are there and can be true, and that it fails when the participant answers
//! wrong.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::Value;

/// The orchestrator that cargo built beside this test.
fn amends() -> PathBuf {
    let test = std::env::current_exe().expect("a test knows its file");
    let path = test.parent().and_then(Path::parent).expect("a test lies in target/<profile>/deps").join("amends");
    assert!(path.exists(), "{} is not there: run `cargo build --workspace --bins` first", path.display());
    path
}

fn bench(seconds: &str, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_amends-bench"))
        .args(["--store", "sqlite", "--in-flight", "16", "--seconds", seconds])
        .arg("--amends")
        .arg(amends())
        .args(arguments)
        .output()
        .expect("the bench is built")
}

fn report(file: &Path, arguments: &[&str]) -> Value {
    let output = bench("1", &[&["--json", file.to_str().expect("a plain path")], arguments].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&std::fs::read(file).expect("it wrote its report")).expect("the report is JSON")
}

#[test]
fn the_report_has_every_figure_and_they_can_be_true() {
    let folder = tempfile::tempdir().expect("a folder");
    let report = report(&folder.path().join("report.json"), &[]);
    let number = |name: &str| report[name].as_f64().unwrap_or_else(|| panic!("{name} in {report:#}"));
    assert!((1.0..1e6).contains(&number("sagas_per_s")));
    assert!(number("p50_ms") > 0.0 && number("p50_ms") <= number("p99_ms"));
    // The ceiling does less: nothing can be above it.
    assert!((0.0..1.0).contains(&number("ceiling_ratio")));
    assert!(report["ratio_vs_restate"].is_null() && report["ratio_vs_dbos"].is_null());

    let ours = &report["figures"][0];
    let sagas = ours["sagas"].as_f64().expect("a number of sagas");
    // Little's law, give or take the ends of the window: 16 in flight, each for p50.
    let in_flight = number("sagas_per_s") * number("p50_ms") / 1000.0;
    assert!((4.0..32.0).contains(&in_flight), "{in_flight} in flight of 16");
    assert!(sagas >= number("sagas_per_s"), "all sagas of the run are more than those of its second");
    assert!(ours["cpu_ms_per_saga"].as_f64().is_some_and(|cpu| cpu > 0.0));
    assert!(ours["peak_memory_mib"].as_f64().is_some_and(|memory| (1.0..4096.0).contains(&memory)));
    assert!(ours["bytes_per_saga"].as_f64().is_some_and(|bytes| (100.0..1e6).contains(&bytes)));
}

#[test]
fn a_restart_with_sagas_in_flight_drives_them_all_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let report = report(&folder.path().join("report.json"), &["--scenario", "restart", "--count", "50"]);
    let verdicts = report["verdicts"].as_array().expect("a list of verdicts");
    assert_eq!(verdicts.len(), 2);
    assert!(verdicts.iter().all(|verdict| verdict["measured"].as_f64().is_some_and(|s| s > 0.0)), "{report:#}");
}

#[test]
fn a_participant_that_answers_wrong_makes_the_run_fail() {
    for (scenario, fault, wrong) in
        [("saturation", "refuse-three", "compensated"), ("refused", "never-refuse", "completed")]
    {
        let output = bench("0.2", &["--scenario", scenario, "--fault", fault]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{scenario} with {fault} went through");
        assert!(said.contains("went wrong") && said.contains(wrong), "{said}");
    }
}

#[test]
fn a_missed_target_fails_the_run_only_under_check() {
    // A saga of three steps takes four commits, and with 16 in flight a commit carries 16 sagas at most: never 0.1 a saga.
    let report = bench("0.2", &["--check"]);
    assert_eq!(report.status.code(), Some(2), "{}", String::from_utf8_lossy(&report.stderr));
}
