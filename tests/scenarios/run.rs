//! One scenario: the faults in, the saga started, signals and cancel when their steps wait, and then every expectation.

use std::{collections::BTreeSet, time::Duration};

use amends_client::{Client, Signal, Start};
use amends_core::{
    scenario::{
        After, Asked, CalledBack, Fault, Ran, Scenario, Sent, Verdict, Wrong, at_times, differences, shortened,
    },
    time::Time,
};
use amends_protocol::v1::{SagaView, StartRequest, StepStatus};
use amends_tests::{
    audit::{journal::Event, ledger::Effect},
    proxy::{Action, Door, Injected, Proxy, Rule},
    town::{Scene, ended},
    wait::until,
    words,
};
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::files::File;

/// A step waits, or never will.
const SOON: Duration = Duration::from_secs(30);

pub(crate) async fn one(scene: &Scene, client: &Client, file: &File, scenario: &Scenario) -> Result<()> {
    let source = &file.saga.source;
    let shorter = shortened(source, &scenario.shorten);
    let registered = client.register(shorter.as_ref().unwrap_or(source)).await?;
    let (shut, faults): (Vec<&Fault>, Vec<&Fault>) =
        scenario.faults.iter().partition(|fault| fault.what == Wrong::LoseConnection);
    let injected: Vec<(&Fault, Injected)> = faults.into_iter().map(|fault| (fault, inject(scene, fault))).collect();
    call_back(scene, file, &scenario.callbacks).await?;
    for fault in &shut {
        door(scene, fault).set_door(Door::Closed).await;
    }
    let request = StartRequest {
        definition: registered.name,
        version: Some(registered.version),
        input: at_times(&scenario.input, Time(words::now())),
        ..StartRequest::default()
    };
    let saga = client.start(&Start { request, ..Start::default() }).await?.saga.id;
    for (nth, signal) in scenario.signals.iter().enumerate() {
        if let Some(step) = &signal.when {
            waits(client, saga, step.as_str()).await?;
        }
        let key = Some(format!("scenario-{nth}"));
        let signal = Signal { name: signal.name.as_str().to_owned(), key, payload: signal.data.clone() };
        client.signal(saga, &signal).await.with_context(|| format!("signal {}", signal.name))?;
    }
    if let Some(cancel) = &scenario.cancel {
        waits(client, saga, cancel.when.as_str()).await?;
        client.cancel(saga, cancel.reason.clone()).await?;
    }
    for fault in shut {
        let failed = |event: &Event| matches!(event, Event::StepFailed { step, .. } if *step == fault.step.as_str());
        let opened = until("it has failed, since nobody listens", SOON, async || {
            let journal = scene.journal(saga).await?;
            Ok(journal.iter().any(|row| failed(&row.event)).then_some(()))
        });
        let opened = opened.await;
        // Whatever comes next needs it.
        door(scene, fault).set_door(Door::Open).await;
        opened?;
    }
    let view = ended(client, saga).await?;
    // The others of its family may have a word more to write than it has.
    for child in scene.family(saga).await? {
        ended(client, child).await?;
    }
    until("nothing is under way", SOON, async || Ok(scene.wire_is_quiet().then_some(()))).await?;
    let journal = scene.journal(saga).await?;
    let accepted = |step: &str| {
        journal.iter().any(|row| match &row.event {
            Event::CallAccepted { call, .. } | Event::CallbackReceived { call, .. } => call.step == step,
            _ => false,
        })
    };
    let accepted = scenario.callbacks.iter().map(|callback| accepted(callback.step.as_str())).collect();
    let ran = Ran { befell: befell(scenario, &injected), accepted, ..ran(scene, scenario, &view).await? };
    let wrong: Vec<String> = differences(scenario, &ran).iter().map(ToString::to_string).collect();
    if !wrong.is_empty() {
        let cause = view.cause.as_ref().map_or("none", |cause| cause.summary.as_str());
        bail!("  - {}\n  the saga: {saga}, {:?}, cause: {cause}", wrong.join("\n  - "), view.status);
    }
    Ok(())
}

/// Nobody could pass a door that was shut: its step has failed.
fn befell(scenario: &Scenario, injected: &[(&Fault, Injected)]) -> Vec<u64> {
    let of =
        |fault: &Fault| injected.iter().find(|(known, _)| *known == fault).map_or(1, |(_, injected)| injected.fired());
    scenario.faults.iter().map(of).collect()
}

async fn waits(client: &Client, saga: Uuid, step: &str) -> Result<()> {
    until(&format!("{step} waits"), SOON, async || {
        let view = client.saga(saga, None).await?;
        let found = view.steps.iter().find(|found| found.name == step).context("a step of the definition")?;
        if view.status.is_terminal() {
            bail!("it ended as {:?} before {step} waited", view.status);
        }
        Ok((found.status == StepStatus::Waiting).then_some(()))
    })
    .await
}

fn door<'s>(scene: &'s Scene, fault: &Fault) -> &'s Proxy {
    &scene.service(&scene.service_of(fault.step.as_str())).proxy
}

fn inject(scene: &Scene, fault: &Fault) -> Injected {
    let action = match fault.what {
        Wrong::Reject(status) => Action::Acked(status),
        Wrong::Fail(status) => Action::Status(status, String::new()),
        Wrong::LoseRequest => Action::CutBeforeRequest,
        Wrong::LoseReply => Action::CutAfterRequest,
        Wrong::LoseConnection => unreachable!("its door is shut"),
        Wrong::Delay(by) => Action::Delay(by),
        Wrong::Duplicate(copies) => Action::Duplicate { copies, at_once: true },
    };
    let step = fault.step.as_str();
    let most = fault.attempts.unwrap_or(u32::MAX);
    let rule = match fault.of {
        Asked::Action => Rule::action_of(step, action).attempts(1..=most),
        Asked::Compensate => Rule::compensation_of(step, action).attempts(1..=most),
        Asked::Probe => Rule::probe_of(step, action).nth(1..=most.into()),
    };
    scene.inject_rule(step, rule)
}

/// Tells every service what becomes of the calls that it may accept: those of this scenario, and no others.
async fn call_back(scene: &Scene, file: &File, callbacks: &[CalledBack]) -> Result<()> {
    for service in &file.saga.services {
        let mine = callbacks.iter().filter(|callback| scene.service_of(callback.step.as_str()) == *service);
        let later = mine.map(|callback| {
            let when = match callback.after {
                After::Early => json!("early"),
                After::Later(after) => json!({ "after_ms": u64::try_from(after.as_millis()).unwrap_or(u64::MAX) }),
                After::Never => json!("never"),
            };
            let verdict = match &callback.verdict {
                Verdict::Done(body) => json!({ "done": body }),
                Verdict::Rejected(why) => json!({ "refused": why }),
            };
            (callback.step.as_str().to_owned(), json!({ "when": when, "verdict": verdict }))
        });
        let later: Value = Value::Object(later.collect());
        let address = scene.service(service).process.address();
        let http = reqwest::Client::builder().no_proxy().timeout(SOON).build()?;
        http.put(format!("http://{address}/later")).json(&later).send().await?.error_for_status()?;
    }
    Ok(())
}

/// What came of it, but for faults and callbacks.
async fn ran(scene: &Scene, scenario: &Scenario, view: &SagaView) -> Result<Ran> {
    let of = |status| view.steps.iter().filter(move |step| step.status == status).map(|step| step.name.clone());
    let family = scene.family(view.id).await?;
    let ledger = scene.ledger_of(&family).await?;
    let by = |effect: Effect| -> Vec<String> {
        ledger.iter().filter(|entry| entry.effect == effect).map(|entry| entry.call.step.clone()).collect()
    };
    let expect = &scenario.expect;
    let counted = expect.attempts.iter().map(|(step, of, _)| (step.to_string(), *of));
    let named = expect.never.iter().map(ToString::to_string).chain(expect.bodies.keys().cloned());
    let mut requests = Vec::new();
    for (step, of) in counted.chain(named.map(|step| (step, Asked::Action))).collect::<BTreeSet<_>>() {
        let body = if of == Asked::Action { body(scene, &family, &step).await? } else { None };
        let sent = Sent { step: step.clone(), of, body: body.unwrap_or_default() };
        requests.extend(std::iter::repeat_n(sent, self::requests(scene, &family, &step, of)));
    }
    Ok(Ran {
        status: serde_json::to_value(view.status)?.as_str().unwrap_or_default().to_owned(),
        output: view.output.clone().unwrap_or_default(),
        done: of(StepStatus::Succeeded).collect(),
        skipped: of(StepStatus::Skipped).collect(),
        undone: by(Effect::Undone),
        nothing: by(Effect::Null),
        requests,
        ..Ran::default()
    })
}

fn requests(scene: &Scene, family: &[Uuid], step: &str, of: Asked) -> usize {
    let proxy = &scene.service(&scene.service_of(step)).proxy;
    let op = match of {
        Asked::Action => words::Op::Action,
        Asked::Compensate => words::Op::Compensate,
        Asked::Probe => return family.iter().map(|saga| proxy.probes(*saga, step)).sum(),
    };
    let log = proxy.log();
    let mine = log.iter().filter(|request| family.contains(&request.call.saga));
    mine.filter(|request| request.call.call.step == step && request.call.call.op == op).count()
}

/// The body of the first action of a step that its service judged.
async fn body(scene: &Scene, family: &[Uuid], step: &str) -> Result<Option<Value>> {
    let address = scene.service(&scene.service_of(step)).process.address();
    let http = reqwest::Client::builder().no_proxy().timeout(SOON).build()?;
    let calls = http.get(format!("http://{address}/calls")).send().await?.error_for_status()?;
    let calls: Vec<Value> = calls.json().await?;
    let family: Vec<String> = family.iter().map(Uuid::to_string).collect();
    let of_family = |saga: &Value| saga.as_str().is_some_and(|saga| family.iter().any(|one| one == saga));
    let mine = |call: &&Value| of_family(&call["saga"]) && call["step"] == step && call["op"] == "action";
    Ok(calls.iter().find(mine).map(|call| call["body"].clone()))
}
