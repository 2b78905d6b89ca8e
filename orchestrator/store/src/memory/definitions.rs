//! Definitions, by name and version.

use std::{collections::BTreeMap, sync::Arc};

use amends_core::time::Time;

use super::{at_most, rows::Rows};
use crate::{Deleted, Head, NewDefinition, Put, StoreError, StoredDefinition};

/// What was deleted has no text any more.
fn is_gone(kept: &StoredDefinition) -> bool {
    kept.source.is_empty()
}

impl Rows {
    pub(super) fn put_definition(&mut self, definition: NewDefinition) -> Result<Put, StoreError> {
        let NewDefinition { name, version, digest, source, at } = definition;
        let mut of_name = self.definitions.range((Arc::clone(&name), 0)..=(Arc::clone(&name), u32::MAX)).rev();
        let version = match version {
            Some(version) => match self.definitions.get(&(Arc::clone(&name), version)) {
                Some(kept) if kept.digest == digest && !is_gone(kept) => return Ok(Put::Same(version)),
                Some(kept) => return Ok(Put::Taken { digest: kept.digest.clone() }),
                None => version,
            },
            None => {
                let highest = of_name.clone().next().map(|((_, version), _)| *version);
                if let Some(((_, version), _)) = of_name.find(|(_, kept)| kept.digest == digest && !is_gone(kept)) {
                    return Ok(Put::Same(*version));
                }
                highest.map_or(Some(1), |highest| highest.checked_add(1)).ok_or_else(|| StoreError::Refused {
                    reason: format!("no version is above the highest of {name}"),
                })?
            }
        };
        let kept =
            StoredDefinition { name: Arc::clone(&name), version, digest, source, created_at: at, disabled_at: None };
        self.definitions.insert((name, version), kept);
        Ok(Put::Created(version))
    }

    pub(super) fn definition(&self, name: &str, version: Option<u32>) -> Option<StoredDefinition> {
        let mut of_name = self.definitions.values().rev().filter(|kept| *kept.name == *name && !is_gone(kept));
        of_name.find(|kept| version.is_none_or(|version| version == kept.version)).cloned()
    }

    pub(super) fn startable(&self, name: &str) -> Option<StoredDefinition> {
        let mut of_name = self.definitions.values().rev().filter(|kept| *kept.name == *name && !is_gone(kept));
        of_name.find(|kept| kept.disabled_at.is_none()).cloned()
    }

    pub(super) fn set_disabled(&mut self, name: &str, version: u32, at: Option<Time>) -> bool {
        let kept = self.definitions.get_mut(&(name.into(), version)).filter(|kept| !is_gone(kept));
        kept.map(|kept| kept.disabled_at = at.map(|at| kept.disabled_at.unwrap_or(at))).is_some()
    }

    pub(super) fn delete_definition(&mut self, name: &str, version: u32) -> Deleted {
        let of_it = |head: &Head| *head.name == *name && head.version == version && head.purged_at.is_none();
        let used = self.heads(of_it);
        match (self.definitions.get_mut(&(name.into(), version)), used.first()) {
            (Some(kept), None) if !is_gone(kept) => {
                kept.source = "".into();
                Deleted::Gone
            }
            (Some(_), Some(example)) => Deleted::InUse { sagas: used.len() as u64, example: example.saga },
            (Some(_) | None, _) => Deleted::Unknown,
        }
    }

    pub(super) fn is_deleted(&self, name: &Arc<str>, version: u32) -> bool {
        self.definitions.get(&(Arc::clone(name), version)).is_some_and(is_gone)
    }

    pub(super) fn definitions(&self, after: Option<&str>, limit: u32) -> Vec<StoredDefinition> {
        let mut newest: BTreeMap<&str, &StoredDefinition> = BTreeMap::new();
        // Versions come in order: the last one of a name stays.
        newest.extend(self.definitions.values().filter(|kept| !is_gone(kept)).map(|kept| (&*kept.name, kept)));
        let above = newest.into_values().filter(|kept| after.is_none_or(|after| *after < *kept.name));
        above.take(at_most(limit)).cloned().collect()
    }

    pub(super) fn versions(&self, name: &str, below: Option<u32>, limit: u32) -> Vec<StoredDefinition> {
        let of_name = self.definitions.values().rev().filter(|kept| *kept.name == *name && !is_gone(kept));
        let under = of_name.filter(|kept| below.is_none_or(|below| kept.version < below));
        under.take(at_most(limit)).cloned().collect()
    }
}
