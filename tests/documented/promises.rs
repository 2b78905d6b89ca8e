//! docs/failure.md says of each thing that goes wrong which test proves what is promised of it. Whether the test does so is for whoever
//! reads it; that it is there, is a test and is run, is held here.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};

const SECTION: &str = "\n## Which test proves what\n";
/// The only module that stands within a file.
const INLINE: &str = "#[cfg(test)]\nmod tests {";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned()
}

/// Each row as what goes wrong, and its tests as `crate/target path::of::test`.
fn rows(page: &str) -> Vec<(&str, Vec<&str>)> {
    let section = page.split_once(SECTION).map_or("", |(_, rest)| rest.split("\n## ").next().unwrap_or_default());
    let cells = section.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"));
    cells
        .map(|cells| cells.split(" | ").collect::<Vec<_>>())
        .filter(|cells| cells.last() != Some(&"test"))
        .map(|cells| (cells[0], cells.last().map_or(vec![], |tests| tests.split('`').skip(1).step_by(2).collect())))
        .collect()
}

/// Where the crates of the workspace are, by their names.
fn crates() -> Result<BTreeMap<String, PathBuf>> {
    let manifest = fs::read_to_string(root().join("Cargo.toml"))?;
    let members = manifest.split_once("members = [").context("members")?.1.split(']').next().context("their end")?;
    let folders = members.split('"').skip(1).step_by(2).map(|member| root().join(member));
    folders
        .map(|folder| {
            let manifest = fs::read_to_string(folder.join("Cargo.toml"))?;
            let name =
                manifest.split_once("name = \"").and_then(|(_, rest)| rest.split('"').next()).context("a name")?;
            Ok((name.to_owned(), folder))
        })
        .collect()
}

/// # Errors
/// Why there is no such test.
fn look_up(crates: &BTreeMap<String, PathBuf>, test: &str) -> Result<()> {
    let (target, path) = test.split_once(' ').context("not `crate/target module::test`")?;
    let (name, target) = target.split_once('/').context("not `crate/target module::test`")?;
    let folder = crates.get(name).with_context(|| format!("no crate {name}"))?;
    let roots = [
        (target == "lib").then(|| folder.join("src/lib.rs")),
        Some(folder.join("tests").join(target).join("main.rs")),
        Some(folder.join("tests").join(format!("{target}.rs"))),
        Some(folder.join(target).join("main.rs")),
    ];
    let file = roots.into_iter().flatten().find(|file| file.is_file());
    let mut file = file.with_context(|| format!("no target {target} of {name}"))?;
    let mut modules: Vec<&str> = path.split("::").collect();
    let function = modules.pop().context("no name")?;
    let mut below = file.parent().context("a folder")?.to_owned();
    let mut text = fs::read_to_string(&file)?;
    for module in modules {
        ensure!(declares(&text, module), "no module {module} in {}", file.display());
        below.push(module);
        match [below.with_extension("rs"), below.join("mod.rs")].into_iter().find(|file| file.is_file()) {
            Some(found) => {
                text = fs::read_to_string(&found)?;
                file = found;
            }
            None => text = text.split_once(INLINE).map_or("", |(_, inside)| inside).to_owned(),
        }
    }
    // What stands in a module within this file is not in this one.
    let text = text.split(INLINE).next().unwrap_or_default();
    ensure!(is_run(text, function), "no test {function} in {}", file.display());
    Ok(())
}

fn declares(text: &str, module: &str) -> bool {
    let words = ["", "pub ", "pub(crate) "].map(|seen| format!("{seen}mod {module}"));
    text.lines()
        .any(|line| words.iter().any(|word| line.strip_prefix(word).is_some_and(|rest| [";", " {"].contains(&rest))))
}

/// It is a function with the attribute of a test, and without that of one that is left out.
fn is_run(text: &str, function: &str) -> bool {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let head = format!("fn {function}(");
    let at = |line: &&str| line.strip_prefix("async ").unwrap_or(line).starts_with(&head);
    let Some(at) = lines.iter().position(at) else { return false };
    let attributes: Vec<&&str> = lines[..at].iter().rev().take_while(|line| line.starts_with("#[")).collect();
    attributes.iter().any(|line| line.starts_with("#[test]") || line.starts_with("#[tokio::test"))
        && !attributes.iter().any(|line| line.starts_with("#[ignore"))
}

#[test]
fn every_promise_of_the_page_on_failure_names_tests_that_there_are() -> Result<()> {
    let page = fs::read_to_string(root().join("docs/failure.md"))?;
    let (rows, crates) = (rows(&page), crates()?);
    assert!(rows.len() > 80, "{} rows", rows.len());
    let (mut wrong, mut named) = (Vec::new(), BTreeSet::new());
    for (what, tests) in &rows {
        if tests.is_empty() {
            wrong.push(format!("{what}: no test"));
        }
        for test in tests {
            named.insert(*test);
            wrong.extend(look_up(&crates, test).err().map(|why| format!("{what}: {why:#}")));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), named.len(), wrong.join("\n"));
    let parts = page.split_once(SECTION).context("the section")?.1.matches("\n### ").count();
    assert_eq!(parts, page.split_once(SECTION).context("the section")?.1.matches("|---|---|---|").count() + 1);
    Ok(())
}

#[test]
fn a_promise_without_a_test_or_with_one_that_is_not_run_is_noticed() -> Result<()> {
    let crates = crates()?;
    let here = "amends-tests/documented promises::a_promise_without_a_test_or_with_one_that_is_not_run_is_noticed";
    let inline = "amends-engine/lib clock::tests::a_new_anchor_moves_time_on_and_never_back";
    for right in [here, inline] {
        look_up(&crates, right)?;
    }
    for (wrong, why) in [
        (here.replace("amends-tests", "amends-test"), "no crate"),
        (here.replace("/documented", "/document"), "no target"),
        (here.replace("promises::", "promise::"), "no module"),
        (here.replace("is_noticed", "is_notice"), "no test"),
        (here.replace("promises::a_", "a_"), "no test"),
        (inline.replace("::tests", ""), "no test"),
        ("amends-tests/documented promises::look_up".to_owned(), "no test"),
        (here.replace(' ', "::"), "not `crate/target"),
    ] {
        let found = look_up(&crates, &wrong).expect_err("it is not there").to_string();
        assert!(found.starts_with(why), "{wrong}: {found}");
    }
    assert!(!is_run("#[test]\n#[ignore = \"later\"]\nfn a() {}", "a"), "one that is left out proves nothing");
    assert!(is_run("#[tokio::test(flavor = \"multi_thread\")]\nasync fn a() {}", "a"));
    let page = format!(
        "{SECTION}\n| what | promised | test |\n|---|---|---|\n| a | b | `x/y z` `x/y w` |\n| c | d | nobody |\n"
    );
    assert_eq!(rows(&page), [("a", vec!["x/y z", "x/y w"]), ("c", vec![])]);
    Ok(())
}
