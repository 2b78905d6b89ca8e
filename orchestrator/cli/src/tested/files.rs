//! Which scenarios there are: the files, their sagas beside them, and the sagas that these run.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use amends_core::{
    definition::{self, Definition, Known, Services, Severity},
    scenario::{Scenario, Scenarios, parse_family},
};
use amends_engine::Catalogue;
use amends_explore::scenarios::{Family, Played, Touch};
use anyhow::{Context as _, anyhow};

use super::Case;
use crate::{
    absent,
    exit::Usage,
    output,
    snippet::{self, Finding},
    style::Style,
};

const TEST: &str = ".test.yaml";

/// What is to be carried out.
pub(crate) struct Asked {
    pub(crate) paths: Vec<PathBuf>,
    /// One of these must be in `saga: name`; none: all.
    pub(crate) filters: Vec<String>,
}

/// One file of scenarios, and what came of them.
pub(crate) struct File {
    pub(super) path: String,
    /// `None`: the file or its saga is not valid.
    pub(super) valid: Option<Valid>,
    /// What is wrong with it, or with its saga.
    pub(super) findings: Vec<Finding>,
    pub(super) cases: Vec<Case>,
    /// What befell whom, of each scenario.
    pub(super) touched: Vec<Vec<Touch>>,
    /// Those that are asked for.
    picked: Vec<Scenario>,
}

pub(super) struct Valid {
    pub(super) family: Family,
    pub(super) scenarios: Scenarios,
}

impl File {
    /// Those that are to be carried out.
    pub(super) fn picked(&self) -> Vec<Scenario> {
        self.picked.clone()
    }

    /// One has been.
    pub(super) fn done(&mut self, case: Case, played: Option<Played>) {
        self.cases.push(case);
        self.touched.extend(played.map(|played| played.touched));
    }

    pub(super) fn saga(&self) -> &str {
        match &self.valid {
            Some(valid) => &valid.family.root.name,
            None => Path::new(&self.path).file_name().and_then(|name| name.to_str()).unwrap_or(&self.path),
        }
    }
}

/// Reads all that is asked for. What is wrong with a file is said on stderr, with its line and column.
///
/// # Errors
/// A path is not there, a folder has no scenarios, or none fits.
pub(crate) fn read(asked: &Asked, catalogue: Option<&Catalogue>) -> anyhow::Result<Vec<File>> {
    let mut paths = BTreeSet::new();
    for path in &asked.paths {
        paths.extend(scenarios_of(path)?);
    }
    let services = catalogue.map(Catalogue::described);
    let mut files = Vec::new();
    for path in &paths {
        files.push(file(path, services.as_ref(), &asked.filters)?);
    }
    if files.iter().all(|file| file.picked.is_empty() && file.findings.is_empty()) {
        let why = format!("--filter: no scenario has {} in it", asked.filters.join(" or "));
        return Err(anyhow!(Usage(why)));
    }
    // A file of which nothing is asked for is not told of.
    files.retain(|file| !file.picked.is_empty() || !file.findings.is_empty());
    Ok(files)
}

/// The files that a path means.
fn scenarios_of(path: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let shown = path.display();
    if path.is_dir() {
        let mut found = Vec::new();
        below(path, &mut found)?;
        if found.is_empty() {
            return Err(anyhow!(Usage(format!("there are no scenarios (*{TEST}) in {shown}"))));
        }
        return Ok(found);
    }
    if !path.exists() {
        return Err(anyhow!(Usage(absent::absent(path))));
    }
    let name = path.to_string_lossy();
    let beside = match name.strip_suffix(".yaml") {
        Some(_) if name.ends_with(TEST) => path.to_owned(),
        Some(stem) => PathBuf::from(format!("{stem}{TEST}")),
        None => return Err(anyhow!(Usage(format!("{shown}: a folder, a saga (*.yaml) or scenarios (*{TEST})")))),
    };
    if !beside.is_file() {
        return Err(anyhow!(Usage(format!("there are no scenarios {}", beside.display()))));
    }
    Ok(vec![beside])
}

fn below(folder: &Path, found: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read the folder {}", folder.display()))? {
        let entry = entry?;
        let (path, kind) = (entry.path(), entry.file_type()?);
        // What is hidden is somebody else's.
        if kind.is_dir() && !entry.file_name().to_string_lossy().starts_with('.') {
            below(&path, found)?;
        } else if path.to_string_lossy().ends_with(TEST) {
            found.push(path);
        }
    }
    Ok(())
}

fn file(path: &Path, services: Option<&Services>, filters: &[String]) -> anyhow::Result<File> {
    let name = path.display().to_string();
    let beside = PathBuf::from(format!("{}.yaml", name.trim_end_matches(TEST)));
    let mut findings = Vec::new();
    let valid = valid(path, &beside, services, &mut findings)?;
    let fits = |scenario: &&Scenario| {
        let saga = valid.as_ref().map_or("", |valid| &*valid.family.root.name);
        let whole = format!("{saga}: {}", scenario.name);
        filters.is_empty() || filters.iter().any(|filter| whole.contains(filter.as_str()))
    };
    let scenarios = valid.iter().flat_map(|valid| &valid.scenarios.scenarios);
    let picked = scenarios.filter(fits).cloned().collect();
    Ok(File { path: name, valid, findings, cases: Vec::new(), touched: Vec::new(), picked })
}

fn valid(
    path: &Path,
    beside: &Path,
    services: Option<&Services>,
    findings: &mut Vec<Finding>,
) -> anyhow::Result<Option<Valid>> {
    let cannot_read = |path: &Path| format!("cannot read {}", path.display());
    if !beside.is_file() {
        let why = format!("{} has no saga beside it: there is no {}", path.display(), beside.display());
        return Err(anyhow!(Usage(why)));
    }
    let source = fs::read_to_string(beside).with_context(|| cannot_read(beside))?;
    let Some(root) = checked(beside, &source, services, findings) else { return Ok(None) };
    let mut known = Known::new();
    let folder = beside.parent().unwrap_or(Path::new("."));
    if !children(folder, &root, services, &mut known, findings)? {
        return Ok(None);
    }
    // As a server would refuse it.
    let of_children = definition::check_children(&root, &known, Severity::Warning);
    let refused: Vec<_> = of_children.into_iter().filter(|found| found.severity == Severity::Error).collect();
    if !refused.is_empty() {
        say(beside, &source, refused, findings);
        return Ok(None);
    }
    let source = fs::read_to_string(path).with_context(|| cannot_read(path))?;
    match parse_family(&source, &root, &known) {
        Ok(scenarios) => Ok(Some(Valid { family: Family { root, known }, scenarios })),
        Err(found) => {
            say(path, &source, found, findings);
            Ok(None)
        }
    }
}

/// A definition without errors.
fn checked(
    path: &Path,
    source: &str,
    services: Option<&Services>,
    findings: &mut Vec<Finding>,
) -> Option<Arc<Definition>> {
    let checked = definition::parse(source, services);
    if checked.definition.is_none() {
        let errors = checked.diagnostics.into_iter().filter(|found| found.severity == Severity::Error);
        say(path, source, errors.collect(), findings);
    }
    checked.definition.map(Arc::new)
}

fn say(path: &Path, source: &str, found: Vec<definition::Diagnostic>, findings: &mut Vec<Finding>) {
    for found in found {
        let finding = Finding::of_core(&path.display().to_string(), found);
        output::say(&format!("{}\n", snippet::render(&finding, source, Style::of_stderr())));
        findings.push(finding);
    }
}

/// The definitions that one runs, of the same folder, and those that they run. `false`: one is not valid, which has been said. One
/// that is not there is refused when the saga would run it, as in a server.
fn children(
    folder: &Path,
    definition: &Definition,
    services: Option<&Services>,
    known: &mut Known,
    findings: &mut Vec<Finding>,
) -> anyhow::Result<bool> {
    let mut all_valid = true;
    for (_, child) in definition.children() {
        if known.contains_key(&child.name) || child.name == definition.name {
            continue;
        }
        let Some((path, source)) = named(folder, &child.name)? else { continue };
        let Some(read) = checked(&path, &source, services, findings) else {
            all_valid = false;
            continue;
        };
        known.insert(child.name.clone(), read.clone());
        all_valid &= children(folder, &read, services, known, findings)?;
    }
    Ok(all_valid)
}

/// The file of the saga of that name: `NAME.yaml`, or whichever says so.
fn named(folder: &Path, name: &str) -> anyhow::Result<Option<(PathBuf, String)>> {
    let mut paths = vec![folder.join(format!("{name}.yaml"))];
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read the folder {}", folder.display()))?;
    let mut others: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    others.sort();
    paths.extend(others.into_iter().filter(|path| {
        let name = path.to_string_lossy();
        name.ends_with(".yaml") && !name.ends_with(TEST)
    }));
    for path in paths.into_iter().filter(|path| path.is_file()) {
        let source = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let says_so =
            |line: &str| line.strip_prefix("saga:").is_some_and(|said| said.trim().trim_matches(['"', '\'']) == name);
        if source.lines().any(says_so) {
            return Ok(Some((path, source)));
        }
    }
    Ok(None)
}
