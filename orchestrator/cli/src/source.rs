//! A definition named on the command line: a file, stdin, or one that a server has.
//!
//! Who calls it: commands that look at definitions and change nothing.

use std::{
    fs,
    io::{self, Read as _},
    path::Path,
    sync::Arc,
};

use amends_core::definition::{self, Definition, Known};
use anyhow::{Context, bail};

use crate::{
    absent,
    exit::Usage,
    output::{self, Format},
    remote::Remote,
    snippet::{self, Finding},
    style::Style,
};

/// Where definitions are that are no files.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Server {
    /// The server that has the definition, if it is no file
    #[arg(long, env = "AMENDS_URL", default_value = "http://127.0.0.1:7070", value_name = "URL")]
    url: String,
}

/// What a word on the command line means.
#[derive(Debug, PartialEq, Eq)]
enum Place<'a> {
    Stdin,
    File(&'a str),
    Server { name: &'a str, version: Option<u32> },
}

/// Reads a definition; `words` is `FILE`, `-`, `NAME` or `NAME@VERSION`.
///
/// # Errors
/// It is not there, or it is not valid: then what is wrong has been said on stderr.
pub(crate) async fn read(words: &str, server: &Server) -> anyhow::Result<Definition> {
    Ok(read_versioned(words, server).await?.0)
}

/// The same with the version under which the server has it.
///
/// # Errors
/// As [`read`].
pub(crate) async fn read_versioned(words: &str, server: &Server) -> anyhow::Result<(Definition, Option<u32>)> {
    let mut registered = None;
    let text = match place(words)? {
        Place::Stdin => {
            let mut text = String::new();
            io::stdin().read_to_string(&mut text).context("cannot read the definition from stdin")?;
            text
        }
        Place::File(file) => absent::text(Path::new(file))?,
        Place::Server { name, version } => {
            let remote = Remote { url: server.url.clone(), output: Format::Json };
            let found = remote.client()?.definition(name, version).await.map_err(|error| remote.explain(error));
            let found = found.with_context(|| format!("no such file or folder: {words}; nor does a server have it"))?;
            registered = Some(found.version);
            found.source.unwrap_or_default()
        }
    };
    let checked = definition::parse(&text, None);
    match checked.definition {
        Some(definition) => Ok((definition, registered)),
        None => {
            for found in checked.diagnostics.into_iter().filter(|found| found.severity == definition::Severity::Error) {
                let finding = Finding::of_core(words, found);
                output::say(&format!("{}\n", snippet::render(&finding, &text, Style::of_stderr())));
            }
            bail!("{words} is no valid definition")
        }
    }
}

/// The definitions of which its children, and theirs, would be, as far as they are to be had: of a file the valid ones beside it,
/// of one that a server has the newest there. What stdin gives has nothing beside it.
///
/// # Errors
/// The folder cannot be read, or the server does not answer.
pub(crate) async fn known(words: &str, server: &Server, definition: &Definition) -> anyhow::Result<Known> {
    let mut known = Known::new();
    let names = |of: &Definition| of.children().map(|(_, child)| child.name.clone()).collect::<Vec<_>>();
    let mut wanted = names(definition);
    if wanted.is_empty() {
        return Ok(known);
    }
    match place(words)? {
        Place::Stdin => {}
        Place::File(file) => {
            known = known_beside(Path::new(file), definition)?;
        }
        Place::Server { .. } => {
            let remote = Remote { url: server.url.clone(), output: Format::Json };
            let client = remote.client()?;
            while let Some(name) = wanted.pop() {
                if known.contains_key(&name) {
                    continue;
                }
                let found = match client.definition(&name, None).await {
                    Ok(found) => found,
                    Err(error) if error.problem().is_some_and(|problem| problem.status == 404) => continue,
                    Err(error) => return Err(remote.explain(error)),
                };
                let parsed = definition::parse(&found.source.unwrap_or_default(), None).definition;
                if let Some(parsed) = parsed {
                    let child = Definition { version: Some(found.version), ..parsed };
                    wanted.extend(names(&child));
                    known.insert(name, Arc::new(child));
                }
            }
        }
    }
    Ok(known)
}

/// The same of a file.
///
/// # Errors
/// The folder cannot be read.
pub(crate) fn known_beside(file: &Path, definition: &Definition) -> anyhow::Result<Known> {
    if definition.children().next().is_none() {
        return Ok(Known::new());
    }
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    beside(folder.unwrap_or(Path::new(".")))
}

/// The valid definitions in a folder; what else is there is not looked at.
fn beside(folder: &Path) -> anyhow::Result<Known> {
    let unreadable = || format!("cannot read {}", folder.display());
    let mut known = Known::new();
    for entry in fs::read_dir(folder).with_context(unreadable)? {
        let path = entry.with_context(unreadable)?.path();
        let is_yaml = path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
        let Some(text) = is_yaml.then(|| fs::read_to_string(&path).ok()).flatten() else { continue };
        if let Some(definition) = definition::parse(&text, None).definition {
            known.insert(definition.name.clone(), Arc::new(definition));
        }
    }
    Ok(known)
}

/// A file if there is one, or if it looks like one.
fn place(words: &str) -> Result<Place<'_>, Usage> {
    let looks_like_a_file = words.contains(['/', '\\']) || words.ends_with(".yaml") || words.ends_with(".yml");
    if words == "-" {
        return Ok(Place::Stdin);
    }
    if looks_like_a_file || Path::new(words).is_file() {
        return Ok(Place::File(words));
    }
    let (name, version) = name_and_version(words)?;
    Ok(Place::Server { name, version })
}

/// `NAME` or `NAME@VERSION`.
///
/// # Errors
/// What stands behind the `@` is no version.
pub(crate) fn name_and_version(words: &str) -> Result<(&str, Option<u32>), Usage> {
    match words.split_once('@') {
        None => Ok((words, None)),
        Some((name, version)) => match version.parse() {
            Ok(version) if version > 0 => Ok((name, Some(version))),
            _ => Err(Usage(format!("`{words}`: a version is a number from 1, e.g. {name}@2"))),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_valid_definitions_beside_a_file_are_known_by_name() {
        let folder = tempfile::tempdir().expect("a folder");
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).expect("written");
        write("pay.yaml", "saga: pay-claim\nsteps: { a: { sleep: 1s } }");
        write("broken.yaml", "saga: broken\nsteps: {}");
        write("note.txt", "saga: note\nsteps: { a: { sleep: 1s } }");
        let known = beside(folder.path()).expect("readable");
        assert_eq!(known.keys().map(|name| &**name).collect::<Vec<_>>(), ["pay-claim"]);
        assert!(beside(&folder.path().join("nowhere")).is_err());
    }

    #[test]
    fn a_word_is_a_file_if_it_looks_like_one_and_a_name_otherwise() {
        assert_eq!(place("-").ok(), Some(Place::Stdin));
        assert_eq!(place("a.yaml").ok(), Some(Place::File("a.yaml")));
        assert_eq!(place("./a").ok(), Some(Place::File("./a")));
        assert_eq!(place("Cargo.toml").ok(), Some(Place::File("Cargo.toml")), "it is there");
        assert_eq!(place("pay").ok(), Some(Place::Server { name: "pay", version: None }));
        assert_eq!(place("pay@3").ok(), Some(Place::Server { name: "pay", version: Some(3) }));
        assert!(place("pay@0").is_err() && place("pay@x").is_err());
    }
}
