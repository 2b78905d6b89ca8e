//! Traits exist at three borders and nowhere else (DESIGN §6).

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{assert_none, root};

/// The three doors, and what else may be a trait, with its reason.
const TRAITS: &[(&str, &str)] = &[
    ("Store", "a door: durable or in memory"),
    ("Participant", "a door: a service or a model of one"),
    ("Clock", "a door: the machine's time or a test's"),
];

/// The Rust sources below a folder.
pub(crate) fn sources(folder: &Path) -> Vec<(PathBuf, String)> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("a readable folder").path()).collect();
    paths.sort();
    paths
        .into_iter()
        .flat_map(|path| match path.extension() {
            _ if path.is_dir() => sources(&path),
            Some(extension) if extension == "rs" => {
                let text = fs::read_to_string(&path).expect("a readable source");
                vec![(path, text)]
            }
            _ => Vec::new(),
        })
        .collect()
}

/// The name of the trait that a line declares, of whatever visibility.
fn declares(line: &str) -> Option<&str> {
    let mut words = line.split_whitespace().peekable();
    while let Some(word) = words.next_if(|word| word.starts_with("pub") || matches!(*word, "unsafe" | "auto" | "in")) {
        if word.starts_with("pub(") && !word.ends_with(')') {
            words.find(|word| word.ends_with(')'))?;
        }
    }
    (words.next()? == "trait").then_some(())?;
    let name = words.next()?;
    Some(name.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or(name))
}

fn undeclared(path: &Path, text: &str) -> Vec<String> {
    text.lines()
        .enumerate()
        .filter_map(|(at, line)| declares(line).map(|name| (at + 1, name)))
        .filter(|(_, name)| !TRAITS.iter().any(|(known, _)| known == name))
        .map(|(at, name)| format!("{}:{at}: trait {name}: traits exist at three borders (DESIGN §6)", path.display()))
        .collect()
}

#[test]
fn traits_exist_at_three_borders() {
    let all: Vec<_> = ["orchestrator", "services"].iter().flat_map(|folder| sources(&root().join(folder))).collect();
    for (name, _) in TRAITS {
        let places = all.iter().flat_map(|(_, text)| text.lines()).filter(|line| declares(line) == Some(*name)).count();
        assert_eq!(places, 1, "trait {name} is declared once");
    }
    let found: Vec<String> = all.iter().flat_map(|(path, text)| undeclared(path, text)).collect();
    assert_none(&found);
}

#[test]
fn a_fourth_trait_is_noticed_whatever_its_visibility() {
    let path = Path::new("made_up.rs");
    for line in ["pub trait Journal: Send {", "trait Journal<T> {", "    pub(in crate::x) unsafe trait Journal {}"] {
        let found = undeclared(path, line);
        assert_eq!(found.len(), 1, "{line}");
        assert!(found[0].starts_with("made_up.rs:1: trait Journal"), "{found:?}");
    }
    for line in ["/// a trait in words", "pub trait Store: Send + Sync {", "let traits = 3;", "pub struct Trait;"] {
        assert_none(&undeclared(path, line));
    }
}
