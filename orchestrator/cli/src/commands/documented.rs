//! Every command line that a page shows is one that this program takes: with these words, these flags, these kinds of values.
//!
//! Why it is here and not outside: a command that is parsed is not run, so that pages may show what needs a server, hours or a saga of
//! their own. Who calls it: tests alone.

use std::{fs, path::Path};

use clap::{Parser as _, error::ErrorKind};

use super::Cli;

/// What stands on pages for something of the reader's.
const PLACEHOLDERS: [(&str, &str); 6] = [
    ("<id>", "019ac2f4-1b7e-7c31-9d53-0e3d1c5f9a10"),
    ("ID", "019ac2f4-1b7e-7c31-9d53-0e3d1c5f9a10"),
    ("JSON", "{}"),
    ("TOKEN", "a-token"),
    ("URL", "postgres://localhost/amends"),
    ("REASON", "a reason"),
];

/// A command line with the place where it is shown.
struct Shown {
    place: String,
    words: Vec<String>,
}

/// Pages for users, with their names.
fn pages() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut pages = Vec::new();
    for folder in ["", "docs", "sagas"] {
        for entry in fs::read_dir(root.join(folder)).expect("a folder") {
            let path = entry.expect("a file").path();
            if path.extension().is_some_and(|extension| extension == "md") {
                let name = path.strip_prefix(&root).expect("it lies below").display().to_string();
                pages.push((name, fs::read_to_string(&path).expect("a page")));
            }
        }
    }
    pages
}

/// The command lines of a page: of its blocks for shells, and those that stand in a sentence as code.
fn commands(page: &str, text: &str) -> Vec<Shown> {
    let mut shown = Vec::new();
    let mut block: Option<&str> = None;
    let mut continued = String::new();
    for (line, number) in text.lines().zip(1..) {
        let place = format!("{page}:{number}");
        if let Some(language) = line.strip_prefix("```") {
            block = block.is_none().then_some(language);
            continue;
        }
        match block {
            Some("sh" | "bash" | "console") => {
                if let Some(begun) = line.strip_suffix('\\') {
                    continued += begun;
                    continue;
                }
                let whole = std::mem::take(&mut continued) + line;
                let line = if block == Some("console") { whole.strip_prefix("$ ").unwrap_or_default() } else { &whole };
                shown.extend(of_shell(line).map(|words| Shown { place, words }));
            }
            Some(_) => {}
            None => {
                for code in line.split('`').skip(1).step_by(2) {
                    shown.extend(of_shell(code).map(|words| Shown { place: place.clone(), words }));
                }
            }
        }
    }
    shown
}

/// The words of `amends …` in a line, from the program on; `None`: it is about something else, or names only the program.
fn of_shell(line: &str) -> Option<Vec<String>> {
    let mut words = words(line)?;
    let ends = words.iter().position(|word| ["|", "||", "&&", "&", ">", ">>", "2>", ";", "…"].contains(&word.as_str()));
    words.truncate(ends.unwrap_or(words.len()));
    // A variable before it, and the program built first.
    let begins = words.iter().position(|word| !word.contains('='))?;
    words.drain(..begins);
    if words.starts_with(&["cargo".to_owned(), "run".to_owned()]) && !words.contains(&"-p".to_owned()) {
        let at = words.iter().position(|word| word == "--")?;
        words.splice(..=at, ["amends".to_owned()]);
    }
    (words.len() > 1 && words[0] == "amends").then_some(words)
}

/// As a shell splits them, as far as pages go: quotes, and comments. JSON without spaces needs no quotes on pages.
fn words(line: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut rest = line.trim_start();
    while !rest.is_empty() && !rest.starts_with('#') {
        let mut word = String::new();
        while let Some(letter) = rest.chars().next().filter(|letter| !letter.is_whitespace()) {
            rest = &rest[letter.len_utf8()..];
            match letter {
                '\'' | '"' if word.is_empty() || word.ends_with('=') => {
                    let (quoted, after) = rest.split_once(letter)?;
                    word += quoted;
                    rest = after;
                }
                letter => word.push(letter),
            }
        }
        words.push(word);
        rest = rest.trim_start();
    }
    Some(words)
}

/// As the reader would write it.
fn filled_in(word: &str) -> String {
    let (flag, value) = word.split_once('=').map_or(("", word), |(flag, value)| (flag, value));
    match PLACEHOLDERS.iter().find(|(placeholder, _)| *placeholder == value) {
        Some((_, filled)) if flag.is_empty() => (*filled).to_owned(),
        Some((_, filled)) => format!("{flag}={filled}"),
        None => word.to_owned(),
    }
}

/// Why this program does not take it.
fn refused(shown: &Shown) -> Option<String> {
    let words = shown.words.iter().map(|word| filled_in(word));
    match Cli::try_parse_from(words) {
        Ok(_) => None,
        Err(error) if !error.use_stderr() => None,
        // Only its name, in a sentence.
        Err(error) if error.kind() == ErrorKind::MissingRequiredArgument && shown.words.len() == 2 => None,
        Err(error) => Some(format!("{}: {}\n{error}", shown.place, shown.words.join(" "))),
    }
}

#[test]
fn every_command_line_of_every_page_is_taken() {
    let shown: Vec<Shown> = pages().iter().flat_map(|(page, text)| commands(page, text)).collect();
    let wrong: Vec<String> = shown.iter().filter_map(refused).collect();
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), shown.len(), wrong.join("\n"));
    for command in
        ["serve", "demo", "start", "list", "get", "history", "fsck", "export", "plan", "diff", "graph", "test"]
    {
        assert!(shown.iter().any(|shown| shown.words[1] == command), "no page shows `amends {command}`");
    }
}

#[test]
fn a_command_line_that_this_program_does_not_take_is_noticed() {
    let page = "`amends gett ID` `amends get ID --colour` `amends` `amends-barrier x`\n```sh\namends start --key a \\\n  --flag b\n\
                A=1 amends serve --databse x.db &\namends list > file  # fine\ncargo run --release -- demmo\n\
                cargo run -p amends-bench -- --x\n```\n```console\n$ amends get not-an-id\namends shown\n```\n";
    let shown = commands("page.md", page);
    let wrong: Vec<&str> = shown.iter().filter(|shown| refused(shown).is_some()).map(|shown| &*shown.place).collect();
    assert_eq!(wrong, ["page.md:1", "page.md:1", "page.md:4", "page.md:5", "page.md:7", "page.md:11"]);
    assert_eq!(shown.len(), wrong.len() + 1);
}
