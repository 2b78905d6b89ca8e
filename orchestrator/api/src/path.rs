//! Parts of a path: a saga's or webhook's id, a definition's name and version.

use amends_core::{
    definition::limits,
    ids::{LockName, SagaId, SignalName},
};
use axum::extract::{FromRequestParts, Path};
use http::request::Parts;
use uuid::Uuid;

use crate::error::ApiError;

/// `{id}`
pub(crate) struct InPath(pub(crate) SagaId);

/// `{id}` and `{name}` of a signal
pub(crate) struct SignalInPath(pub(crate) SagaId, pub(crate) SignalName);

/// `{id}` of a webhook
pub(crate) struct WebhookInPath(pub(crate) Uuid);

/// `{name}` of a lock
pub(crate) struct LockInPath(pub(crate) LockName);

/// `{name}`
pub(crate) struct NameInPath(pub(crate) String);

/// `{name}` and `{version}`
pub(crate) struct VersionInPath(pub(crate) String, pub(crate) u32);

impl<S: Send + Sync> FromRequestParts<S> for InPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Path(text) = Path::<String>::from_request_parts(parts, state).await.map_err(refused)?;
        parse_id(&text).map(Self)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for SignalInPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Path((id, name)) = Path::<(String, String)>::from_request_parts(parts, state).await.map_err(refused)?;
        let fits = name.len() <= limits::NAME_BYTES
            && name.starts_with(|c: char| c.is_ascii_alphabetic())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        if !fits {
            let why = format!(
                "a signal's name: a letter, then letters, digits, `-`, `_`; at most {} bytes",
                limits::NAME_BYTES
            );
            return Err(ApiError::InvalidPath(why));
        }
        Ok(Self(parse_id(&id)?, name.as_str().into()))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for LockInPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Path(name) = Path::<String>::from_request_parts(parts, state).await.map_err(refused)?;
        if name.is_empty() || name.len() > limits::LOCK_BYTES || name.chars().any(char::is_control) {
            let why = format!("a lock's name: 1 to {} bytes without control characters", limits::LOCK_BYTES);
            return Err(ApiError::InvalidPath(why));
        }
        Ok(Self(name.as_str().into()))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for WebhookInPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Path(text) = Path::<String>::from_request_parts(parts, state).await.map_err(refused)?;
        let id = parse_uuid(&text);
        id.map(Self).ok_or_else(|| ApiError::InvalidPath("a webhook's id is a UUID, 8-4-4-4-12 hex digits".to_owned()))
    }
}

fn parse_id(text: &str) -> Result<SagaId, ApiError> {
    parse_uuid(text)
        .map(SagaId)
        .ok_or_else(|| ApiError::InvalidPath("a saga's id is a UUID, 8-4-4-4-12 hex digits".to_owned()))
}

/// Uuid reads braces, URNs and bare digits too; one thing has one address.
fn parse_uuid(text: &str) -> Option<Uuid> {
    const HYPHENATED_CHARS: usize = 36;
    Some(text).filter(|text| text.len() == HYPHENATED_CHARS).and_then(|text| text.parse().ok())
}

impl<S: Send + Sync> FromRequestParts<S> for NameInPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Path(name) = Path::<String>::from_request_parts(parts, state).await.map_err(refused)?;
        check_name(&name).map_err(|why| ApiError::InvalidPath(why.to_owned()))?;
        Ok(Self(name))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for VersionInPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Path((name, version)) =
            Path::<(String, String)>::from_request_parts(parts, state).await.map_err(refused)?;
        check_name(&name).map_err(|why| ApiError::InvalidPath(why.to_owned()))?;
        let version = parse_version(&version).ok_or_else(|| ApiError::InvalidPath(VERSION.to_owned()))?;
        Ok(Self(name, version))
    }
}

const VERSION: &str = "a version is a number from 1 to 2147483647";

fn parse_version(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|version| digits && check_version(*version).is_ok())
}

/// Whether a definition could have this version.
pub(crate) fn check_version(version: u32) -> Result<(), &'static str> {
    if (1..=i32::MAX.unsigned_abs()).contains(&version) { Ok(()) } else { Err(VERSION) }
}

/// Whether a definition could have this name; what could not is not even looked for.
pub(crate) fn check_name(name: &str) -> Result<(), &'static str> {
    if name.is_empty() || name.len() > limits::NAME_BYTES {
        Err("a definition's name has 1 to 64 bytes")
    } else if name.chars().any(char::is_control) {
        Err("a definition's name has no control characters")
    } else {
        Ok(())
    }
}

fn refused(rejection: axum::extract::rejection::PathRejection) -> ApiError {
    ApiError::InvalidPath(rejection.body_text())
}
