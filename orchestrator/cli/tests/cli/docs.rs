//! The examples of docs/tools.md do what the page says, those of docs/isolation.md are definitions, and every configuration that a
//! page shows is one.

use std::{fs, path::Path};

use crate::shell::Shell;

fn root() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A command of the page, and the lines that are shown below it.
struct Example {
    command: String,
    code: i32,
    shown: Vec<String>,
}

/// `$ amends …` in console blocks, with `# exit 1` behind it if it is no success; what follows up to the next one is shown.
fn examples(page: &str) -> Vec<Example> {
    let mut examples: Vec<Example> = Vec::new();
    for block in page.split("```console\n").skip(1) {
        let block = block.split("```").next().unwrap_or_default();
        for line in block.lines() {
            if let Some(command) = line.strip_prefix("$ ") {
                let (command, code) = command.split_once("  # exit ").unwrap_or((command, "0"));
                let code = code.trim().parse().expect("an exit code");
                examples.push(Example { command: command.trim().to_owned(), code, shown: vec![] });
            } else if !line.trim().is_empty() && line.trim() != "…" {
                examples.last_mut().expect("a command first").shown.push(line.trim_end().to_owned());
            }
        }
    }
    examples
}

#[test]
fn the_examples_of_the_page_on_tools_run_as_they_are_shown() {
    let page = fs::read_to_string(root().join("docs/tools.md")).expect("the page");
    let shell = Shell::new();
    for entry in fs::read_dir(root().join("sagas")).expect("sagas") {
        let path = entry.expect("a file").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        shell.file(&format!("sagas/{name}"), &fs::read_to_string(&path).expect("a text"));
    }
    // Files that the page shows: the first line of such a block is a comment with the file's name.
    for block in page.split("```").filter_map(|block| block.split_once('\n')).map(|(_, text)| text) {
        if let Some((name, _)) = block.strip_prefix("# file: ").and_then(|rest| rest.split_once('\n')) {
            shell.file(name.trim(), block);
        }
    }
    let examples = examples(&page);
    assert!(!examples.is_empty());
    for Example { command, code, shown } in examples {
        let words: Vec<&str> = command.split_whitespace().collect();
        assert_eq!(words[0], "amends", "{command}");
        let ran = shell.amends(&words[1..]);
        assert_eq!(ran.code, Some(code), "{command}: {ran:#?}");
        for line in shown {
            let there = ran.stdout.lines().chain(ran.stderr.lines()).any(|said| said.trim_end() == line);
            assert!(there, "{command}: the page shows\n{line}\nbut it is\n{}{}", ran.stdout, ran.stderr);
        }
    }
}

#[test]
fn the_definitions_of_the_page_on_isolation_are_accepted() {
    let page = fs::read_to_string(root().join("docs/isolation.md")).expect("the page");
    let shell = Shell::new();
    let mut checked = 0;
    for block in page.split("```yaml\n").skip(1).filter_map(|rest| rest.split_once("```")).map(|(block, _)| block) {
        let name = block.strip_prefix("saga: ").and_then(|rest| rest.lines().next()).expect("a whole definition");
        let file = format!("{name}.yaml");
        shell.file(&file, block);
        let ran = shell.amends(&["check", &file]);
        assert_eq!(ran.code, Some(0), "{name}: {ran:#?}");
        // Nothing but that there is no catalogue.
        let warned = format!("{}{}", ran.stdout, ran.stderr);
        assert!(!warned.contains("W06"), "{name}: {warned}");
        checked += 1;
    }
    assert_eq!(checked, page.matches("\n### ").count(), "each countermeasure has its example");
}

/// A file of the sample services.
fn sample(file: &str) -> String {
    fs::read_to_string(root().join("services").join(file)).expect("a file of the samples")
}

#[test]
fn every_configuration_that_a_page_shows_is_read_by_a_server() {
    let mut checked = 0;
    for folder in ["", "docs"] {
        for entry in fs::read_dir(root().join(folder)).expect("a folder") {
            let path = entry.expect("a file").path();
            if path.extension().is_none_or(|extension| extension != "md") {
                continue;
            }
            let page = fs::read_to_string(&path).expect("a page");
            for block in page.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()) {
                let shell = Shell::new();
                shell.file("amends.toml", block);
                // What a page's configuration names, it says stands beside it.
                shell.file("payments.openapi.yaml", &sample("payments/openapi.yaml"));
                let ran = shell.amends(&["config", "check"]);
                assert_eq!(ran.code, Some(0), "{}:\n{block}\n{ran:#?}", path.display());
                checked += 1;
            }
        }
    }
    assert!(checked >= 3, "{checked} configurations: README.md, docs/scaling.md and docs/operations.md have some");
}
