//! The plan for people: steps in order, each request as it would be on the wire, and what undoes it.

use std::fmt::Write as _;

use super::{CallView, ConditionView, RequestView, StepView, UndoView, View, WhatView};
use crate::style::{Style, Tone};

/// Lines of text.
pub(crate) fn text(view: &View, style: Style) -> String {
    let mut out = String::new();
    let deadline = view.deadline_at.as_ref().map(|at| format!(", deadline {at}")).unwrap_or_default();
    let head = format!("{} version {}, saga {}", view.definition, view.version, view.saga);
    line(&mut out, 0, &format!("{}, started {}{deadline}", style.paint(Tone::Strong, &head), view.started_at));
    if !view.locks.is_empty() {
        line(&mut out, 0, &format!("takes the locks {}, and holds them to its end", view.locks.join(", ")));
    }
    for step in &view.steps {
        let beside: Vec<&str> = view
            .steps
            .iter()
            .filter(|other| other.group == step.group && other.step != step.step)
            .map(|other| other.step.as_str())
            .collect();
        out.push('\n');
        line(&mut out, 0, &heading(step, &beside, style));
        what(&mut out, &step.what, style);
    }
    if let Some(output) = &view.output {
        line(&mut out, 0, &format!("\n{} {output}", style.paint(Tone::Strong, "output")));
    }
    if let Some(why) = &view.output_error {
        line(&mut out, 0, &format!("\n{} {why}", style.paint(Tone::Bad, "no output:")));
    }
    out
}

fn heading(step: &StepView, beside: &[&str], style: Style) -> String {
    let mut text = format!("{}. {}", step.group, style.paint(Tone::Strong, &step.step));
    if step.pivot {
        text.push_str(" (pivot: from here on nothing is undone)");
    }
    if !beside.is_empty() {
        text.push_str(&format!(" beside {}", beside.join(", ")));
    }
    match &step.condition {
        Some(ConditionView { text: condition, holds: None }) => {
            text.push_str(&format!(" if ‹{condition}›: not known yet, planned as if it were true"));
        }
        Some(ConditionView { text: condition, holds: Some(holds) }) => {
            text.push_str(&format!(" if {condition}: {holds}"));
        }
        None => {}
    }
    text
}

fn what(out: &mut String, what: &WhatView, style: Style) {
    match what {
        WhatView::NotReached => line(out, 1, "not reached"),
        WhatView::Skipped => line(out, 1, "skipped"),
        WhatView::Refused { why } => {
            line(out, 1, &format!("{} {why}", style.paint(Tone::Bad, "would not be sent:")));
        }
        WhatView::Call { call } => self::call(out, call, style),
        WhatView::ForEach { list, concurrency, calls } => {
            match list {
                Some(list) => line(out, 1, &format!("for each of {list}, {concurrency} at once; one stands for all:")),
                None => line(out, 1, &format!("{} items, {concurrency} at once", calls.len())),
            }
            for call in calls {
                self::call(out, call, style);
            }
        }
        WhatView::Saga { definition, list, concurrency, children } => {
            let name = style.paint(Tone::Busy, &format!("saga {definition}"));
            match (list, concurrency) {
                (Some(list), Some(concurrency)) => {
                    line(out, 1, &format!("for each of {list}, {concurrency} at once; one stands for all:"));
                }
                (None, Some(concurrency)) => {
                    line(out, 1, &format!("{} items, {concurrency} at once", children.len()));
                }
                (_, None) => {}
            }
            for child in children {
                line(out, 1, &format!("runs {name} as {}, with the input", child.saga));
                line(out, 2, &child.input);
                if let Some(plan) = &child.plan {
                    for text in text(plan, style).lines() {
                        line(out, if text.is_empty() { 0 } else { 2 }, text);
                    }
                }
                if let Some(why) = child.no_plan {
                    let hint = match child.input.contains('‹') {
                        true => "give the reply with --reply".to_owned(),
                        false => format!("amends plan {definition}.yaml --input '…'"),
                    };
                    line(out, 2, &style.paint(Tone::Dim, &format!("what it would send is not known: {why} ({hint})")));
                }
            }
        }
        WhatView::Sleep { time } => line(out, 1, &format!("sleeps {time}")),
        WhatView::Until { until } => line(out, 1, &format!("waits until {until}")),
        WhatView::Await { signal, timeout } => line(out, 1, &format!("awaits the signal {signal}, at most {timeout}")),
    }
}

fn call(out: &mut String, call: &CallView, style: Style) {
    request(out, &format!("{}:", super::op_word(amends_core::ids::Op::Action)), &call.request, style);
    match &call.undo {
        UndoView::Never => line(out, 1, "never undone"),
        UndoView::Nothing { reason } => line(out, 1, &format!("nothing to undo: {reason}")),
        UndoView::Call { after_lost_reply, after_success, refused } => {
            let undone = super::op_word(amends_core::ids::Op::Compensate);
            match after_success {
                Some(after) if after == after_lost_reply => {
                    request(out, &format!("{undone}, whether its reply came or not:"), after, style);
                }
                Some(after) => {
                    request(out, &format!("{undone}, after a lost reply:"), after_lost_reply, style);
                    request(out, &format!("{undone}, after a success:"), after, style);
                }
                None => request(out, &format!("{undone}, after a lost reply:"), after_lost_reply, style),
            }
            if let Some(why) = refused {
                let bad = style.paint(Tone::Bad, "after a success it cannot be undone:");
                line(out, 1, &format!("{bad} {why}"));
            }
        }
    }
}

fn request(out: &mut String, head: &str, request: &RequestView, style: Style) {
    line(out, 1, head);
    let to = request.url.as_ref().unwrap_or(&request.path);
    let first = style.paint(Tone::Busy, &format!("{} {to}", request.method));
    line(out, 2, &format!("{first}  ({})", request.service));
    for (name, value) in &request.headers {
        line(out, 2, &style.paint(Tone::Dim, &format!("{name}: {value}")));
    }
    if let Some(body) = &request.body {
        line(out, 2, body);
    }
    let digest = request.digest.as_deref().unwrap_or("known once the replies are");
    line(out, 2, &style.paint(Tone::Dim, &format!("digest {digest}")));
}

fn line(out: &mut String, depth: usize, text: &str) {
    // Writing to a text cannot fail.
    let _ = writeln!(out, "{:width$}{text}", "", width = depth * 2);
}
