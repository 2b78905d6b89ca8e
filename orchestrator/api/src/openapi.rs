//! The OpenAPI document: made from the very routes that are served, so that neither can be without the other.

use std::collections::BTreeMap;

use amends_engine::Engine;
use amends_protocol::problem::{PROBLEM_JSON, Problem};
use axum::{
    Extension,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::header;
use utoipa::{
    IntoResponses, OpenApi, PartialSchema, ToSchema,
    openapi::{
        self, ContentBuilder, Header, ObjectBuilder, Ref, RefOr, ResponseBuilder, path::Operation, schema::Type,
    },
};
use utoipa_axum::router::OpenApiRouter;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Amends",
        description = "A saga orchestrator: starts, shows and undoes business transactions that cross several services. \
            Every error is a problem (RFC 9457) whose `type` is a stable URN.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
    ),
    tags(
        (name = "sagas", description = "Runs of definitions"),
        (name = "callbacks", description = "What participants say later of calls that they accepted"),
        (name = "definitions", description = "What sagas are made from"),
        (name = "events", description = "What happens to sagas, told as it happens"),
        (name = "webhooks", description = "Who is told what happens to sagas, by a request for each event"),
        (name = "locks", description = "What sagas have for themselves"),
        (name = "faults", description = "What goes wrong on purpose, in servers that were started for it"),
        (name = "nodes", description = "Processes that drive sagas"),
        (name = "health", description = "Whether the server is there, and which one it is"),
    ),
)]
struct Head;

/// A router with the document's head.
pub(crate) fn parts() -> OpenApiRouter<Engine> {
    let mut head = Head::openapi();
    // Answers refer to problems by name only, so nothing brings their schemas in by itself.
    let mut schemas = vec![(Problem::name().into_owned(), Problem::schema())];
    Problem::schemas(&mut schemas);
    head.components.get_or_insert_default().schemas.extend(schemas);
    OpenApiRouter::with_openapi(head)
}

/// The finished document, as the layer that [`document`] takes it from.
pub(crate) fn served(mut document: openapi::OpenApi) -> Extension<Document> {
    for item in document.paths.paths.values_mut() {
        let methods = [&mut item.get, &mut item.post, &mut item.put, &mut item.delete];
        for operation in methods.into_iter().flatten() {
            add_any_problem(operation);
        }
    }
    let json = document.to_json().expect("invariant: an OpenAPI document can be written");
    Extension(Document(json.into()))
}

/// What may happen to every request: a failure of the server, or an error that needs no words of its own.
fn add_any_problem(operation: &mut Operation) {
    operation.responses.responses.insert("default".to_owned(), problem("Any other problem"));
}

/// The document as text.
#[derive(Clone)]
pub(crate) struct Document(Bytes);

/// This document.
#[utoipa::path(
    get,
    path = "/openapi.json",
    operation_id = "openapi",
    tag = "health",
    responses((status = 200, description = "OpenAPI 3.1", body = Object)),
)]
pub(crate) async fn document(Extension(Document(json)): Extension<Document>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], json).into_response()
}

fn problem(description: &str) -> RefOr<openapi::Response> {
    let schema = Ref::from_schema_name(Problem::name());
    let content = ContentBuilder::new().schema(Some(schema)).build();
    ResponseBuilder::new().description(description).content(PROBLEM_JSON, content).build().into()
}

fn with_retry_after(response: RefOr<openapi::Response>) -> RefOr<openapi::Response> {
    let RefOr::T(mut response) = response else { return response };
    let seconds = ObjectBuilder::new().schema_type(Type::Integer).description(Some("Seconds")).build();
    response.headers.insert("Retry-After".to_owned(), Header::new(seconds).into());
    response.into()
}

/// A problem with this status, for the `responses` of an endpoint.
pub(crate) struct ProblemWith<const STATUS: u16>;

impl<const STATUS: u16> IntoResponses for ProblemWith<STATUS> {
    fn responses() -> BTreeMap<String, RefOr<openapi::Response>> {
        let description = match STATUS {
            400 => "A part of the request is malformed: path, query, header or the syntax of the body",
            401 => "It is not signed as it should be",
            403 => "It is not allowed here",
            404 => "There is no such thing",
            409 => "It cannot be done, or not any more",
            410 => "The saga has ended, or what it is about is over",
            413 => "The body is too large",
            415 => "The body has another content type than is read here",
            422 => "The body can be read, but is not what it should be; `errors` says where",
            429 => "As many sagas are live, or streams open, as may be; `Retry-After` says when to ask again",
            503 => "The server cannot do it now; `Retry-After` says when to ask again",
            _ => "A problem",
        };
        let response = match STATUS {
            429 | 503 => with_retry_after(problem(description)),
            _ => problem(description),
        };
        BTreeMap::from([(STATUS.to_string(), response)])
    }
}

pub(crate) type BadRequest = ProblemWith<400>;
pub(crate) type Unsigned = ProblemWith<401>;
pub(crate) type Forbidden = ProblemWith<403>;
pub(crate) type NotFound = ProblemWith<404>;
pub(crate) type Conflict = ProblemWith<409>;
pub(crate) type Gone = ProblemWith<410>;
pub(crate) type BodyTooLarge = ProblemWith<413>;
pub(crate) type NotJson = ProblemWith<415>;
pub(crate) type NotYaml = ProblemWith<415>;
pub(crate) type Unprocessable = ProblemWith<422>;
pub(crate) type Overloaded = ProblemWith<429>;
pub(crate) type Unavailable = ProblemWith<503>;
