//! What must hold of every case.

use std::time::Duration;

use amends_core::{
    Begin, Input, begin, decide,
    definition::{Known, Severity, limits, parse},
    expr::{Expression, walk},
    fold,
    graph::{Format, draw},
    ids::{CallId, Op, SagaId},
    labels, outstanding, render,
    time::Time,
};
use serde_json::{Map, Value, json};

use crate::{cases, dice::Dice};

/// One case, of this thread's time on a processor. Generous: a build without optimisation on a machine with other work.
const AT_MOST: Duration = Duration::from_secs(2);

fn thread_time() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    let (seconds, nanos) = (u64::try_from(now.tv_sec), u32::try_from(now.tv_nsec));
    Duration::new(seconds.expect("time goes on"), nanos.expect("a part of a second"))
}

fn in_time<T>(what: &str, source: &str, work: impl FnOnce() -> T) -> T {
    let before = thread_time();
    let made = work();
    let took = thread_time() - before;
    assert!(took < AT_MOST, "{what} took {took:?}:\n{source}");
    made
}

/// Whether it got beyond the loader.
pub(crate) fn source(source: &str) -> bool {
    let checked = in_time("parsing", source, || parse(source, None));
    let lines: Vec<usize> = source.split('\n').map(|line| line.chars().count()).collect();
    for found in &checked.diagnostics {
        let line = found.line as usize;
        assert!((1..=lines.len() + 1).contains(&line), "{found}: there are {} lines in\n{source}", lines.len());
        let columns = lines.get(line - 1).copied().unwrap_or(0) + 2;
        assert!(
            (1..=columns).contains(&(found.column as usize)),
            "{found}: the line has {columns} columns:\n{source}\n{source:?}"
        );
        assert!(!found.message.is_empty() && found.message.len() < 4_096, "{found}:\n{source}");
        if found.severity == Severity::Error {
            assert!(found.hint.as_ref().is_some_and(|hint| !hint.is_empty()), "{found} has no hint:\n{source}");
        }
    }
    assert!(checked.diagnostics.len() <= 201, "{} findings", checked.diagnostics.len());
    let again = parse(source, None);
    assert_eq!(again.diagnostics, checked.diagnostics, "it is told something else the second time:\n{source}");
    match (&checked.definition, &again.definition) {
        (Some(definition), Some(again)) => {
            assert_eq!(definition.digest, again.digest);
            in_time("drawing", source, || {
                for format in Format::ALL {
                    assert!(!draw(definition, format).is_empty());
                }
                definition.worst_case(&|_| Some(Duration::from_secs(1)), &Known::new());
            });
        }
        (None, None) => assert!(
            checked.diagnostics.iter().any(|found| found.severity == Severity::Error),
            "it is refused without a word:\n{source}"
        ),
        _ => panic!("accepted once and refused once:\n{source}"),
    }
    checked.diagnostics.iter().all(|found| found.code != "E0101")
}

/// Whether it is a definition that made a request.
pub(crate) fn rendering(dice: &mut Dice, source: &str) -> bool {
    let Some(definition) = parse(source, None).definition else { return false };
    let mut input: Map<String, Value> =
        ["a", "b", "n", "text", "x-y"].into_iter().map(|key| (key.to_owned(), cases::value(dice, 2))).collect();
    input.insert("list".into(), (0..dice.below(4)).map(|_| cases::value(dice, 1)).collect());
    let (saga, now) =
        (SagaId(uuid::Uuid::from_u128(u128::from(dice.next()))), Time(dice.next() as i64 >> dice.below(64)));
    let mut with = Begin::root(1, Value::Object(input));
    with.labels = in_time("labels", source, || labels(&definition, saga, &with, now)).unwrap_or_default();
    with.locks = in_time("locks", source, || amends_core::locks(&definition, saga, &with, now)).unwrap_or_default();
    assert!(with.locks.is_sorted_by(|a, b| a < b), "in order, each once:\n{source}");
    let mut journal = in_time("the start", source, || begin(&definition, saga, with, now));
    let mut state = fold(saga, &journal).expect("a start folds");
    let more = in_time("an adoption", source, || decide(&definition, &state, Input::Adopted { epoch: 2 }, now));
    journal.extend(more);
    state = fold(saga, &journal).expect("what is decided folds");
    let _owed = outstanding(&definition, &state);
    let mut made = false;
    for step in &definition.steps {
        let name = &step.name;
        for call in [CallId::action(name), CallId::compensate(name)] {
            let Some(what) = step.call_of(call.op) else { continue };
            let Ok(rendered) = in_time("a request", source, || render(&definition, &state, &call)) else { continue };
            assert_eq!(render(&definition, &state, &call).as_ref(), Ok(&rendered), "it is not canonical:\n{source}");
            made |= call.op == Op::Action;
            let slashes = |text: &str| text.matches('/').count();
            let literal: String =
                what.path_text.split("${{").map(|part| part.rsplit("}}").next().unwrap_or(part)).collect();
            assert_eq!(
                slashes(&rendered.path),
                slashes(&literal),
                "{}: not one segment a value:\n{source}",
                rendered.path
            );
            assert_eq!(rendered.path.matches('?').count(), literal.matches('?').count(), "{}", rendered.path);
            assert!(rendered.path.is_ascii() && rendered.path.len() <= limits::PATH_BYTES, "{}", rendered.path);
            assert!(!rendered.path.contains(['#', '\\', ' ', '\r', '\n']), "{}", rendered.path);
            let way = rendered.path.split('?').next().unwrap_or_default().to_lowercase().replace("%2e", ".");
            assert!(way.split('/').all(|segment| segment != "." && segment != ".."), "{}", rendered.path);
            for (header, value) in &rendered.headers {
                let legal = value.bytes().all(|byte| (b' '..=b'~').contains(&byte));
                assert!(legal && value.len() <= limits::HEADER_BYTES, "{header}: {value:?}");
            }
            assert!(rendered.body.is_none_or(|body| body.len() <= limits::BODY_BYTES));
        }
    }
    made
}

/// Whether it has a value.
pub(crate) fn expression(dice: &mut Dice) -> bool {
    let depth = 1 + dice.below(5);
    let mut text = cases::expression(dice, depth);
    if dice.one_in(8) {
        let cut = text.char_indices().map(|(at, _)| at).nth(dice.below(text.chars().count())).unwrap_or(0);
        text.truncate(cut);
    }
    let world = json!({
        "input": {
            "a": cases::value(dice, 2), "b": { "c": cases::value(dice, 1) }, "n": i64::MIN, "none": null,
            "text": if dice.one_in(20) { "x".repeat(500_000) } else { "Ada".to_owned() },
            "list": if dice.one_in(20) { json!(vec![7; 50_000]) } else { json!([3, 1, 2]) },
            "x-y": u64::MAX,
        },
        "saga": { "id": "7", "labels": { "l": "v" } },
    });
    let Ok(expression) = in_time("compiling", &text, || Expression::parse(&text)) else { return false };
    let lookup = |path: &[amends_core::expr::Segment]| walk(&world, path).cloned();
    let value = in_time("evaluating", &text, || expression.evaluate(&lookup));
    assert_eq!(value, expression.evaluate(&lookup), "{text} has two values");
    if let Ok(value) = &value {
        let bytes = value.to_string().len();
        assert!(bytes <= 8 * limits::RENDERED_BYTES, "{text} makes {bytes} bytes");
    }
    value.is_ok()
}
