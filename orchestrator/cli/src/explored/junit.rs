//! The same as JUnit's XML, which builds read: a suite for each saga, a case for the whole and one for each finding.

use std::fmt::Write as _;

use amends_explore::{Severity, Verdict};

use super::{Explored, text, verdict, word};
use crate::{style::Style, xml::escaped};

pub(super) fn of(all: &[Explored]) -> String {
    let mut xml = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n".to_owned();
    for one in all {
        suite(&mut xml, one);
    }
    xml.push_str("</testsuites>\n");
    xml
}

fn suite(xml: &mut String, one: &Explored) {
    let counts = |severity: Severity| severity != Severity::Note;
    let failed = one.found().filter(|(found, _)| counts(found.severity) && !one.is_allowed(found)).count();
    let skipped = one.found().count() - failed;
    let idle = one.idle.len();
    let whole = usize::from(one.report.incomplete || one.verdict() == Verdict::Violation);
    let _ = writeln!(
        xml,
        "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" skipped=\"{skipped}\" time=\"{:.3}\">",
        escaped(&one.saga),
        one.report.findings.len() + 1 + one.rules.len(),
        failed + whole + idle,
        one.took.as_secs_f64()
    );
    let _ = write!(
        xml,
        "    <testcase classname=\"{}\" name=\"every run with at most {} faults\"",
        escaped(&one.file),
        one.faults
    );
    if one.report.incomplete {
        let _ = writeln!(xml, ">\n      <failure message=\"stopped before its end\"/>\n    </testcase>");
    } else if one.verdict() == Verdict::Violation {
        let _ = writeln!(xml, ">\n      <failure message=\"{}\"/>\n    </testcase>", verdict(Verdict::Violation));
    } else {
        let _ = writeln!(xml, "/>");
    }
    for (rule, _) in one.fired() {
        let _ = write!(
            xml,
            "    <testcase classname=\"{}\" name=\"{}\"",
            escaped(&one.file),
            escaped(&format!("plan: {rule}"))
        );
        let _ = match one.idle.iter().find(|idle| idle.rule == rule) {
            Some(idle) => writeln!(xml, ">\n      <failure message=\"{}\"/>\n    </testcase>", escaped(&idle.told())),
            None => writeln!(xml, "/>"),
        };
    }
    for (found, story) in one.found() {
        let step = found.place().map_or(String::new(), |step| format!(" {step}"));
        let name = escaped(&format!("{}{step}", found.code.as_str()));
        let _ = writeln!(xml, "    <testcase classname=\"{}\" name=\"{name}\">", escaped(&one.file));
        let message = escaped(&format!("{}: {}", word(found.severity), found.message));
        if counts(found.severity) && !one.is_allowed(found) {
            let told = escaped(&format!("hint: {}\n{}", found.code.hint(), text::story(story, "", Style::PLAIN)));
            let _ = writeln!(xml, "      <failure message=\"{message}\">{told}</failure>");
        } else {
            let _ = writeln!(xml, "      <skipped message=\"{message}\"/>");
        }
        xml.push_str("    </testcase>\n");
    }
    xml.push_str("  </testsuite>\n");
}
