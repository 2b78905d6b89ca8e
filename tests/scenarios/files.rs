//! The sagas of this repository and the scenario files beside them.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use amends_core::{
    definition::{Definition, Known},
    scenario::{Scenarios, parse_family},
};
use anyhow::{Context, Result, anyhow};
use serde_json::{Map, Value};

pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../sagas")
}

/// A definition.
pub(crate) struct Saga {
    pub(crate) source: String,
    /// The definitions that it runs as children, youngest first.
    pub(crate) children: Vec<String>,
    pub(crate) services: BTreeSet<String>,
}

impl Saga {
    pub(crate) fn names() -> Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(folder())? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if let Some(name) = name.strip_suffix(".yaml").filter(|name| !name.ends_with(".test")) {
                names.push(name.to_owned());
            }
        }
        names.sort();
        Ok(names)
    }
}

/// A saga with its scenarios.
pub(crate) struct File {
    pub(crate) name: String,
    pub(crate) saga: Saga,
    pub(crate) scenarios: Scenarios,
}

impl File {
    pub(crate) fn read(name: &str) -> Result<Self> {
        let [saga, test] = ["yaml", "test.yaml"].map(|end| folder().join(format!("{name}.{end}")));
        let source = fs::read_to_string(&saga).with_context(|| saga.display().to_string())?;
        let scenarios = fs::read_to_string(&test).with_context(|| test.display().to_string())?;
        Self::of(name, source, &scenarios)
    }

    pub(crate) fn of(name: &str, source: String, scenarios: &str) -> Result<Self> {
        let definition = Definition::parse(&source, None).map_err(|found| anyhow!("{name}.yaml: {found:#?}"))?;
        let mut known = Known::new();
        let children = family(&definition, &mut known)?;
        let services = known.values().map(|child| &**child).chain([&definition]).flat_map(Definition::services);
        let services = services.map(|service| service.as_str().to_owned()).collect();
        let scenarios =
            parse_family(scenarios, &definition, &known).map_err(|found| anyhow!("{name}.test.yaml: {found:#?}"))?;
        Ok(Self { name: name.to_owned(), saga: Saga { source, children, services }, scenarios })
    }

    /// Every definition of its family but its own.
    pub(crate) fn children(&self) -> &[String] {
        &self.saga.children
    }

    /// What its services answer.
    pub(crate) fn replies(&self) -> Value {
        let replies = self.scenarios.replies.iter();
        Value::Object(replies.map(|(step, reply)| (step.as_str().to_owned(), reply.clone())).collect::<Map<_, _>>())
    }
}

/// The texts of all that a definition runs, those first that others run.
fn family(definition: &Definition, known: &mut Known) -> Result<Vec<String>> {
    let mut sources = Vec::new();
    for (_, child) in definition.children() {
        if known.contains_key(&child.name) {
            continue;
        }
        let path = folder().join(format!("{}.yaml", child.name));
        let source = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let read = Definition::parse(&source, None).map_err(|found| anyhow!("{}: {found:#?}", path.display()))?;
        sources.extend(family(&read, known)?);
        known.insert(child.name.clone(), Arc::new(read));
        sources.push(source);
    }
    Ok(sources)
}
