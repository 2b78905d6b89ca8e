//! Every error of the API, and the one place where its HTTP status is chosen.
//!
//! An answer to a caller has no SQL, no stack and no secret: what only the operator should see goes to the log, under the
//! request's id, which the caller is told.

use std::{any::Any, time::Duration};

use amends_core::{
    UnfitSignal,
    definition::{Diagnostic, InputError},
    ids::SagaId,
};
use amends_engine::{CallbackError, CancelError, RegisterError, SignalError, StartError};
use amends_events::{NotReceived, WebhookError};
use amends_protocol::problem::{Problem, ProblemError, ProblemType};
use amends_store::StoreError;
use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};

/// When a store that is away may be asked again.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// A server that shuts down is replaced by another.
const RETRY_ELSEWHERE_AFTER: Duration = Duration::from_secs(5);

/// Why a request has no other answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApiError {
    #[error("there is nothing at this path")]
    UnknownRoute,
    #[error("this path does not have this method; `Allow` says which it has")]
    MethodNotAllowed,
    #[error("{0}")]
    InvalidPath(String),
    #[error("{0}")]
    InvalidQuery(String),
    #[error("give back `next_cursor` of a page of the same list, with the same filter, as it is")]
    InvalidCursor,
    #[error("{name}: {why}")]
    InvalidHeader { name: &'static str, why: &'static str },
    #[error("send the body as {expected}")]
    UnsupportedMediaType { expected: &'static str },
    #[error("at most {limit_bytes} bytes are read here")]
    BodyTooLarge { limit_bytes: usize },
    #[error("it was not there after {} seconds", .limit.as_secs())]
    BodyTimeout { limit: Duration },
    #[error("{message}")]
    MalformedBody { message: String, line: Option<u32>, column: Option<u32> },
    #[error("{}: {message}", if pointer.is_empty() { "the body" } else { pointer })]
    InvalidBody { pointer: String, message: String },
    #[error("there is no definition `{name}`{}", version.map(|version| format!(" in version {version}")).unwrap_or_default())]
    UnknownDefinition { name: String, version: Option<u32> },
    #[error("{sagas} {} of version {version} of `{name}` kept, e.g. {example}; retention ends that", if *.sagas == 1 { "saga is" } else { "sagas are" })]
    DefinitionInUse { name: String, version: u32, sagas: u64, example: SagaId },
    #[error("there is no saga {0}")]
    UnknownSaga(SagaId),
    #[error(transparent)]
    Start(#[from] StartError),
    /// The saga is started, and durable; only its view could not be read.
    #[error("saga {saga} is started, but cannot be read at the moment: {source}")]
    StartedUnread { saga: SagaId, source: Box<ApiError> },
    #[error(transparent)]
    Cancel(#[from] CancelError),
    #[error("{1}")]
    Signal(SagaId, #[source] SignalError),
    #[error(transparent)]
    Callback(#[from] CallbackError),
    #[error(
        "this server does not inject faults; start one that may, for tests only, with `amends serve --allow-faults`"
    )]
    FaultsNotAllowed,
    #[error("{}", match .0.len() { 1 => "there is a mistake in the plan".to_owned(), many => format!("there are {many} mistakes in the plan") })]
    InvalidFaults(Vec<Diagnostic>),
    #[error(transparent)]
    Register(#[from] RegisterError),
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A journal or a definition that this version cannot read.
    #[error("{0}")]
    Unreadable(String),
    #[error(transparent)]
    NotReceived(#[from] NotReceived),
    #[error(transparent)]
    Webhook(#[from] WebhookError),
    #[error("at most {max} streams are open at once")]
    TooManyStreams { max: usize },
    #[error("{0}")]
    NotACursor(#[from] amends_events::NotACursor),
    #[error("the server is shutting down")]
    ShuttingDown,
    #[error("a request panicked: {0}")]
    Panic(String),
    /// Something below answered with this status and no problem.
    #[error("an answer with status {0} and no problem")]
    Bare(StatusCode),
}

/// A problem in the making.
struct Answer {
    status: StatusCode,
    kind: ProblemType,
    /// `None`: only the log may have it.
    detail: Option<String>,
    errors: Vec<ProblemError>,
    retry_after: Option<Duration>,
}

impl ApiError {
    fn answer(&self) -> Answer {
        use ProblemType as Kind;
        let text = self.to_string();
        match self {
            Self::UnknownRoute => plain(StatusCode::NOT_FOUND, Kind::UnknownRoute, text),
            Self::MethodNotAllowed => plain(StatusCode::METHOD_NOT_ALLOWED, Kind::MethodNotAllowed, text),
            Self::InvalidPath(_) => plain(StatusCode::BAD_REQUEST, Kind::InvalidPath, text),
            Self::InvalidQuery(_) => plain(StatusCode::BAD_REQUEST, Kind::InvalidQuery, text),
            Self::InvalidCursor => plain(StatusCode::BAD_REQUEST, Kind::InvalidCursor, text),
            Self::InvalidHeader { .. } => plain(StatusCode::BAD_REQUEST, Kind::InvalidHeader, text),
            Self::UnsupportedMediaType { .. } => {
                plain(StatusCode::UNSUPPORTED_MEDIA_TYPE, Kind::UnsupportedMediaType, text)
            }
            Self::BodyTooLarge { .. } => plain(StatusCode::PAYLOAD_TOO_LARGE, Kind::BodyTooLarge, text),
            Self::BodyTimeout { .. } => plain(StatusCode::REQUEST_TIMEOUT, Kind::BodyTimeout, text),
            Self::MalformedBody { message, line, column } => {
                let error =
                    ProblemError { line: *line, column: *column, message: message.clone(), ..ProblemError::default() };
                plain(StatusCode::BAD_REQUEST, Kind::MalformedBody, text).with(vec![error])
            }
            Self::InvalidBody { pointer, message } => plain(StatusCode::UNPROCESSABLE_ENTITY, Kind::InvalidBody, text)
                .with(vec![at(pointer.clone(), message.clone())]),
            Self::UnknownDefinition { .. } => plain(StatusCode::NOT_FOUND, Kind::UnknownDefinition, text),
            Self::DefinitionInUse { .. } => plain(StatusCode::CONFLICT, Kind::DefinitionInUse, text),
            Self::UnknownSaga(_) => plain(StatusCode::NOT_FOUND, Kind::UnknownSaga, text),
            Self::Start(error) => start(error, text),
            Self::StartedUnread { saga, source } => Answer {
                detail: Some(format!("saga {saga} is started and goes on, but it cannot be read at the moment")),
                ..source.answer()
            },
            Self::Cancel(error) => match error {
                CancelError::UnknownSaga => plain(StatusCode::NOT_FOUND, Kind::UnknownSaga, text),
                CancelError::TooLate { .. } => plain(StatusCode::CONFLICT, Kind::TooLate, text),
                CancelError::Store(error) => store(error),
            },
            Self::Signal(saga, error) => match error {
                SignalError::UnknownSaga => {
                    plain(StatusCode::NOT_FOUND, Kind::UnknownSaga, format!("there is no saga {saga}"))
                }
                SignalError::Unfit(UnfitSignal::TooLarge) => {
                    plain(StatusCode::PAYLOAD_TOO_LARGE, Kind::BodyTooLarge, text)
                }
                SignalError::Unfit(_) => plain(StatusCode::UNPROCESSABLE_ENTITY, Kind::InvalidSignal, text),
                SignalError::KeyReused => plain(StatusCode::CONFLICT, Kind::KeyReused, text),
                SignalError::TooLate { .. } => plain(StatusCode::CONFLICT, Kind::NotAwaited, text),
                SignalError::Ended => plain(StatusCode::GONE, Kind::SagaEnded, text),
                SignalError::Store(error) => store(error),
            },
            Self::Callback(error) => match error {
                CallbackError::BadToken => plain(StatusCode::FORBIDDEN, Kind::InvalidToken, text),
                CallbackError::OtherVerdict => plain(StatusCode::CONFLICT, Kind::OtherVerdict, text),
                CallbackError::CallOver => plain(StatusCode::GONE, Kind::CallOver, text),
                CallbackError::Ended => plain(StatusCode::GONE, Kind::SagaEnded, text),
                CallbackError::NotUnderstood => {
                    plain(StatusCode::SERVICE_UNAVAILABLE, Kind::ShuttingDown, text).again_after(RETRY_ELSEWHERE_AFTER)
                }
                CallbackError::Store(error) => store(error),
            },
            Self::FaultsNotAllowed => plain(StatusCode::FORBIDDEN, Kind::FaultsNotAllowed, text),
            Self::InvalidFaults(found) => plain(StatusCode::UNPROCESSABLE_ENTITY, Kind::InvalidFaults, text)
                .with(found.iter().map(diagnosed).collect()),
            Self::Register(error) => match error {
                RegisterError::TooLarge { .. } => plain(StatusCode::PAYLOAD_TOO_LARGE, Kind::BodyTooLarge, text),
                RegisterError::Invalid(diagnostics) => {
                    plain(StatusCode::UNPROCESSABLE_ENTITY, Kind::InvalidDefinition, text)
                        .with(diagnostics.iter().map(diagnosed).collect())
                }
                RegisterError::Taken { .. } => plain(StatusCode::CONFLICT, Kind::VersionTaken, text),
                RegisterError::Store(error) => store(error),
            },
            Self::Store(error) => store(error),
            Self::Unreadable(_) => hidden(StatusCode::INTERNAL_SERVER_ERROR, Kind::UnreadableRow),
            Self::NotReceived(error) => match error {
                NotReceived::UnknownSource(_) => plain(StatusCode::NOT_FOUND, Kind::UnknownEventSource, text),
                NotReceived::Unsigned(_) => plain(StatusCode::UNAUTHORIZED, Kind::Unsigned, text),
                NotReceived::NotACloudEvent => {
                    plain(StatusCode::UNSUPPORTED_MEDIA_TYPE, Kind::UnsupportedMediaType, text)
                }
                NotReceived::Invalid { pointer, message } => {
                    plain(StatusCode::UNPROCESSABLE_ENTITY, Kind::InvalidEvent, text)
                        .with(vec![at(pointer.clone(), message.clone())])
                }
            },
            Self::Webhook(error) => match error {
                WebhookError::Invalid { pointer, message } => {
                    plain(StatusCode::UNPROCESSABLE_ENTITY, Kind::InvalidWebhook, text)
                        .with(vec![at((*pointer).to_owned(), message.clone())])
                }
                WebhookError::NotAllowed { .. } => plain(StatusCode::UNPROCESSABLE_ENTITY, Kind::InvalidWebhook, text)
                    .with(vec![at("/url".to_owned(), error.to_string())]),
                WebhookError::Unknown(_) => plain(StatusCode::NOT_FOUND, Kind::UnknownWebhook, text),
                WebhookError::TooMany => plain(StatusCode::CONFLICT, Kind::TooManyWebhooks, text),
                WebhookError::Store(error) => store(error),
            },
            Self::TooManyStreams { .. } => {
                plain(StatusCode::TOO_MANY_REQUESTS, Kind::TooManyStreams, text).again_after(RETRY_ELSEWHERE_AFTER)
            }
            Self::NotACursor(_) => plain(StatusCode::BAD_REQUEST, Kind::InvalidCursor, text),
            Self::ShuttingDown => {
                plain(StatusCode::SERVICE_UNAVAILABLE, Kind::ShuttingDown, text).again_after(RETRY_ELSEWHERE_AFTER)
            }
            Self::Panic(_) => hidden(StatusCode::INTERNAL_SERVER_ERROR, Kind::Internal),
            Self::Bare(status) => hidden(*status, Kind::Internal),
        }
    }
}

fn start(error: &StartError, text: String) -> Answer {
    use ProblemType as Kind;
    match error {
        StartError::UnknownDefinition { .. } => plain(StatusCode::NOT_FOUND, Kind::UnknownDefinition, text),
        StartError::Disabled { .. } => plain(StatusCode::CONFLICT, Kind::DefinitionDisabled, text),
        StartError::Input(errors) => plain(StatusCode::UNPROCESSABLE_ENTITY, Kind::InvalidInput, text)
            .with(errors.iter().map(below_input).collect()),
        StartError::Labels { message } => plain(StatusCode::UNPROCESSABLE_ENTITY, Kind::InvalidLabels, text)
            .with(vec![at("/labels".to_owned(), message.clone())]),
        StartError::Locks { message } => plain(StatusCode::UNPROCESSABLE_ENTITY, Kind::InvalidInput, text)
            .with(vec![at("/input".to_owned(), message.clone())]),
        StartError::KeyReused { .. } => plain(StatusCode::UNPROCESSABLE_ENTITY, Kind::KeyReused, text),
        StartError::Overloaded { retry_after } => {
            plain(StatusCode::TOO_MANY_REQUESTS, Kind::Overloaded, text).again_after(*retry_after)
        }
        StartError::ShuttingDown => {
            plain(StatusCode::SERVICE_UNAVAILABLE, Kind::ShuttingDown, text).again_after(RETRY_ELSEWHERE_AFTER)
        }
        StartError::Store(error) => store(error),
    }
}

/// What a store says of itself may name tables and files: it goes to the log.
fn store(error: &StoreError) -> Answer {
    match error {
        StoreError::Unavailable { .. } => {
            hidden(StatusCode::SERVICE_UNAVAILABLE, ProblemType::StoreUnavailable).again_after(RETRY_AFTER)
        }
        StoreError::Corrupt { .. } => hidden(StatusCode::INTERNAL_SERVER_ERROR, ProblemType::UnreadableRow),
        StoreError::Refused { .. } => hidden(StatusCode::INTERNAL_SERVER_ERROR, ProblemType::Internal),
    }
}

fn plain(status: StatusCode, kind: ProblemType, detail: String) -> Answer {
    Answer { status, kind, detail: Some(detail), errors: Vec::new(), retry_after: None }
}

fn hidden(status: StatusCode, kind: ProblemType) -> Answer {
    Answer { status, kind, detail: None, errors: Vec::new(), retry_after: None }
}

impl Answer {
    fn with(self, errors: Vec<ProblemError>) -> Self {
        Self { errors, ..self }
    }

    fn again_after(self, retry_after: Duration) -> Self {
        Self { retry_after: Some(retry_after), ..self }
    }
}

fn at(pointer: String, message: String) -> ProblemError {
    ProblemError { pointer: Some(pointer), message, ..ProblemError::default() }
}

/// The schema's pointers begin at the input; the caller's body has it below `/input`.
fn below_input(error: &InputError) -> ProblemError {
    at(format!("/input{}", error.pointer), error.message.clone())
}

fn diagnosed(found: &Diagnostic) -> ProblemError {
    ProblemError {
        pointer: None,
        code: Some(found.code.to_owned()),
        line: Some(found.line),
        column: Some(found.column),
        message: found.message.clone(),
        hint: found.hint.clone(),
    }
}

impl IntoResponse for ApiError {
    /// The problem travels beside the response: `request::frame` knows the request's id and writes the body.
    fn into_response(self) -> Response {
        let answer = self.answer();
        if answer.status.is_server_error() {
            let problem = answer.kind.urn();
            tracing::error!(error = %self, problem, status = answer.status.as_u16(), "a request failed");
        }
        let problem = Problem {
            detail: answer.detail,
            errors: answer.errors,
            ..Problem::new(answer.kind, answer.status.as_u16())
        };
        let mut response = Response::new(Body::empty());
        *response.status_mut() = answer.status;
        response.extensions_mut().insert(problem);
        if let Some(retry_after) = answer.retry_after {
            let seconds = retry_after.as_millis().div_ceil(1000).max(1).to_string();
            let value = HeaderValue::from_str(&seconds).expect("invariant: digits can stand in a header");
            response.headers_mut().insert(header::RETRY_AFTER, value);
        }
        if let Self::StartedUnread { saga, .. } = self {
            response.headers_mut().insert(header::LOCATION, crate::headers::saga_location(saga));
        }
        response
    }
}

/// Every path that no route has.
pub(crate) async fn unknown_route() -> ApiError {
    ApiError::UnknownRoute
}

/// The answer to a request whose handler panicked.
pub(crate) fn panicked(panic: Box<dyn Any + Send + 'static>) -> Response {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    ApiError::Panic(text.unwrap_or("without a message").to_owned()).into_response()
}

/// The problem of an error answer that was made below this crate, by router or server.
pub(crate) fn bare(status: StatusCode) -> ApiError {
    match status {
        StatusCode::NOT_FOUND => ApiError::UnknownRoute,
        StatusCode::METHOD_NOT_ALLOWED => ApiError::MethodNotAllowed,
        other => ApiError::Bare(other),
    }
}
