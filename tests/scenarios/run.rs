//! One scenario: the faults in, the saga started, signals and cancel when their steps wait, and then every expectation.

use std::{collections::BTreeSet, time::Duration};

use amends_client::{Client, Signal, Start};
use amends_core::{
    definition::{parse_duration, write_duration},
    scenario::{After, Asked, CalledBack, Fault, Scenario, Verdict, Wrong, fits},
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
    let registered = client.register(&shortened(&file.saga.source, scenario)?).await?;
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
        input: at_times(scenario.input.clone())?,
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
    let mut wrong: Vec<String> = injected
        .iter()
        .filter(|(_, injected)| injected.fired() == 0)
        .map(|(fault, _)| format!("a fault of {} never befell anybody: {:?}", fault.step, fault.what))
        .collect();
    let journal = scene.journal(saga).await?;
    for CalledBack { step, .. } in &scenario.callbacks {
        let accepted = |event: &Event| match event {
            Event::CallAccepted { call, .. } | Event::CallbackReceived { call, .. } => call.step == step.as_str(),
            _ => false,
        };
        if !journal.iter().any(|row| accepted(&row.event)) {
            wrong.push(format!("{step} was never accepted, so that nobody could call back"));
        }
    }
    wrong.extend(compare(scene, scenario, &view).await?);
    if !wrong.is_empty() {
        let cause = view.cause.as_ref().map_or("none", |cause| cause.summary.as_str());
        bail!("  - {}\n  the saga: {saga}, {:?}, cause: {cause}", wrong.join("\n  - "), view.status);
    }
    Ok(())
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

/// The definition with shorter waits, as another version of it.
fn shortened(source: &str, scenario: &Scenario) -> Result<String> {
    if scenario.shorten.is_empty() {
        return Ok(source.to_owned());
    }
    let mut root: serde_yaml_ng::Value = serde_yaml_ng::from_str(source)?;
    for (name, duration) in &scenario.shorten {
        let step = root["steps"][name.as_str()].as_mapping_mut().context("a step is a map")?;
        let duration: serde_yaml_ng::Value = write_duration(*duration).into();
        if step.contains_key("await") || step.contains_key("async") {
            step.insert("timeout".into(), duration);
        } else if let Some(probe) = step.get_mut("probe") {
            let call = if probe.is_string() { probe.clone() } else { probe["call"].clone() };
            *probe = serde_yaml_ng::to_value(json!({ "call": call, "settle": duration }))?;
        } else {
            step.remove("until");
            step.insert("sleep".into(), duration);
        }
    }
    Ok(serde_yaml_ng::to_string(&root)?)
}

/// `now + 2s` becomes that time.
fn at_times(input: Value) -> Result<Value> {
    Ok(match input {
        Value::String(text) => match text.strip_prefix("now + ") {
            Some(later) => {
                let later = parse_duration(later).map_err(anyhow::Error::msg)?;
                {
                    let at = words::now().saturating_add(i64::try_from(later.as_micros())?);
                    chrono::DateTime::from_timestamp_micros(at).context("a time")?.to_rfc3339().into()
                }
            }
            None => Value::String(text),
        },
        Value::Array(items) => items.into_iter().map(at_times).collect::<Result<_>>()?,
        Value::Object(map) => map.into_iter().map(|(key, value)| Ok((key, at_times(value)?))).collect::<Result<_>>()?,
        other => other,
    })
}

/// Everything that is not as expected.
async fn compare(scene: &Scene, scenario: &Scenario, view: &SagaView) -> Result<Vec<String>> {
    let expect = &scenario.expect;
    let mut wrong = Vec::new();
    let status = serde_json::to_value(view.status)?;
    if status != expect.status.as_str() {
        wrong.push(format!("status: expected {}, it is {status}", expect.status.as_str()));
    }
    if let Some(expected) = &expect.output
        && let Err(why) = fits(expected, view.output.as_ref().unwrap_or(&Value::Null))
    {
        wrong.push(format!("output: {why}"));
    }
    let of = |status| view.steps.iter().filter(move |step| step.status == status).map(|step| step.name.clone());
    let done: Vec<String> = of(StepStatus::Succeeded).collect();
    let skipped: Vec<String> = of(StepStatus::Skipped).collect();
    for (what, expected, found) in [("done", &expect.done, done), ("skipped", &expect.skipped, skipped)] {
        if let Some(expected) = expected
            && expected.iter().map(|step| step.as_str()).ne(found.iter().map(String::as_str))
        {
            wrong.push(format!("{what}: expected {}, found {}", listed(expected), found.join(", ")));
        }
    }
    let family = scene.family(view.id).await?;
    let ledger = scene.ledger_of(&family).await?;
    let by = |effect: Effect| -> Vec<String> {
        ledger.iter().filter(|entry| entry.effect == effect).map(|entry| entry.call.step.clone()).collect()
    };
    if let Some(groups) = &expect.undone {
        let found = by(Effect::Undone);
        if !in_groups(groups, &found) {
            let expected: Vec<String> = groups.iter().map(|group| listed(group)).collect();
            wrong.push(format!("undone: expected {}, found {}", expected.join(" then "), found.join(" then ")));
        }
    }
    if let Some(expected) = &expect.nothing {
        let (found, wanted) = (by(Effect::Null), expected.iter().map(|step| step.as_str().to_owned()));
        if found.iter().cloned().collect::<BTreeSet<_>>() != wanted.collect() {
            wrong.push(format!("nothing: expected {}, found {}", listed(expected), found.join(", ")));
        }
    }
    let never = expect.never.iter().map(|step| (step, Asked::Action, 0));
    for (step, of, expected) in expect.attempts.iter().map(|(step, of, count)| (step, *of, *count)).chain(never) {
        let found = requests(scene, &family, step.as_str(), of);
        if found != expected as usize {
            wrong.push(format!("requests of {step} {}: expected {expected}, found {found}", of.as_str()));
        }
    }
    for (step, expected) in &expect.bodies {
        let found = body(scene, &family, step).await?;
        if let Err(why) = found.as_ref().map_or(Err("it was never called".to_owned()), |found| fits(expected, found)) {
            wrong.push(format!("the body of {step}: {why}"));
        }
    }
    Ok(wrong)
}

fn listed(steps: &[amends_core::ids::StepName]) -> String {
    steps.iter().map(|step| step.as_str()).collect::<Vec<_>>().join(", ")
}

fn in_groups(groups: &[Vec<amends_core::ids::StepName>], found: &[String]) -> bool {
    let mut rest = found;
    for group in groups {
        let Some((these, after)) = rest.split_at_checked(group.len()) else { return false };
        let (mut expected, mut these): (Vec<&str>, Vec<&str>) =
            (group.iter().map(|step| step.as_str()).collect(), these.iter().map(String::as_str).collect());
        expected.sort_unstable();
        these.sort_unstable();
        if expected != these {
            return false;
        }
        rest = after;
    }
    rest.is_empty()
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
