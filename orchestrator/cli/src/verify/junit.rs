//! The report as JUnit's XML, which build servers show.

use super::report::{Line, Outcome, Report};

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

/// What the service said may hold anything.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' | '\t' => escaped.push(letter),
            // XML 1.0 has no way to write them.
            letter if letter.is_control() || matches!(letter, '\u{fffe}' | '\u{ffff}') => escaped.push('\u{fffd}'),
            letter => escaped.push(letter),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn what_a_service_says_cannot_end_an_element() {
        assert_eq!(escaped("]]></failure>\u{0}\"&\n"), "]]&gt;&lt;/failure&gt;\u{fffd}&quot;&amp;\n");
    }
}
