//! What is answered before there is an engine: it lives, it is not ready, come again. A server whose database is away when it starts
//! waits for it, like one whose database goes away later.
//!
//! **What it must never know:** what is waited for, and how long.

use std::{
    convert::Infallible,
    sync::{Arc, OnceLock},
};

use amends_store::StoreError;
use axum::{
    Router,
    extract::{Request, State},
    middleware,
    response::Response,
    routing::get,
};
use tower::ServiceExt as _;

use crate::{error::ApiError, health::livez::livez, request};

/// Shut until there is something to serve. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Door(Arc<OnceLock<Router>>);

impl Door {
    /// Everything that is served, now or later.
    pub fn router(&self) -> Router {
        Router::new().fallback(answer).with_state(self.clone())
    }

    /// From now on this is served. Once.
    pub fn open(&self, router: Router) {
        assert!(self.0.set(router).is_ok(), "invariant: a door is opened once");
    }
}

async fn answer(State(door): State<Door>, request: Request) -> Result<Response, Infallible> {
    match door.0.get() {
        Some(router) => router.clone().oneshot(request).await,
        None => shut().oneshot(request).await,
    }
}

fn shut() -> Router {
    Router::new()
        .route("/livez", get(livez))
        .fallback(async || {
            ApiError::from(StoreError::Unavailable { reason: "it was never reached".to_owned(), source: None })
        })
        .layer(middleware::from_fn(request::frame))
}
