//! Each limit of `definition::limits` that a definition itself can meet: what is at it is taken, what is one beyond it refused.

use std::time::Duration;

use amends_core::definition::{Definition, limits, parse, write_duration};

/// A definition whose one step has `what` in it, in front of its compensation.
fn step(what: &str) -> String {
    format!("saga: s\ndeadline: 1h\nsteps:\n  a: {{ {what}, compensate: {{ call: x POST /u }} }}\n")
}

fn with(head: &str) -> String {
    format!("saga: s\n{head}\nsteps:\n  a: {{ call: x GET /a, compensate: none, reason: reads only }}\n")
}

fn many(n: usize, one: impl Fn(usize) -> String) -> String {
    (0..n).map(one).collect()
}

type Limit = (&'static str, &'static str, Box<dyn Fn(usize) -> String>, usize);

fn durations(name: &'static str, most: Duration, of: impl Fn(String) -> String + 'static) -> Limit {
    let millis = usize::try_from(most.as_millis()).expect("it fits");
    (name, "E0206", Box::new(move |n| of(write_duration(Duration::from_millis(n as u64)))), millis)
}

fn table() -> Vec<Limit> {
    vec![
        (
            "SOURCE_BYTES",
            "E0102",
            Box::new(|n| {
                let head = with("description: d") + "# ";
                format!("{head}{}", "x".repeat(n - head.len()))
            }),
            limits::SOURCE_BYTES,
        ),
        // The document's own map and the step's are two of them.
        (
            "DEPTH",
            "E0101",
            Box::new(|n| with(&format!("output: {}{}", "[".repeat(n - 1), "]".repeat(n - 1)))),
            limits::DEPTH,
        ),
        (
            "STEPS",
            "E0102",
            Box::new(|n| "saga: s\nsteps:\n".to_owned() + &many(n, |n| format!("  a{n}: {{ sleep: 1s }}\n"))),
            limits::STEPS,
        ),
        (
            "NAME_BYTES",
            "E0204",
            Box::new(|n| format!("saga: {}\nsteps: {{ a: {{ sleep: 1s }} }}\n", "s".repeat(n))),
            limits::NAME_BYTES,
        ),
        (
            "EXPRESSION_BYTES",
            "E0401",
            Box::new(|n| step(&format!("call: x POST /a, body: '${{{{{:<n$}}}}}'", "1"))),
            limits::EXPRESSION_BYTES,
        ),
        (
            "EXPRESSION_DEPTH",
            "E0401",
            Box::new(|n| step(&format!("call: x POST /a, body: '${{{{ {}1{} }}}}'", "(".repeat(n), ")".repeat(n)))),
            limits::EXPRESSION_DEPTH,
        ),
        (
            "LABELS",
            "E0102",
            Box::new(|n| with(&format!("labels: {{ {} }}", many(n, |n| format!("l{n}: 1, "))))),
            limits::LABELS,
        ),
        (
            "LOCKS",
            "E0102",
            Box::new(|n| with(&format!("locks: [ {} ]", many(n, |n| format!("l{n}, "))))),
            limits::LOCKS,
        ),
        ("LOCK_BYTES", "E0102", Box::new(|n| with(&format!("locks: [{}]", "l".repeat(n)))), limits::LOCK_BYTES),
        (
            "ATTEMPTS",
            "E0206",
            Box::new(|n| step(&format!("call: x POST /a, retry: {{ attempts: {n} }}"))),
            limits::ATTEMPTS as usize,
        ),
        (
            "CONCURRENCY",
            "E0206",
            Box::new(|n| step(&format!("call: x POST /a, for_each: [1], concurrency: {n}"))),
            limits::CONCURRENCY as usize,
        ),
        (
            "FACTOR",
            "E0206",
            Box::new(|n| step(&format!("call: x POST /a, retry: {{ factor: {n} }}"))),
            limits::FACTOR as usize,
        ),
        (
            "PATTERNS",
            "E0207",
            Box::new(|n| with(&format!("input: {{ allOf: [{}] }}", many(n, |_| "{ pattern: a }, ".to_owned())))),
            limits::PATTERNS,
        ),
        (
            "PATH_BYTES",
            "E0301",
            Box::new(|n| step(&format!("call: x POST /{}", "p".repeat(n - 1)))),
            limits::PATH_BYTES,
        ),
        (
            "HEADERS",
            "E0102",
            Box::new(|n| step(&format!("call: x POST /a, headers: {{ {} }}", many(n, |n| format!("X-{n}: v, "))))),
            limits::HEADERS,
        ),
        durations("TIMEOUT", limits::TIMEOUT, |time| step(&format!("call: x POST /a, timeout: {time}"))),
        durations("BACKOFF", limits::BACKOFF, |time| {
            step(&format!("call: x POST /a, retry: {{ max_backoff: {time} }}"))
        }),
        durations("DEADLINE", limits::DEADLINE, |time| with(&format!("deadline: {time}"))),
        durations("WAIT", limits::WAIT, |time| format!("saga: s\nsteps: {{ a: {{ sleep: {time} }} }}\n")),
    ]
}

#[test]
fn what_is_at_a_limit_is_taken_and_what_is_one_beyond_is_refused() {
    let mut wrong = Vec::new();
    for (name, code, source, limit) in table() {
        let at = parse(&source(limit), None);
        if at.definition.is_none() {
            wrong.push(format!("{name}: {limit} is refused: {:?}", at.diagnostics.first()));
        }
        let beyond = parse(&source(limit + 1), None);
        if beyond.definition.is_some() || !beyond.diagnostics.iter().any(|found| found.code == code) {
            wrong.push(format!("{name}: {} is not refused with {code}: {:?}", limit + 1, beyond.diagnostics.first()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Two thousand alternatives for each of a quarter of a million items took minutes.
#[test]
fn an_input_that_multiplies_with_its_schema_is_refused_before_it_is_looked_at() {
    let alternatives = vec![r#"{"minLength":3}"#; 2000].join(",");
    let source = format!(
        "saga: s\ninput: {{ \"properties\": {{ \"l\": {{ \"items\": {{ \"anyOf\": [{alternatives}] }} }} }} }}\nsteps: {{ a: {{ pivot: true, call: x POST /a }} }}\n"
    );
    let definition = Definition::parse(&source, None).expect("a definition");
    let start = std::time::Instant::now();
    let errors = definition.check_input(&serde_json::json!({ "l": vec!["ab"; 250_000] })).expect_err("too much");
    assert!(errors[0].message.contains("too large to be checked"), "{errors:?}");
    assert!(start.elapsed().as_secs() < 5, "{:?}", start.elapsed());
    // Between them only the first finding is told, and few ones all.
    let first = definition.check_input(&serde_json::json!({ "l": vec!["ab"; 200] })).expect_err("too short");
    assert_eq!((first.len(), first[0].pointer.as_str()), (1, "/l/0"));
    let all = definition.check_input(&serde_json::json!({ "l": vec!["ab"; 20] })).expect_err("too short");
    assert_eq!(all.len(), 20);
    assert!(definition.check_input(&serde_json::json!({ "l": vec!["abc"; 1_000] })).is_ok());
}

/// Its automaton would be huge, so that each byte costs all places of the pattern: a megabyte took 89 s.
#[test]
fn a_text_that_would_keep_a_complicated_pattern_busy_is_refused_before_it_is_searched() {
    let source =
        "saga: s\ninput: { properties: { s: { pattern: '(a|b)*a(a|b){3000}c' } } }\nsteps: { a: { sleep: 1s } }";
    let definition = Definition::parse(source, None).expect("a definition");
    let start = std::time::Instant::now();
    let said = |text: &str| {
        let errors = definition.check_input(&serde_json::json!({ "s": text })).expect_err("no match");
        (errors[0].pointer.clone(), errors[0].message.contains("too large to be checked"))
    };
    assert_eq!(said(&"ab".repeat(500_000)), (String::new(), true));
    assert_eq!(said(&"ab".repeat(300)), ("/s".to_owned(), false));
    assert!(start.elapsed().as_secs() < 5, "{:?}", start.elapsed());
}
