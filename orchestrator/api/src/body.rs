//! Bodies of requests: read whole within a limit and a time, then parsed.
//!
//! Text that is no JSON is 400; JSON with the wrong fields is 422 and says where.

use std::time::Duration;

use axum::extract::{FromRequest, Request};
use bytes::Bytes;
use http::{HeaderMap, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::DeserializeOwned;
use serde_path_to_error::Segment;

use crate::error::ApiError;

/// Of a JSON body.
const JSON_BYTES: usize = 1024 * 1024;
/// Of a definition; the same as core's, so that nothing larger is even read.
const YAML_BYTES: usize = amends_core::definition::limits::SOURCE_BYTES;
/// For the whole body: a connection that trickles is a connection held.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// A JSON body.
pub(crate) struct Json<T>(pub(crate) T);

/// A JSON body that may be left out or `null`, and is then as if every field were.
pub(crate) struct JsonOrNothing<T>(pub(crate) T);

/// The text of a definition.
pub(crate) struct Yaml(pub(crate) String);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        check_json(request.headers())?;
        parse(&read(request, JSON_BYTES).await?).map(Self)
    }
}

impl<S: Send + Sync, T: DeserializeOwned + Default> FromRequest<S> for JsonOrNothing<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        let typed = check_json(request.headers());
        let bytes = read(request, JSON_BYTES).await?;
        if bytes.is_empty() {
            return Ok(Self(T::default()));
        }
        typed?;
        parse::<Option<T>>(&bytes).map(|body| Self(body.unwrap_or_default()))
    }
}

impl<S: Send + Sync> FromRequest<S> for Yaml {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        const YAML: [&str; 4] = ["application/yaml", "text/yaml", "application/x-yaml", "text/plain"];
        if !media_type(request.headers()).is_some_and(|media| YAML.contains(&media.as_str())) {
            return Err(ApiError::UnsupportedMediaType { expected: "application/yaml, text/yaml or text/plain" });
        }
        let bytes = read(request, YAML_BYTES).await?;
        String::from_utf8(bytes.into()).map(Self).map_err(|error| {
            let upto = error.utf8_error().valid_up_to();
            malformed(format!("the text is not UTF-8: byte {upto} begins no character"))
        })
    }
}

/// A body whose very bytes count, because somebody signed them.
pub(crate) struct RawBody(pub(crate) Bytes);

impl<S: Send + Sync> FromRequest<S> for RawBody {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        read(request, JSON_BYTES).await.map(Self)
    }
}

fn check_json(headers: &HeaderMap) -> Result<(), ApiError> {
    let is_json =
        |media: &str| media == "application/json" || (media.starts_with("application/") && media.ends_with("+json"));
    match media_type(headers) {
        Some(media) if is_json(&media) => Ok(()),
        _ => Err(ApiError::UnsupportedMediaType { expected: "application/json" }),
    }
}

/// In lower case, without its parameters.
fn media_type(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    value.split(';').next().map(|media| media.trim().to_ascii_lowercase())
}

async fn read(request: Request, limit_bytes: usize) -> Result<Bytes, ApiError> {
    let too_large = || ApiError::BodyTooLarge { limit_bytes };
    let declared = request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    if declared.is_some_and(|length: u64| length > limit_bytes as u64) {
        return Err(too_large());
    }
    let whole = Limited::new(request.into_body(), limit_bytes).collect();
    match tokio::time::timeout(BODY_TIMEOUT, whole).await {
        Err(_) => Err(ApiError::BodyTimeout { limit: BODY_TIMEOUT }),
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(_)) => Err(malformed("it broke off or is not framed as HTTP says".to_owned())),
    }
}

fn malformed(message: String) -> ApiError {
    ApiError::MalformedBody { message, line: None, column: None }
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    if let Ok(body) = serde_json::from_slice(bytes) {
        return Ok(body);
    }
    // A value first: what is no JSON at all is told apart from JSON with the wrong fields, wherever they stand.
    let value: serde_json::Value = serde_json::from_slice(bytes).map_err(|error| ApiError::MalformedBody {
        message: format!("the body is not JSON: {error}"),
        line: u32::try_from(error.line()).ok(),
        column: u32::try_from(error.column()).ok(),
    })?;
    serde_path_to_error::deserialize(value)
        .map_err(|error| ApiError::InvalidBody { pointer: pointer(error.path()), message: error.inner().to_string() })
}

/// RFC 6901.
fn pointer(path: &serde_path_to_error::Path) -> String {
    path.iter()
        .map(|segment| match segment {
            Segment::Seq { index } => format!("/{index}"),
            Segment::Map { key } => format!("/{}", key.replace('~', "~0").replace('/', "~1")),
            Segment::Enum { variant } => format!("/{variant}"),
            Segment::Unknown => String::new(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use amends_protocol::v1::StartRequest;

    use super::*;

    #[test]
    fn wrong_fields_are_pointed_at() {
        for (body, expected) in [
            (r#"{"definition":"x","inptu":1}"#, "/inptu"),
            (r#"{"definition":7}"#, "/definition"),
            (r#"{"definition":"x","version":-1}"#, "/version"),
            (r#"{"definition":"x","labels":[]}"#, "/labels"),
            (r#"{}"#, ""),
            (r#"[]"#, ""),
        ] {
            match parse::<StartRequest>(body.as_bytes()) {
                Err(ApiError::InvalidBody { pointer, .. }) => assert_eq!(pointer, expected, "{body}"),
                other => panic!("{body}: {other:?}"),
            }
        }
    }

    #[test]
    fn text_that_is_no_json_says_where_it_breaks_off() {
        let deep = format!("{{\"definition\":\"x\",\"input\":{}", "[".repeat(10_000));
        for body in ["{\"definition\":", "", "nul", "{\"definition\":\"x\"} 1", "\u{feff}{}", &deep] {
            match parse::<StartRequest>(body.as_bytes()) {
                Err(ApiError::MalformedBody { line: Some(_), column: Some(_), .. }) => {}
                other => panic!("{body}: {other:?}"),
            }
        }
    }
}
