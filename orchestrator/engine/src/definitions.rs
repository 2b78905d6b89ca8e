//! Definitions by name and version, compiled once. A registered one never changes, so the cache needs no end of validity;
//! only "the latest" is asked for anew after a registration, and by the clock where other processes may register.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use amends_core::{
    definition::{self, Definition, Diagnostic, Severity, limits},
    ids::Digest,
};
use amends_store::{NewDefinition, Put, StoreError, StoredDefinition};

use crate::{Engine, RegisterError};

/// How long another process's registration may go unseen by a start that asks for the latest version.
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
    /// With when it was read.
    latest: HashMap<Arc<str>, (u32, Instant)>,
}

pub(crate) type Definitions = Mutex<Cache>;

impl Engine {
    /// Checks a definition against the catalogue, and keeps nothing.
    pub fn check(&self, source: &str) -> Vec<Diagnostic> {
        definition::parse(source, Some(&self.inner.catalogue.names())).diagnostics
    }

    /// Checks a definition and keeps it for good under its name and version. The same text again is no change.
    ///
    /// # Errors
    /// See [`RegisterError`]; nothing was written.
    pub async fn register(&self, source: &str) -> Result<Registered, RegisterError> {
        if source.len() > limits::SOURCE_BYTES {
            return Err(RegisterError::TooLarge { limit_bytes: limits::SOURCE_BYTES });
        }
        let checked = definition::parse(source, Some(&self.inner.catalogue.names()));
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
        cache.latest.remove(&definition.name);
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
        {
            let cache = self.cache();
            let alone = self.inner.membership.sole();
            let fresh = |read: &Instant| alone || read.elapsed() < LATEST_FOR;
            let latest = || cache.latest.get(name).filter(|(_, read)| fresh(read)).map(|(version, _)| *version);
            let version = version.or_else(latest);
            let cached =
                version.and_then(|version| Some((cache.compiled.get(&(name.into(), version))?.clone(), version)));
            if cached.is_some() {
                return Ok(cached);
            }
        }
        let Some(stored) = self.inner.store.definition(name, version).await? else { return Ok(None) };
        let compiled = compile(&stored)?;
        let mut cache = self.cache();
        if cache.compiled.len() >= CACHED {
            *cache = Cache::default();
        }
        if version.is_none() {
            cache.latest.insert(stored.name.clone(), (stored.version, Instant::now()));
        }
        cache.compiled.insert((stored.name.clone(), stored.version), compiled.clone());
        Ok(Some((compiled, stored.version)))
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
