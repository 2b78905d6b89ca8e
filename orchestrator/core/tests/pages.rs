//! Every code has its page, and what the pages show is true.

use std::{collections::BTreeSet, sync::Arc};

use amends_core::{
    definition::{Definition, Known, Page, Services, Severity, check_children, code, explain, pages, parse},
    openapi::Api,
};

/// The codes that can be said, as they stand in the one list of them.
fn codes() -> BTreeSet<&'static str> {
    let source = include_str!("../src/definition/diagnostic.rs");
    let list = source.split_once("pub mod code {").expect("the list of codes").1.split_once("\n}").expect("its end").0;
    let consts = list.lines().filter(|line| line.trim_start().starts_with("pub const "));
    consts.map(|line| line.split('"').nth(1).expect("a code")).collect()
}

/// What is said of an example, where the services of the samples are known, and what else the page shows: the document of
/// `payments`, the child.
fn said(page: &Page, yaml: &str, document: &str, catalogue: bool) -> BTreeSet<&'static str> {
    let mut services: Services = ["orders", "inventory", "payments", "shipping"].into();
    if !document.is_empty() {
        services.describe("payments", Arc::new(Api::read(document).expect("a document")), "/");
    }
    let checked = parse(yaml, Some(&services).filter(|_| catalogue));
    let mut codes: BTreeSet<_> = checked.diagnostics.into_iter().map(|found| found.code).collect();
    let known: Known = page
        .child()
        .map(|child| Arc::new(Definition::parse(child, Some(&services)).expect("a child without mistakes")))
        .map(|child| (child.name.clone(), child))
        .into_iter()
        .collect();
    if let Some(definition) = checked.definition {
        let unknown = if page.code == code::UNKNOWN_CHILD { Severity::Error } else { Severity::Warning };
        codes.extend(check_children(&definition, &known, unknown).into_iter().map(|found| found.code));
    }
    codes
}

#[test]
fn every_code_has_a_page_and_every_page_a_code() {
    let written: Vec<&str> = pages().iter().map(|page| page.code).collect();
    let codes = codes();
    assert!(codes.len() > 30, "{codes:?}");
    assert_eq!(written, codes.into_iter().collect::<Vec<_>>());
}

#[test]
fn the_wrong_example_of_a_page_is_told_exactly_its_code_and_the_right_one_nothing() {
    let mut lies = Vec::new();
    for page in pages() {
        // This one is about there being no catalogue.
        let wrong = said(page, page.wrong(), page.document(), page.code != code::SERVICE_NOT_CHECKED);
        // And this one says that there is more of something else.
        let expected: BTreeSet<&str> = match page.code {
            code::TOO_MANY => [code::UNKNOWN_REFERENCE, code::TOO_MANY].into(),
            code => [code].into(),
        };
        if page.code[1..].starts_with("07") {
            assert!(said(page, page.wrong(), "", true).is_empty(), "{}: it is said without the document", page.code);
        }
        if wrong != expected {
            lies.push(format!("{}: the wrong example is told {wrong:?}", page.code));
        }
        let right = said(page, page.right(), page.document(), true);
        if !right.is_empty() {
            lies.push(format!("{}: the right example is told {right:?}", page.code));
        }
    }
    assert!(lies.is_empty(), "{}", lies.join("\n"));
}

#[test]
fn a_page_has_a_title_words_and_lines_that_fit_a_terminal() {
    for page in pages() {
        assert!((10..=80).contains(&page.title().len()), "{}: {}", page.code, page.title());
        let words = page.text.split_once("\n\n").and_then(|(_, rest)| rest.split_once("\n\n## "));
        assert!(words.is_some_and(|(words, _)| words.len() > 80), "{} says too little", page.code);
        for line in page.text.lines() {
            assert!(line.chars().count() <= 132, "{}: {line}", page.code);
        }
    }
}

#[test]
fn a_code_is_found_in_any_case_and_a_stranger_is_not() {
    assert_eq!(explain("e0306").map(|page| page.code), Some(code::NO_COMPENSATION));
    assert_eq!(explain("E9999"), None);
    assert_eq!(explain(""), None);
}
