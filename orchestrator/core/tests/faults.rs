//! Plans of faults: read strictly, and which attempts they pick.

use std::{path::Path, sync::LazyLock, time::Duration};

use amends_core::{
    definition::{Definition, Diagnostic},
    event::{Cause, Event, Probed, Recorded, Started},
    faults::{
        Again, Asked, Attempted, Fault, FaultPlan, Moment, Point, Saga, at_commit, chosen, documented, json_schema,
        parse, write,
    },
    ids::{CallId, Digest, Op, SagaId},
    time::Time,
};
use serde_json::{Map, Value, json};
use uuid::Uuid;

fn errors(source: &str) -> Vec<Diagnostic> {
    parse(source).map_or_else(|found| found, |_| vec![])
}

fn plan(rules: &str) -> FaultPlan {
    parse(&format!("seed: 7\nrules: {rules}\n")).unwrap_or_else(|found| panic!("{rules}: {found:#?}"))
}

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sagas")
}

static NO_LABELS: LazyLock<Map<String, Value>> = LazyLock::new(Map::new);
static ATTEMPTED: LazyLock<Attempted<'static>> = LazyLock::new(|| Attempted {
    service: "payments",
    saga: Uuid::from_u128(5),
    name: "place-order",
    step: "charge",
    index: None,
    op: Asked::Action,
    attempt: 1,
    labels: &NO_LABELS,
});

#[test]
fn every_mistake_is_said_with_its_place_and_a_hint() {
    let with = |entries: &str| format!("rules:\n  - {{ {entries} }}\n");
    for (source, said) in [
        (String::new(), ("E0203", 1, 1)),
        ("seed: 7\n".to_owned(), ("E0202", 1, 1)),
        ("rules: []\n".to_owned(), ("E0206", 1, 8)),
        ("rules: 3\n".to_owned(), ("E0203", 1, 8)),
        ("seed: -1\nrules: [{ cut: true }]\n".to_owned(), ("E0203", 1, 7)),
        ("sead: 1\nrules: [{ cut: true }]\n".to_owned(), ("E0201", 1, 1)),
        ("rules: [&a { cut: true }]\n".to_owned(), ("E0101", 1, 9)),
        ("rules: [{ cut: true }]\n---\n".to_owned(), ("E0101", 2, 1)),
        (with("step: charge"), ("E0305", 2, 5)),
        (with("cut: true, refuse: true"), ("E0305", 2, 5)),
        (with("cut: true, sevice: a"), ("E0201", 2, 18)),
        (with("cut: false"), ("E0203", 2, 12)),
        (with("refuse: yes please"), ("E0203", 2, 15)),
        (with("cut: true, name: ''"), ("E0204", 2, 24)),
        (with("cut: true, service: 'http://x'"), ("E0204", 2, 27)),
        (with("cut: true, step: 7"), ("E0203", 2, 24)),
        (with("cut: true, op: undo"), ("E0203", 2, 22)),
        (with("cut: true, label: gold"), ("E0203", 2, 25)),
        (with("cut: true, label: {}"), ("E0203", 2, 25)),
        (with("cut: true, label: { tier: [gold] }"), ("E0203", 2, 33)),
        (with("cut: true, attempt: 0"), ("E0206", 2, 27)),
        (with("cut: true, attempt: 1, attempts: 2"), ("E0305", 2, 40)),
        (with("cut: true, attempts: 0"), ("E0206", 2, 28)),
        (with("cut: true, probability: 1.5"), ("E0206", 2, 31)),
        (with("cut: true, probability: often"), ("E0206", 2, 31)),
        (with("cut: true, count: 0"), ("E0203", 2, 25)),
        (with("delay: 2"), ("E0205", 2, 14)),
        (with("delay: 2h"), ("E0206", 2, 14)),
        (with("lose: both"), ("E0203", 2, 13)),
        (with("reject: 500"), ("E0206", 2, 15)),
        (with("fail: 200"), ("E0206", 2, 13)),
        (with("status: 99"), ("E0206", 2, 15)),
        (with("duplicate: 11"), ("E0206", 2, 18)),
        (with("replay: never"), ("E0205", 2, 15)),
        (with("abort: at-random"), ("E0203", 2, 14)),
    ] {
        let found = errors(&source);
        let places: Vec<_> = found.iter().map(|found| (found.code, found.line, found.column)).collect();
        assert_eq!(places, [said], "{source}\n{found:#?}");
        assert!(found.iter().all(|found| found.hint.is_some()), "{found:#?}");
    }
    let twice = errors("rules:\n  - { name: a, cut: true }\n  - { name: a, refuse: true }\n");
    assert!(twice.len() == 1 && twice[0].line == 3 && twice[0].message.contains("line 2"), "{twice:#?}");
    let many = format!("rules: [{}]\n", "{ cut: true },".repeat(101));
    assert_eq!(errors(&many).len(), 1);
}

#[test]
fn every_fault_is_read() {
    let read: Vec<Fault> = plan(
        "[{ delay: 2s }, { refuse: true }, { lose: request }, { lose: reply }, { reject: 409 }, { fail: 503 },
          { status: 502 }, { body: { a: [1] } }, { body: '<html>' }, { cut: true }, { duplicate: 2 }, { replay: 5s },
          { replay: compensation }, { abort: before-intent }, { abort: before-send }, { abort: after-send },
          { abort: before-commit }, { abort: after-commit }]",
    )
    .rules
    .into_iter()
    .map(|rule| rule.fault)
    .collect();
    let expected = [
        Fault::Delay(Duration::from_secs(2)),
        Fault::Refuse,
        Fault::LoseRequest,
        Fault::LoseReply,
        Fault::Reject(409),
        Fault::Fail(503),
        Fault::Status(502),
        Fault::Body(json!({ "a": [1] })),
        Fault::Body(json!("<html>")),
        Fault::Cut,
        Fault::Duplicate(2),
        Fault::Replay(Again::After(Duration::from_secs(5))),
        Fault::Replay(Again::AfterCompensation),
        Fault::Abort(Point::BeforeIntent),
        Fault::Abort(Point::BeforeSend),
        Fault::Abort(Point::AfterSend),
        Fault::Abort(Point::BeforeCommit),
        Fault::Abort(Point::AfterCommit),
    ];
    assert_eq!(read, expected);
}

#[test]
fn a_rule_picks_what_it_says_and_nothing_else() {
    let picks = |rule: &str, attempted: &Attempted<'_>| {
        chosen(&plan(&format!("[{{ {rule}, cut: true }}]")), Moment::Call, attempted, |_| true).is_some()
    };
    for (rule, other) in [
        ("service: payments", Attempted { service: "orders", ..*ATTEMPTED }),
        ("saga: place-order", Attempted { name: "transfer-money", ..*ATTEMPTED }),
        ("step: charge", Attempted { step: "ship", ..*ATTEMPTED }),
        ("op: action", Attempted { op: Asked::Compensate, ..*ATTEMPTED }),
        ("op: action", Attempted { op: Asked::Probe, ..*ATTEMPTED }),
        ("attempts: 1", Attempted { attempt: 2, ..*ATTEMPTED }),
        ("attempt: 1", Attempted { attempt: 2, ..*ATTEMPTED }),
    ] {
        assert!(picks(rule, &ATTEMPTED), "{rule}");
        assert!(!picks(rule, &other), "{rule}: {other:?}");
    }
    let gold = json!({ "tier": "gold", "size": 3 }).as_object().cloned().expect("a map");
    let of_gold = Attempted { labels: &gold, ..*ATTEMPTED };
    for (rule, fits) in [
        ("label: { tier: gold }", true),
        ("label: { tier: gold, size: 3 }", true),
        ("label: { tier: silver }", false),
        ("label: { tier: gold, size: '3' }", false),
        ("label: { region: eu }", false),
    ] {
        assert_eq!(picks(rule, &of_gold), fits, "{rule}");
        assert!(!picks(rule, &ATTEMPTED), "{rule}: it has none");
    }
    assert!(picks("attempts: 3", &Attempted { attempt: 3, ..*ATTEMPTED }));
    assert!(!picks("attempt: 2", &ATTEMPTED) && picks("attempt: 2", &Attempted { attempt: 2, ..*ATTEMPTED }));
    assert!(!picks("probability: 0", &ATTEMPTED));
    assert!(picks("probability: 1", &ATTEMPTED));
}

#[test]
fn the_first_open_rule_wins() {
    let plan = plan("[{ step: ship, cut: true }, { name: a, cut: true }, { name: b, refuse: true }]");
    let name = |open: fn(usize) -> bool| {
        chosen(&plan, Moment::Call, &ATTEMPTED, open).map(|(number, rule)| (number, rule.name.clone()))
    };
    assert_eq!(name(|_| true), Some((1, "a".to_owned())));
    assert_eq!(name(|number| number != 1), Some((2, "b".to_owned())), "the first is used up");
    assert_eq!(name(|_| false), None);
    // What does not fit is not asked whether it is open: it would be counted.
    let mut asked = vec![];
    chosen(&plan, Moment::Call, &ATTEMPTED, |number| {
        asked.push(number);
        true
    });
    assert_eq!(asked, [1]);
}

#[test]
fn the_dice_are_the_same_each_time_fair_and_depend_on_all_of_an_attempt() {
    let of = |seed: u64| parse(&format!("seed: {seed}\nrules: [{{ probability: 0.3, cut: true }}]\n")).expect("a plan");
    let picked =
        |plan: &FaultPlan, attempted: &Attempted<'_>| chosen(plan, Moment::Call, attempted, |_| true).is_some();
    let sagas = || (0..2_000_u128).map(|saga| Attempted { saga: Uuid::from_u128(saga), ..*ATTEMPTED });
    let picks = |plan: &FaultPlan| sagas().map(|attempted| picked(plan, &attempted)).collect::<Vec<_>>();
    let (one, two) = (of(1), of(2));
    assert_eq!(picks(&one), picks(&one));
    assert_ne!(picks(&one), picks(&two), "another seed picks others");
    let share = picks(&one).iter().filter(|picked| **picked).count();
    assert!((520..=680).contains(&share), "{share} of 2000 at 0.3");
    let differs = |other: fn(Attempted<'_>) -> Attempted<'_>| {
        sagas().any(|attempted| picked(&one, &attempted) != picked(&one, &other(attempted)))
    };
    assert!(differs(|attempted| Attempted { step: "ship", ..attempted }));
    assert!(differs(|attempted| Attempted { index: Some(0), ..attempted }));
    assert!(differs(|attempted| Attempted { op: Asked::Compensate, ..attempted }));
    assert!(differs(|attempted| Attempted { attempt: 2, ..attempted }));
    // Two rules with the same probability do not pick the same attempts.
    let both = parse("rules: [{ probability: 0.5, cut: true }, { probability: 0.5, refuse: true }]\n").expect("a plan");
    let second = sagas()
        .filter(|attempted| chosen(&both, Moment::Call, attempted, |_| true).is_some_and(|(number, _)| number == 1));
    assert!(second.count() > 300);
}

#[test]
fn the_schema_beside_the_sagas_is_the_one_that_core_makes_and_takes_the_plans_there() {
    let path = folder().join("faults.schema.json");
    let made = format!("{}\n", serde_json::to_string_pretty(&json_schema()).expect("JSON"));
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        std::fs::write(&path, &made).expect("the schema is written");
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    let how = "UPDATE_SCHEMA=1 cargo test -p amends-core --test faults";
    assert!(kept == made, "sagas/faults.schema.json is stale; write it anew with\n  {how}");
    let validator = jsonschema::draft202012::new(&json_schema()).expect("a schema");
    let page = std::fs::read_to_string(folder().join("../docs/failure.md")).expect("the page");
    let mut seen = 0;
    for plan in page.split("```yaml\n").skip(1).filter_map(|rest| rest.split_once("```")).map(|(block, _)| block) {
        seen += 1;
        let value: Value = serde_saphyr::from_str(plan).expect("YAML");
        let errors: Vec<String> = validator.iter_errors(&value).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{plan}: {errors:?}");
        assert_eq!(self::errors(plan), [], "{plan}");
    }
    assert!(seen >= 2, "{seen} plans on docs/failure.md");
}

#[test]
fn the_page_on_failure_tells_of_every_key() {
    let page = std::fs::read_to_string(folder().join("../docs/failure.md")).expect("the page");
    for (name, doc) in documented() {
        assert!(page.contains(&format!("| `{name}` | {doc} |")), "docs/failure.md lacks\n| `{name}` | {doc} |");
    }
}

#[test]
fn a_plan_that_is_written_down_is_read_as_the_same() {
    let all = "[{ delay: 2s, label: { tier: gold, n: 3 } }, { name: 'of \"two\": #1', service: a, saga: b.c, step: d, op: probe, refuse: true }, \
               { lose: request, attempt: 2 }, { lose: reply, attempts: 3 }, { reject: 409, probability: 0.25 }, { fail: 503, count: 7 }, \
               { status: 404 }, { body: { a: [1, null, 'x: y'] } }, { body: '<html>' }, { cut: true }, { duplicate: 2 }, { replay: 1500ms }, \
               { replay: compensation }, { abort: before-intent }, { abort: before-send }, { abort: after-send }, \
               { abort: before-commit }, { abort: after-commit }]";
    let plan = plan(all);
    let written = write(&plan);
    assert_eq!(parse(&written).unwrap_or_else(|found| panic!("{found:#?}\n{written}")), plan);
}

const PAY: &str = "
saga: pay
steps:
  charge:
    call: payments POST /charges
    probe: payments GET /charges
    compensate: { call: refunds POST /refunds }
  ship: { call: shipping POST /shipments, pivot: true }
";

#[test]
fn around_a_commit_a_rule_picks_what_it_intends_or_what_it_says_came_of_an_attempt() {
    let definition = Definition::parse(PAY, None).unwrap_or_else(|found| panic!("{found:#?}"));
    let started = Started { name: "pay".into(), ..started() };
    let call = |step: &str, op| CallId { step: step.into(), index: None, op };
    let intended = |step, op, attempt| Event::CallIntended {
        call: call(step, op),
        attempt,
        due_at: Time(0),
        request: Digest::of(&[]),
        pivot: false,
    };
    let unknown = |step, op, attempt| {
        let (call, reason) = (call(step, op), String::new());
        Event::CallUnknown { call, attempt, status: None, reason }
    };
    let probed = Event::CallProbed {
        call: call("charge", Op::Action),
        attempt: 2,
        verdict: Probed::Unknown,
        status: None,
        reason: String::new(),
        due_at: None,
    };
    let commits: Vec<(&str, Vec<Event>)> = vec![
        ("start", vec![Event::SagaStarted(Box::new(started.clone())), intended("charge", Op::Action, 1)]),
        ("retry", vec![unknown("charge", Op::Action, 1), intended("charge", Op::Action, 2)]),
        ("probe", vec![probed]),
        (
            "undo",
            vec![Event::CompensationStarted { cause: Cause::DeadlinePassed }, intended("charge", Op::Compensate, 1)],
        ),
        ("undone", vec![unknown("charge", Op::Compensate, 1), Event::Adopted]),
    ];
    let hits = |rule: &str, moment: Moment| -> Vec<&str> {
        let plan = plan(&format!("[{{ {rule} }}]"));
        let hit = |(name, events): &(&'static str, Vec<Event>)| {
            let rows: Vec<Recorded> =
                events.iter().map(|event| Recorded { seq: 1, epoch: 1, at: Time(0), event: event.clone() }).collect();
            let saga = Saga { id: SagaId(Uuid::from_u128(5)), definition: &definition, started: &started };
            at_commit(&plan, moment, saga, &rows, |_| true).map(|_| *name)
        };
        commits.iter().filter_map(hit).collect()
    };
    for (rule, moment, expected) in [
        ("abort: before-intent", Moment::Intent, vec!["start", "retry", "undo"]),
        ("abort: before-intent, attempt: 2", Moment::Intent, vec!["retry"]),
        ("abort: before-intent, service: refunds", Moment::Intent, vec!["undo"]),
        ("abort: before-intent, step: ship", Moment::Intent, vec![]),
        ("abort: before-intent, label: { tier: gold }", Moment::Intent, vec![]),
        ("abort: before-commit", Moment::Outcome, vec!["retry", "probe", "undone"]),
        ("abort: before-commit, op: probe", Moment::Outcome, vec!["probe"]),
        ("abort: before-commit, service: payments", Moment::Outcome, vec!["retry", "probe"]),
        ("abort: after-commit, op: action", Moment::Written, vec!["retry"]),
        // At another moment it is not asked.
        ("abort: after-commit", Moment::Outcome, vec![]),
        ("abort: before-commit", Moment::Written, vec![]),
        ("abort: before-send", Moment::Intent, vec![]),
        ("lose: reply", Moment::Outcome, vec![]),
    ] {
        assert_eq!(hits(rule, moment), expected, "{rule} {moment:?}");
    }
    let both = plan("[{ abort: before-commit }, { step: charge, cut: true }]");
    let call = chosen(&both, Moment::Call, &ATTEMPTED, |_| true).map(|(number, _)| number);
    assert_eq!(call, Some(1), "a rule about commits takes no call away from the others");
}

fn started() -> Started {
    Started {
        name: "".into(),
        version: 1,
        definition: Digest::of(&[]),
        input: Value::Null.into(),
        labels: Map::new(),
        deadline_at: None,
        locks: [].into(),
        traceparent: None,
        parent: None,
    }
}
