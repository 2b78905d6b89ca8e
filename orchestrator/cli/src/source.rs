//! A definition named on the command line: a file, stdin, or one that a server has.
//!
//! Who calls it: commands that look at definitions and change nothing.

use std::{
    fs,
    io::{self, Read as _},
    path::Path,
};

use amends_core::definition::{self, Definition};
use anyhow::{Context, bail};

use crate::{
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
        Place::File(file) => fs::read_to_string(file).with_context(|| format!("cannot read {file}"))?,
        Place::Server { name, version } => {
            let remote = Remote { url: server.url.clone(), output: Format::Json };
            let found = remote.client()?.definition(name, version).await.map_err(|error| remote.explain(error));
            let found = found.with_context(|| format!("{words} is no file"))?;
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
