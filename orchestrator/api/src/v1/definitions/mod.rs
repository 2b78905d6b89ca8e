//! `/v1/definitions`

mod check;
mod delete;
mod diff;
mod disable;
mod get;
mod graph;
mod list;
mod register;
mod version;
mod versions;

use amends_engine::Engine;
use amends_protocol::v1;
use amends_store::StoredDefinition;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::view;

pub(crate) fn routes() -> OpenApiRouter<Engine> {
    OpenApiRouter::new()
        .routes(routes!(list::list, register::register))
        .routes(routes!(check::check, get::named_check))
        .routes(routes!(get::get))
        .routes(routes!(versions::versions))
        .routes(routes!(version::version, delete::delete))
        .routes(routes!(graph::graph))
        .routes(routes!(diff::diff))
        .routes(routes!(disable::disable))
        .routes(routes!(disable::enable))
}

/// Lists leave the text out.
fn item(stored: &StoredDefinition) -> v1::DefinitionView {
    v1::DefinitionView {
        name: stored.name.to_string(),
        version: stored.version,
        digest: stored.digest.to_string(),
        created_at: view::time(stored.created_at),
        disabled_at: stored.disabled_at.map(view::time),
        source: None,
    }
}

fn whole(stored: &StoredDefinition) -> v1::DefinitionView {
    v1::DefinitionView { source: Some(stored.source.to_string()), ..item(stored) }
}

fn diagnostic(found: &amends_core::definition::Diagnostic) -> v1::Diagnostic {
    v1::Diagnostic {
        code: found.code.to_owned(),
        severity: match found.severity {
            amends_core::definition::Severity::Error => v1::Severity::Error,
            amends_core::definition::Severity::Warning => v1::Severity::Warning,
        },
        message: found.message.clone(),
        line: found.line,
        column: found.column,
        hint: found.hint.clone(),
    }
}
