//! `amends verify-participant` against the sample services, which keep the contract, and against a service that breaks one
//! promise at a time: each is found by the rule that is there for it, and by no other.

mod flawed;

use std::{net::SocketAddr, path::Path};

use amends_inventory as inventory;
use amends_orders as orders;
use amends_payments as payments;
use amends_shipping as shipping;
use axum::Router;
use serde_json::Value;
use tokio::net::TcpListener;

use self::flawed::Flaw;
use crate::shell::{Ran, Shell};

/// Every rule that a profile of everything can be tested for.
const PROFILE: &str = "prepare:
  - { call: 'PUT /caps/${{ saga.id }}', body: { cap: 100 } }
action: { call: POST /coins, body: { order: '${{ saga.id }}', add: 7 } }
compensate: { call: 'DELETE /coins/${{ saga.id }}' }
reject:
  call: POST /coins
  body: { order: '${{ saga.id }}', add: 101 }
  allow:
    - { call: 'PUT /caps/${{ saga.id }}', body: { cap: 1000 } }
effect: { call: 'GET /coins/${{ saga.id }}', value: /coins }
probe: GET /coins
";

async fn serve(router: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("it listens");
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

/// Nobody listens there yet.
async fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("it listens")
}

async fn verify(address: SocketAddr, profile: String, more: &'static [&'static str]) -> Ran {
    let verified = move || {
        let shell = Shell::new();
        shell.file("profile.yaml", &profile);
        let url = format!("http://{address}");
        let mut arguments = vec!["verify-participant", &url, "--profile", "profile.yaml", "--rounds", "8"];
        arguments.extend(more);
        shell.amends(&arguments)
    };
    tokio::task::spawn_blocking(verified).await.expect("it ran")
}

/// The rules with this outcome.
fn rules(report: &Value, outcome: &str) -> Vec<String> {
    let lines = report["rules"].as_array().expect("rules").iter();
    lines.filter(|line| line["outcome"] == outcome).map(|line| line["rule"].as_str().expect("a name").into()).collect()
}

async fn report(address: SocketAddr, profile: String) -> (Ran, Value) {
    let ran = verify(address, profile, &["--format", "json"]).await;
    let report = serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran:#?}"));
    (ran, report)
}

fn with_callbacks(at: SocketAddr) -> String {
    format!("{PROFILE}async: {{ listen: '{at}', within: 1500ms }}\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_keeps_the_contract_passes_every_rule() {
    let at = free().await;
    let address = serve(flawed::participant(None, Some(at))).await;
    let (ran, report) = report(address, with_callbacks(at)).await;
    ran.expect(0);
    assert_eq!(rules(&report, "failed"), [""; 0], "{report:#}");
    assert_eq!(rules(&report, "not_tested"), [""; 0], "{report:#}");
    assert_eq!(report["passed"], 23);
}

/// The flaw is found by exactly this rule.
async fn found(flaw: Flaw, rule: &str) {
    let at = free().await;
    let address = serve(flawed::participant(Some(flaw), Some(at))).await;
    let later = matches!(flaw, Flaw::NeverAccepts | Flaw::TellsOnce | Flaw::FinishesWhatWasUndone);
    let profile = if later { with_callbacks(at) } else { PROFILE.to_owned() };
    let (ran, report) = report(address, profile).await;
    assert_eq!(rules(&report, "failed"), [rule], "{flaw:?}: {report:#}");
    assert_eq!(ran.code, Some(1), "{flaw:?}");
    let line =
        report["rules"].as_array().expect("rules").iter().find(|line| line["rule"] == rule).expect("it is there");
    assert!(line["promise"].is_string() && line["hint"].is_string(), "{line:#}");
    assert!(line["exchanges"].as_array().is_some_and(|exchanges| !exchanges.is_empty()), "{line:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn flaws_of_answers_are_found() {
    found(Flaw::RefusesTheAction, "first-call").await;
    found(Flaw::NoAck, "ack").await;
    found(Flaw::MakesANewReply, "stored-reply").await;
    found(Flaw::ReplaysNotTheNextEpoch, "stored-reply").await;
    found(Flaw::IgnoresTheBody, "other-body").await;
    found(Flaw::AcksAnotherBody, "other-body").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn flaws_of_effects_are_found() {
    found(Flaw::AppliesCopies, "one-effect").await;
    found(Flaw::UndoesAgain, "compensation-once").await;
    found(Flaw::ChecksThenActs, "concurrent-duplicates").await;
    found(Flaw::CompensationDoesNotWait, "concurrent-pair").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn flaws_of_tombstones_are_found() {
    found(Flaw::NothingToUndoIs404, "null-compensation").await;
    found(Flaw::NoTombstone, "late-action").await;
    found(Flaw::ReplaysWhatWasUndone, "late-copy").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn flaws_of_fences_are_found() {
    found(Flaw::IgnoresEpochs, "stale-epoch").await;
    found(Flaw::NullCompensationsRaiseNoFence, "fence").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn flaws_of_rejections_are_found() {
    found(Flaw::ForgetsRejections, "stored-rejection").await;
    found(Flaw::RejectsForEver, "rejection-judged-anew").await;
    found(Flaw::UndoesRejections, "rejection-undone").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn flaws_of_probes_descriptions_and_forgetting_are_found() {
    found(Flaw::ProbesWithoutAck, "probe").await;
    found(Flaw::NewFingerprintEachTime, "description").await;
    found(Flaw::ForgetsNothingInParticular, "forget").await;
    found(Flaw::NoGrace, "forget-grace").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn flaws_of_callbacks_are_found() {
    found(Flaw::NeverAccepts, "accepted").await;
    found(Flaw::TellsOnce, "called-back").await;
    found(Flaw::FinishesWhatWasUndone, "accepted-then-undone").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_for_people_and_one_for_build_servers_tell_what_was_sent_and_what_was_promised() {
    let address = serve(flawed::participant(Some(Flaw::NoTombstone), None)).await;
    let ran = verify(address, PROFILE.to_owned(), &["--rule", "late-action"]).await;
    ran.expect(1)
        .prints("FAILED     late-action")
        .prints("2 passed, 1 failed, 0 not tested")
        .prints("docs/participant.md: “a compensation may");
    ran.prints("op compensate, attempt 1, epoch 1").prints("409 without Saga-Refused").prints("op action");
    let ran = verify(address, PROFILE.to_owned(), &["--rule", "late-action", "--format", "junit"]).await;
    ran.expect(1).prints("failures=\"1\" skipped=\"0\"").prints("<failure message=\"answer to the late action\">");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_begin_says_why() {
    let address = serve(flawed::participant(None, None)).await;
    verify(address, "action: 7\n".into(), &[]).await.expect(2).says("profile.yaml: action: invalid type");
    verify(address, PROFILE.into(), &["--rule", "lateness"]).await.expect(2).says("there is no rule `lateness`");
    verify(address, with_callbacks(address), &[]).await.expect(1).says("cannot listen");
    let nobody = free().await;
    verify(nobody, PROFILE.into(), &[]).await.expect(1).prints("FAILED     first-call").prints("no whole answer");
    let ran = Shell::new().amends(&["verify-participant", "ftp://x", "--profile", "no.yaml"]);
    ran.expect(1).says("cannot read no.yaml");
}

/// As it stands in the repository.
fn profile(service: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../services/{service}/profile.yaml"));
    std::fs::read_to_string(path).expect("a profile")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sample_services_keep_the_contract() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    let orders = orders::router(orders::open(&at("orders.db").as_path().into()).await.expect("a store"));
    let inventory = inventory::router(inventory::open(&at("inventory.db").as_path().into()).await.expect("a store"));
    let payments = payments::router(payments::open(&at("payments.db").as_path().into()).await.expect("a store"));
    // None of them takes its time unless it is told to, and shipping's effect can be seen nowhere.
    let unseen = ["accepted", "called-back", "accepted-then-undone"];
    for (router, name) in [(orders, "orders"), (inventory, "inventory"), (payments, "payments")] {
        let (ran, report) = report(serve(router).await, profile(name)).await;
        assert_eq!((rules(&report, "failed"), ran.code), (vec![], Some(0)), "{name}: {report:#}");
        let not_tested = rules(&report, "not_tested");
        let expected: &[&str] = if name == "orders" {
            &["rejection-judged-anew", "accepted", "called-back", "accepted-then-undone"]
        } else {
            &unseen
        };
        assert_eq!(not_tested, expected, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn shipping_keeps_the_contract_at_once_and_later() {
    let folder = tempfile::tempdir().expect("a folder");
    let barrier = shipping::open(&folder.path().join("shipping.db").as_path().into()).await.expect("a store");
    let at = free().await;
    let after = std::time::Duration::from_millis(400);
    let orchestrator = format!("http://{at}").parse().expect("an address");
    tokio::spawn(shipping::keep_booking(barrier.clone(), after, orchestrator));
    let profile = profile("shipping").replace("127.0.0.1:7099", &at.to_string()).replace("5s", "2s");
    let (ran, report) = report(serve(shipping::router_for_later(barrier)).await, profile).await;
    assert_eq!((rules(&report, "failed"), ran.code), (vec![], Some(0)), "{report:#}");
    assert_eq!(rules(&report, "not_tested"), ["one-effect", "rejection-judged-anew"], "{report:#}");
}
