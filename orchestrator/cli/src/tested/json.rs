//! The same for programs.

use amends_core::scenario::Difference;
use serde_json::{Value, json};

use super::{Case, Report, Shown, Verdict, covered, files::File};

pub(super) fn of(report: &Report, shown: &Shown) -> Value {
    let mut view = json!({
        "passed": report.passed(),
        "took_ms": u64::try_from(report.took.as_millis()).unwrap_or(u64::MAX),
        "files": report.files.iter().map(|file| self::file(file, shown.trace)).collect::<Value>(),
    });
    if shown.coverage {
        let sagas = report
            .coverage
            .iter()
            .map(|(saga, cells)| json!({ "saga": saga, "percent": covered(cells.iter()), "faults": cells }));
        view["coverage"] = json!({ "percent": report.covered_percent(), "sagas": sagas.collect::<Value>() });
    }
    view
}

fn file(file: &File, trace: bool) -> Value {
    json!({
        "file": file.path,
        "saga": file.valid.as_ref().map(|valid| valid.family.root.name.to_string()),
        "findings": file.findings,
        "scenarios": file.cases.iter().map(|case| self::case(case, trace)).collect::<Value>(),
    })
}

fn case(case: &Case, trace: bool) -> Value {
    let (verdict, differences, why) = match &case.verdict {
        Verdict::Passed => ("passed", vec![], None),
        Verdict::Differs(wrong) => ("failed", wrong.iter().map(difference).collect(), None),
        Verdict::Broken(why) => ("broken", vec![], Some(why)),
    };
    let mut view = json!({
        "name": case.name,
        "line": case.at.line,
        "column": case.at.column,
        "verdict": verdict,
        "differences": differences,
        "took_us": u64::try_from(case.took.as_micros()).unwrap_or(u64::MAX),
        "lasted_ms": case.lasted_ms,
    });
    if let Some(why) = why {
        view["why"] = why.as_str().into();
    }
    if trace || !case.passed() {
        view["story"] = case.moments.iter().map(|moment| json!(moment.line)).collect();
    }
    view
}

fn difference(difference: &Difference) -> Value {
    let Difference { what, expected, found, note, at, .. } = difference;
    json!({
        "what": what,
        "expected": expected,
        "found": found,
        "note": note,
        "line": at.line,
        "column": at.column,
    })
}
