//! What a saga can cost, in a sentence: how long the forward path may take, and how many calls it may make.

use std::time::Duration;

use amends_core::definition::{Definition, Known, ServiceTimeout, WorstCase, write_duration};

/// Beyond this milliseconds are noise.
const PRECISE_UNTIL: Duration = Duration::from_secs(10);

/// The most that a saga of this definition can cost.
pub(crate) fn sentence(definition: &Definition, timeout: &ServiceTimeout<'_>, known: &Known) -> String {
    let worst = definition.worst_case(timeout, known);
    let calls = if worst.calls == 1 { "1 call".to_owned() } else { format!("{} calls", worst.calls) };
    let locks = if worst.locks { "waiting for its locks takes unlimited time; then " } else { "" };
    if worst.way.is_empty() {
        return format!(
            "{locks}unlimited from its pivot on, which is its first step; at most {calls}{}",
            children(&worst)
        );
    }
    let until = if worst.has_pivot { " to the pivot" } else { "" };
    let then = if worst.has_pivot { ", unlimited from there on" } else { "" };
    let requests = worst.requests.map_or("unlimited requests".to_owned(), |count| match count {
        1 => "1 request".to_owned(),
        count => format!("{count} requests"),
    });
    format!(
        "{locks}the way{until} takes {}{}{then}; at most {calls}, {requests}{until}{}",
        time(&worst),
        deadline(definition, &worst),
        children(&worst)
    )
}

/// Those whose definitions are not among the files.
fn children(worst: &WorstCase) -> String {
    if worst.children.is_empty() {
        return String::new();
    }
    format!("; not counted: what its children cost ({})", worst.children.join(", "))
}

fn time(worst: &WorstCase) -> String {
    let way = worst.way.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(" → ");
    let Some(forward) = worst.forward else { return format!("unlimited time ({way})") };
    let services = worst.not_counted.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", ");
    let more = if services.is_empty() { String::new() } else { format!(" and the timeouts of {services}") };
    match worst.stretched.filter(|stretched| round(*stretched) > round(forward)) {
        Some(stretched) => format!(
            "at most {}{more} ({way}), or {} if services ask for longer waits",
            write_duration(round(forward)),
            write_duration(round(stretched))
        ),
        None => format!("at most {}{more} ({way})", write_duration(round(forward))),
    }
}

/// It ends the way only if the way can be longer.
fn deadline(definition: &Definition, worst: &WorstCase) -> String {
    match (definition.deadline, worst.stretched) {
        (Some(deadline), None) => format!(", ended by the deadline after {}", write_duration(deadline)),
        (Some(deadline), Some(stretched)) if stretched > deadline => {
            format!(", ended by the deadline after {}", write_duration(deadline))
        }
        _ => String::new(),
    }
}

/// Up: it is a bound.
fn round(duration: Duration) -> Duration {
    if duration < PRECISE_UNTIL {
        Duration::from_millis(u64::try_from(duration.as_micros().div_ceil(1000)).unwrap_or(u64::MAX))
    } else {
        Duration::from_secs(u64::try_from(duration.as_millis().div_ceil(1000)).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(steps: &str) -> String {
        let yaml = format!("saga: s\ndeadline: 1m\nsteps:\n{steps}");
        sentence(&Definition::parse(&yaml, None).expect("a definition"), &|_| None, &Known::new())
    }

    const UNDO: &str = "compensate: { call: x POST /u }";

    #[test]
    fn what_it_costs_is_one_sentence() {
        let a = format!("  a: {{ call: x POST /a, timeout: 2s, retry: {{ max_backoff: 1s }}, {UNDO} }}\n");
        let b = "  b: { call: x POST /b, timeout: 2s, pivot: true }\n";
        assert_eq!(
            said(&a),
            "the way takes at most 12s (a), or 14s if services ask for longer waits; at most 2 calls, 5 requests"
        );
        assert_eq!(
            said(&format!("{a}{b}")),
            "the way to the pivot takes at most 12s (a), or 14s if services ask for longer waits, unlimited from there on; \
             at most 3 calls, 5 requests to the pivot"
        );
        assert_eq!(said(b), "unlimited from its pivot on, which is its first step; at most 1 call");
    }

    #[test]
    fn what_children_cost_is_said_to_be_unknown() {
        let a = format!("  a: {{ call: x POST /a, timeout: 2s, retry: {{ attempts: 1 }}, {UNDO} }}\n");
        assert_eq!(
            said(&format!("{a}  k: {{ saga: pay }}\n  l: {{ saga: pay }}\n  m: {{ saga: move }}\n")),
            "the way takes at most 2s (a → k → l → m); at most 2 calls, 1 request; \
             not counted: what its children cost (move, pay)"
        );
    }

    #[test]
    fn what_is_not_known_or_unlimited_is_said() {
        assert_eq!(
            said(&format!("  a: {{ call: x POST /a, retry: {{ attempts: unlimited }}, {UNDO} }}\n")),
            "the way takes unlimited time (a), ended by the deadline after 1m; at most 2 calls, unlimited requests"
        );
        assert_eq!(
            said(&format!("  a: {{ call: x POST /a, retry: {{ attempts: 1 }}, {UNDO} }}\n")),
            "the way takes at most 0ms and the timeouts of x (a); at most 2 calls, 1 request"
        );
    }
}
