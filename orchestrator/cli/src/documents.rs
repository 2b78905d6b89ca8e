//! Reads the OpenAPI documents that a catalogue names.
//!
//! Who calls it: whoever checks definitions against a catalogue, before anything else. **It must never know** what is in one.

use std::{fs, path::Path, sync::Arc};

use amends_core::{definition::limits, openapi::Api};
use amends_engine::Catalogue;
use anyhow::{Context, bail};

/// Reads every document of the catalogue into it.
///
/// # Errors
/// One cannot be read, or is none that calls can be checked against: which, and where in it.
pub(crate) fn read(catalogue: &mut Catalogue) -> anyhow::Result<()> {
    for (name, service) in &mut catalogue.services {
        let Some(file) = &service.openapi else { continue };
        let api = document(file)
            .with_context(|| format!("the OpenAPI document of service `{name}` cannot be used: {}", file.display()))?;
        service.api = Some(Arc::new(api));
    }
    Ok(())
}

fn document(file: &Path) -> anyhow::Result<Api> {
    // Before it is in memory.
    let bytes = fs::metadata(file)?.len();
    if bytes > u64::try_from(limits::DOCUMENT_BYTES)? {
        bail!("it has {bytes} bytes; the limit is {} MiB", limits::DOCUMENT_BYTES / 1024 / 1024);
    }
    Ok(Api::read(&fs::read_to_string(file)?)?)
}
