//! `/v1` over HTTP: parses requests into core types, asks the engine, answers with views and problems.
//!
//! Why it exists: everybody outside of this process speaks HTTP. Who calls it: `cli` ([`router`], [`serve`], [`Door`]).
//!
//! **What it must never know:** what an event leads to (core), how a saga is driven (engine), SQL (store). It decides
//! nothing about a saga; it decides which words and which status an answer has.
//!
//! One endpoint is one file below `v1/`. The status of every error is chosen in `error.rs` and nowhere else.

mod body;
mod cursor;
mod door;
mod error;
mod headers;
mod health;
mod openapi;
mod path;
mod query;
mod request;
mod saga;
mod serve;
mod streams;
mod v1;
mod view;

use amends_engine::Engine;
use axum::{Extension, Router, middleware};
use tower_http::catch_panic::CatchPanicLayer;

pub use door::Door;
pub use serve::{Connections, serve, serve_with};
pub use streams::{Outside, Streams};
pub use view::view;

/// Everything that is served, with its OpenAPI document.
pub fn router(engine: Engine) -> Router {
    let outside = Outside::of(&engine);
    router_with(engine, outside)
}

/// The same, with the world outside on these terms.
pub fn router_with(engine: Engine, outside: Outside) -> Router {
    let (routes, document) = openapi::parts().merge(health::routes()).merge(v1::routes()).split_for_parts();
    routes
        .fallback(error::unknown_route)
        .layer(openapi::served(document))
        .layer(Extension(outside.streams))
        .layer(Extension(outside.webhooks))
        .layer(Extension(outside.sources))
        .layer(CatchPanicLayer::custom(error::panicked))
        .layer(middleware::from_fn(request::frame))
        .with_state(engine)
}
