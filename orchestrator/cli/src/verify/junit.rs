//! The report as JUnit's XML, which build servers show.

use super::report::{Line, Outcome, Report};
use crate::xml::escaped;

/// One suite with a case for each rule.
pub(crate) fn junit(report: &Report) -> String {
    let Report { service, failed, not_tested, rules, .. } = report;
    let mut lines = vec![
        r#"<?xml version="1.0" encoding="UTF-8"?>"#.to_owned(),
        format!(
            r#"<testsuite name="verify-participant {}" tests="{}" failures="{failed}" skipped="{not_tested}" errors="0">"#,
            escaped(service),
            rules.len()
        ),
    ];
    for Line { rule, title, outcome } in rules {
        let case = format!(r#"  <testcase classname="participant" name="{}: {}""#, escaped(rule), escaped(title));
        lines.push(match outcome {
            Outcome::Passed => format!("{case}/>"),
            Outcome::NotTested { why } => format!(r#"{case}><skipped message="{}"/></testcase>"#, escaped(why)),
            Outcome::Failed { failure } => {
                let (what, text) = (escaped(&failure.what), escaped(&failure.plain()));
                format!(r#"{case}><failure message="{what}">{text}</failure></testcase>"#)
            }
        });
    }
    lines.push("</testsuite>".to_owned());
    lines.join("\n")
}
