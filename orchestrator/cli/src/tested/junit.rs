//! The same as JUnit's XML, which builds read: a suite for each file, a case for each scenario.

use std::fmt::Write as _;

use super::{Case, Report, Verdict, files::File, text};
use crate::{style::Style, xml::escaped};

pub(super) fn of(report: &Report) -> String {
    let mut xml = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n".to_owned();
    report.files.iter().for_each(|file| suite(&mut xml, file));
    xml.push_str("</testsuites>\n");
    xml
}

fn suite(xml: &mut String, file: &File) {
    let invalid = usize::from(file.valid.is_none());
    let failed = file.cases.iter().filter(|case| !case.passed()).count() + invalid;
    let took: f64 = file.cases.iter().map(|case| case.took.as_secs_f64()).sum();
    let _ = writeln!(
        xml,
        "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{failed}\" time=\"{took:.3}\">",
        escaped(file.saga()),
        file.cases.len() + invalid,
    );
    if invalid > 0 {
        let said = file.findings.iter().map(|found| {
            let hint = found.hint.as_deref().map_or(String::new(), |hint| format!(" ({hint})"));
            format!("{}:{}:{}: {}: {}{hint}\n", found.file, found.line, found.column, found.code, found.message)
        });
        let (name, said) = (escaped(&file.path), escaped(&said.collect::<String>()));
        let _ = writeln!(xml, "    <testcase classname=\"{name}\" name=\"the file and its saga are valid\">");
        let _ = writeln!(xml, "      <failure message=\"not valid\">{said}</failure>\n    </testcase>");
    }
    file.cases.iter().for_each(|case| self::case(xml, file, case));
    xml.push_str("  </testsuite>\n");
}

fn case(xml: &mut String, file: &File, case: &Case) {
    let (place, name) = (escaped(&file.path), escaped(&case.name));
    let _ = write!(
        xml,
        "    <testcase classname=\"{place}\" name=\"{name}\" file=\"{place}\" line=\"{}\" time=\"{:.3}\"",
        case.at.line,
        case.took.as_secs_f64()
    );
    let (message, told) = match &case.verdict {
        Verdict::Passed => {
            xml.push_str("/>\n");
            return;
        }
        Verdict::Broken(why) => (why.clone(), String::new()),
        Verdict::Differs(wrong) => {
            let mut told: String =
                wrong.iter().map(|difference| text::difference(&file.path, difference, "", Style::PLAIN)).collect();
            if let Some(first) = wrong.first() {
                told.push_str("what happened around it:\n");
                told.push_str(&text::explained(case, first, "", Style::PLAIN));
            }
            (wrong.first().map(ToString::to_string).unwrap_or_default(), told)
        }
    };
    let _ = writeln!(
        xml,
        ">\n      <failure message=\"{}\">{}</failure>\n    </testcase>",
        escaped(&message),
        escaped(&told)
    );
}
