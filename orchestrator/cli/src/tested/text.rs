//! For people: a line for each scenario, and below one that failed what is different and what happened around it.

use std::fmt::Write as _;

use amends_core::scenario::Difference;
use amends_explore::scenarios::{Cell, Moment};

use super::{Case, Report, Shown, Verdict, around::around, covered, files::File};
use crate::{
    output,
    style::{Style, Tone, tame},
};

/// What others have written is cut there.
const LONGEST: usize = 300;

pub(super) fn of(report: &Report, shown: &Shown, style: Style) -> String {
    let mut text = String::new();
    for file in &report.files {
        let _ = writeln!(text, "{} ({})", style.paint(Tone::Strong, &tame(file.saga(), LONGEST)), file.path);
        if file.valid.is_none() {
            let _ = writeln!(text, "  {}  the file or its saga is not valid", style.paint(Tone::Bad, "FAIL"));
        }
        for case in &file.cases {
            text.push_str(&self::case(file, case, shown.trace, style));
        }
    }
    if shown.coverage {
        text.push_str(&coverage(report));
    }
    let failed = report.cases().filter(|case| !case.passed()).count();
    let invalid = report.files.iter().filter(|file| file.valid.is_none()).count();
    let all = report.cases().count();
    let mut parts = vec![format!("{} passed", all - failed)];
    parts.extend((failed > 0).then(|| format!("{failed} failed")));
    parts.extend((invalid > 0).then(|| format!("{} not valid", counted(invalid, "file"))));
    let tone = if failed + invalid == 0 { Tone::Good } else { Tone::Bad };
    let sum = style.paint(tone, &parts.join(", "));
    let _ = writeln!(text, "{}: {sum}, in {} ms", counted(all, "scenario"), report.took.as_millis());
    text
}

fn case(file: &File, case: &Case, trace: bool, style: Style) -> String {
    let mut text = String::new();
    let name = tame(&case.name, LONGEST);
    match &case.verdict {
        Verdict::Passed => {
            let _ = writeln!(text, "  {}    {name}", style.paint(Tone::Good, "ok"));
        }
        Verdict::Broken(why) => {
            let _ = writeln!(text, "  {}  {name}", style.paint(Tone::Bad, "FAIL"));
            let mut lines = why.lines().map(|line| tame(line, LONGEST));
            let first = lines.next().unwrap_or_default();
            let _ = writeln!(text, "        {}:{}:{}: {first}", file.path, case.at.line, case.at.column);
            lines.for_each(|line| text.push_str(&format!("        {line}\n")));
        }
        Verdict::Differs(wrong) => {
            let _ = writeln!(text, "  {}  {name}", style.paint(Tone::Bad, "FAIL"));
            for difference in wrong {
                text.push_str(&self::difference(&file.path, difference, "        ", style));
            }
            if let (Some(first), false) = (wrong.first(), trace) {
                let what = if first.about.is_empty() { "what happened" } else { "what happened around it" };
                let _ = writeln!(text, "        {what}:");
                text.push_str(&explained(case, first, "        ", style));
            }
        }
    }
    if trace {
        for moment in &case.moments {
            text.push_str(&line(moment, false, "        ", style));
        }
    }
    text
}

/// What was expected, what is there, and where that stands.
pub(super) fn difference(file: &str, difference: &Difference, indent: &str, style: Style) -> String {
    let Difference { what, expected, found, note, at, .. } = difference;
    let mut text = format!("{indent}{file}:{}:{}: {}\n", at.line, at.column, style.paint(Tone::Strong, what));
    let _ = writeln!(text, "{indent}  expected  {}", style.paint(Tone::Good, &tame(expected, LONGEST)));
    let _ = writeln!(text, "{indent}  found     {}", style.paint(Tone::Bad, &tame(found, LONGEST)));
    if let Some(note) = note {
        let _ = writeln!(text, "{indent}  {}", tame(note, LONGEST));
    }
    text
}

/// What happened around a difference.
pub(super) fn explained(case: &Case, difference: &Difference, indent: &str, style: Style) -> String {
    let part = around(&case.moments, difference);
    let mut text = String::new();
    if part.from > 0 {
        let _ = writeln!(text, "{indent}    … {} before", counted(part.from, "line"));
    }
    for (nth, moment) in case.moments.iter().enumerate().take(part.to).skip(part.from) {
        text.push_str(&line(moment, part.marked.contains(&nth), indent, style));
    }
    if part.to < case.moments.len() {
        let _ = writeln!(text, "{indent}    … {} after", counted(case.moments.len() - part.to, "line"));
    }
    text
}

fn line(moment: &Moment, marked: bool, indent: &str, style: Style) -> String {
    let line = &moment.line;
    let at = format!("{:>10.3}s", line.at_ms as f64 / 1000.0);
    let said = match &line.to {
        Some(to) => format!("{} → {to}: {}", line.from, line.text),
        None if line.journal => format!("    {}", line.text),
        None => format!("{}: {}", line.from, line.text),
    };
    let tone = match line {
        _ if line.fault => Tone::Back,
        _ if line.journal => Tone::Dim,
        _ => Tone::Strong,
    };
    let mark = if marked { ">" } else { " " };
    format!("{indent}{mark}{at}  {}\n", style.paint(tone, &tame(&said, LONGEST)))
}

/// Of each saga a line for each step and the requests that it makes: what of all that could befall them is in scenarios.
fn coverage(report: &Report) -> String {
    let mut text = String::new();
    for (saga, cells) in &report.coverage {
        let mut rows: Vec<(String, &str, Vec<String>, Vec<&str>)> = Vec::new();
        for Cell { step, op, fault, scenarios } in cells {
            if rows.last().is_none_or(|(last, of, _, _)| last != step || of != op) {
                rows.push((step.clone(), op, vec![], vec![]));
            }
            let Some((_, _, tried, not)) = rows.last_mut() else { continue };
            match scenarios {
                0 => not.push(fault),
                1 => tried.push((*fault).to_owned()),
                more => tried.push(format!("{fault} ({more})")),
            }
        }
        let rows = rows.into_iter().map(|(step, op, tried, not)| {
            let or_none = |list: String| if list.is_empty() { "–".to_owned() } else { list };
            vec![step, op.to_owned(), or_none(tried.join(" · ")), or_none(not.join(" · "))]
        });
        let touched = cells.iter().filter(|cell| cell.scenarios > 0).count();
        let percent = covered(cells.iter());
        let _ = writeln!(text, "\n{saga}: {touched} of {} are tried ({percent:.0} %)", cells.len());
        let _ = writeln!(text, "{}", output::table(&["STEP", "OP", "TRIED", "NOT TRIED"], rows.collect()));
    }
    let cells = || report.coverage.iter().flat_map(|(_, cells)| cells);
    let touched = cells().filter(|cell| cell.scenarios > 0).count();
    let percent = report.covered_percent();
    let _ = writeln!(text, "\nin all: {touched} of {} are tried ({percent:.0} %)\n", cells().count());
    text
}

fn counted(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}
