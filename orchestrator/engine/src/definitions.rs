//! Definitions by name and version, compiled once. A registered one never changes, so the cache needs no end of validity (of
//! one that was deleted the store makes no saga);
//! only which of them take starts is asked for anew: after a registration or a word of an operator here, and by the clock where
//! other processes may have heard one.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use amends_core::{
    definition::{self, Checked, Definition, Diagnostic, Severity, check_children, limits},
    ids::Digest,
};
use amends_store::{Deleted, NewDefinition, Put, StoreError, StoredDefinition};
use tokio::time::Instant;

use crate::{Engine, RegisterError};

/// How long another process's registration, or its disabling of a version, may go unseen by starts at this one.
const LATEST_FOR: Duration = Duration::from_millis(500);
/// Compiled definitions kept at once; the cache starts anew beyond it.
const CACHED: usize = 1_000;

/// What became of a registration.
#[derive(Debug)]
pub struct Registered {
    pub definition: Arc<Definition>,
    pub version: u32,
    /// It was not there before.
    pub created: bool,
    pub warnings: Vec<Diagnostic>,
}

#[derive(Default)]
pub(crate) struct Cache {
    compiled: HashMap<(Arc<str>, u32), Arc<Definition>>,
    /// What a start that asks for this name and version gets, with when it was read.
    starts: HashMap<(Arc<str>, Option<u32>), (u32, Instant)>,
    /// Counts what makes `starts` outdated: what was read before is not kept after.
    turns: u64,
}

impl Cache {
    /// Which versions take starts is another now.
    fn turn(&mut self) {
        self.turns += 1;
        self.starts.clear();
    }
}

/// A definition for a start.
pub(crate) enum Startable {
    Version(Arc<Definition>, u32),
    /// It is there, and takes no starts.
    Disabled,
    Unknown,
}

pub(crate) type Definitions = Mutex<Cache>;

impl Engine {
    /// Checks a definition against the catalogue and the definitions of its children, and keeps nothing.
    ///
    /// # Errors
    /// The store cannot be asked.
    pub async fn check(&self, source: &str) -> Result<Vec<Diagnostic>, StoreError> {
        Ok(self.checked(source).await?.diagnostics)
    }

    async fn checked(&self, source: &str) -> Result<Checked, StoreError> {
        let mut checked = definition::parse(source, Some(&self.inner.services));
        let Some(definition) = checked.definition.take() else { return Ok(checked) };
        let known = self.descendants(&definition).await?;
        let of_children = check_children(&definition, &known, Severity::Error);
        let refused = of_children.iter().any(|found| found.severity == Severity::Error);
        checked.diagnostics.extend(of_children);
        checked.diagnostics.sort_by_key(|found| (found.line, found.column, found.code));
        checked.definition = Some(definition).filter(|_| !refused);
        Ok(checked)
    }

    /// Checks a definition and keeps it for good under its name and version. The same text again is no change.
    ///
    /// # Errors
    /// See [`RegisterError`]; nothing was written.
    pub async fn register(&self, source: &str) -> Result<Registered, RegisterError> {
        if source.len() > limits::SOURCE_BYTES {
            return Err(RegisterError::TooLarge { limit_bytes: limits::SOURCE_BYTES });
        }
        let checked = self.checked(source).await?;
        let Some(definition) = checked.definition else { return Err(RegisterError::Invalid(checked.diagnostics)) };
        let new = NewDefinition {
            name: definition.name.clone(),
            version: definition.version,
            digest: definition.digest.clone(),
            source: definition.source.clone(),
            at: self.inner.clock.now(),
        };
        let (version, created) = match self.inner.store.put_definition(new).await? {
            Put::Created(version) => (version, true),
            Put::Same(version) => (version, false),
            Put::Taken { .. } => {
                let version = definition.version.expect("invariant: only a version that was asked for can be taken");
                return Err(RegisterError::Taken { name: definition.name.to_string(), version });
            }
        };
        let definition = Arc::new(definition);
        let mut cache = self.cache();
        cache.turn();
        cache.compiled.insert((definition.name.clone(), version), definition.clone());
        let warnings = checked.diagnostics.into_iter().filter(|found| found.severity == Severity::Warning).collect();
        Ok(Registered { definition, version, created, warnings })
    }

    /// A definition; without a version the latest.
    ///
    /// # Errors
    /// The store cannot be asked, or what it keeps does not compile any more.
    pub async fn definition(&self, name: &str, version: Option<u32>) -> Result<Option<Arc<Definition>>, StoreError> {
        Ok(self.versioned(name, version).await?.map(|(definition, _)| definition))
    }

    /// The same, with its version.
    pub(crate) async fn versioned(
        &self,
        name: &str,
        version: Option<u32>,
    ) -> Result<Option<(Arc<Definition>, u32)>, StoreError> {
        let cached = |version| Some((self.cache().compiled.get(&(name.into(), version))?.clone(), version));
        if let Some(cached) = version.and_then(cached) {
            return Ok(Some(cached));
        }
        let Some(stored) = self.inner.store.definition(name, version).await? else { return Ok(None) };
        self.keep(&stored).map(|compiled| Some((compiled, stored.version)))
    }

    /// The definition that a start gets; without a version the highest that is not disabled.
    pub(crate) async fn startable(&self, name: &str, version: Option<u32>) -> Result<Startable, StoreError> {
        let turns = {
            let cache = self.cache();
            let alone = self.inner.membership.sole();
            let fresh = |read: &Instant| alone || read.elapsed() < LATEST_FOR;
            let start = cache.starts.get(&(name.into(), version)).filter(|(_, read)| fresh(read));
            let cached = start.and_then(|(version, _)| Some((cache.compiled.get(&(name.into(), *version))?, *version)));
            if let Some((definition, version)) = cached {
                return Ok(Startable::Version(definition.clone(), version));
            }
            cache.turns
        };
        let read = Instant::now();
        let stored = match version {
            Some(version) => match self.inner.store.definition(name, Some(version)).await? {
                Some(stored) if stored.disabled_at.is_some() => return Ok(Startable::Disabled),
                stored => stored,
            },
            None => self.inner.store.startable(name).await?,
        };
        let Some(stored) = stored else {
            let disabled = version.is_none() && self.inner.store.definition(name, None).await?.is_some();
            return Ok(if disabled { Startable::Disabled } else { Startable::Unknown });
        };
        let compiled = self.keep(&stored)?;
        let mut cache = self.cache();
        if cache.turns == turns {
            if cache.starts.len() >= CACHED {
                cache.starts.clear();
            }
            cache.starts.insert((stored.name.clone(), version), (stored.version, read));
        }
        Ok(Startable::Version(compiled, stored.version))
    }

    /// From now on the version takes no new starts, or takes them again. Sagas that run go on. `None`: there is none.
    /// Other processes follow within half a second.
    ///
    /// # Errors
    /// The store cannot be asked.
    pub async fn set_disabled(
        &self,
        name: &str,
        version: u32,
        disabled: bool,
    ) -> Result<Option<StoredDefinition>, StoreError> {
        let at = disabled.then(|| self.inner.clock.now());
        let set = self.inner.store.set_disabled(name, version, at).await;
        // Also after an error: it may have gone in all the same.
        self.cache().turn();
        if set? { self.inner.store.definition(name, Some(version)).await } else { Ok(None) }
    }

    /// Deletes a version that no saga was made of which is still kept. Its number is never given again.
    ///
    /// # Errors
    /// The store cannot be asked, or somebody else changes the same version.
    pub async fn delete_definition(&self, name: &str, version: u32) -> Result<Deleted, StoreError> {
        let deleted = self.inner.store.delete_definition(name, version, self.inner.clock.now()).await;
        // Also after an error: it may have gone all the same. What is compiled is compiled again if it is asked for.
        let mut cache = self.cache();
        cache.turn();
        cache.compiled.remove(&(name.into(), version));
        deleted
    }

    /// Which versions take starts is to be asked anew.
    pub(crate) fn forget_what_is_startable(&self) {
        self.cache().turn();
    }

    fn keep(&self, stored: &StoredDefinition) -> Result<Arc<Definition>, StoreError> {
        let key = (stored.name.clone(), stored.version);
        if let Some(compiled) = self.cache().compiled.get(&key) {
            return Ok(compiled.clone());
        }
        let compiled = compile(stored)?;
        let mut cache = self.cache();
        if cache.compiled.len() >= CACHED {
            cache.compiled.clear();
        }
        cache.compiled.insert(key, compiled.clone());
        Ok(compiled)
    }

    /// The very text a saga was started with (invariant 11).
    pub(crate) async fn pinned(
        &self,
        name: &str,
        version: u32,
        digest: &Digest,
    ) -> Result<Arc<Definition>, StoreError> {
        let corrupt = |why: &str| StoreError::Corrupt { reason: format!("definition {name} version {version}: {why}") };
        let (definition, _) = self.versioned(name, Some(version)).await?.ok_or_else(|| corrupt("it is gone"))?;
        if definition.digest == *digest { Ok(definition) } else { Err(corrupt("it is another text than the saga's")) }
    }

    fn cache(&self) -> std::sync::MutexGuard<'_, Cache> {
        self.inner.definitions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Without the catalogue: a service that has left it since fails the calls, not the reading.
fn compile(stored: &StoredDefinition) -> Result<Arc<Definition>, StoreError> {
    Definition::parse(&stored.source, None).map(Arc::new).map_err(|found| StoreError::Corrupt {
        reason: format!(
            "definition {} version {} does not compile in this version of Amends: {}",
            stored.name,
            stored.version,
            found.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
        ),
    })
}
