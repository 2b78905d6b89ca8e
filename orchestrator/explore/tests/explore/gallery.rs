//! A gallery of broken sagas: the wrong examples of the pages, each with the finding that its page is about. What is beside it
//! on the page, mended, is not told that.

use std::collections::BTreeSet;

use amends_explore::{Code, Severity, explain, pages};

use crate::support::{codes, contract_of, explored, found};

#[test]
fn every_code_has_a_page_and_every_page_a_code() {
    let written: BTreeSet<&str> = pages().iter().map(|page| page.code).collect();
    assert_eq!(written, Code::ALL.iter().map(|code| code.as_str()).collect());
    assert_eq!(written.len(), pages().len());
    assert_eq!(explain("f0202").map(|page| page.code), Some("F0202"));
    assert_eq!(explain("F9999"), None);
}

#[test]
fn the_wrong_example_of_a_page_is_found_out_and_the_right_one_is_not() {
    let mut lies = Vec::new();
    for code in Code::ALL.into_iter().filter(|code| code.severity() != Severity::Violation) {
        let page = explain(code.as_str()).expect("a page");
        let wrong = explored(page.wrong(), contract_of(page.wrong()), 2);
        if !codes(&wrong).contains(code.as_str()) {
            lies.push(format!("{}: the wrong example is told {:?}", page.code, found(&wrong)));
        }
        let right = explored(page.right(), contract_of(page.right()), 2);
        if codes(&right).contains(code.as_str()) {
            lies.push(format!("{}: the right example is told it, too", page.code));
        }
        for report in [&wrong, &right] {
            assert!(codes(report).iter().all(|code| code.starts_with('F')), "{}: {:?}", page.code, found(report));
            assert!(!report.incomplete && report.complete_to == Some(2), "{}", page.code);
        }
    }
    assert!(lies.is_empty(), "{}", lies.join("\n"));
}

#[test]
fn a_page_has_a_title_words_and_lines_that_fit_a_terminal() {
    for page in pages() {
        assert!((10..=80).contains(&page.title().len()), "{}: {}", page.code, page.title());
        let words = page.text.split_once("\n\n").map(|(_, rest)| rest.split("## Wrong").next().unwrap_or_default());
        assert!(words.is_some_and(|words| words.len() > 80), "{} says too little", page.code);
        for line in page.text.lines() {
            assert!(line.chars().count() <= 132, "{}: {line}", page.code);
        }
    }
}

#[test]
fn a_finding_is_shown_by_as_few_faults_as_it_takes() {
    // A letter that nobody takes back, and a pivot that is refused: one fault. That the saga can be cancelled, too, is one as well.
    let page = explain("F0202").expect("a page");
    let report = explored(page.wrong(), contract_of(page.wrong()), 2);
    let letter = report.findings.iter().find(|found| found.code == Code::NoUndo).expect("found");
    assert_eq!((letter.faults, letter.step.as_deref()), (1, Some("letter")));
}
