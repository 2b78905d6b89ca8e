//! What leaves the orchestrator by itself: the turns in the lives of sagas, worded as CloudEvents.
//!
//! Why it exists: whoever builds on sagas wants to be told, and not to ask. An event is written by the very commit that makes it
//! true (the store's index into the journals); here it is read, worded and handed on, as often as it takes. Who calls it: `api`
//! (streams), `cli` (starts what delivers).
//!
//! **What it must never know:** how a saga is driven, or what a turn leads to. It changes no saga.
//!
//! What is promised: every event at least once, under an id that stays the same; of one saga in order. Between sagas there is no order.

mod cursor;
mod reader;
mod received;
mod signature;
mod webhooks;
mod words;

pub use cursor::{Cursor, NotACursor};
pub use reader::{Missed, Page, Reader, Wanted};
pub use received::{InputFrom, NotReceived, Received, Source, Sources};
pub use signature::{Secrets, Unsigned, WEBHOOK_ID, WEBHOOK_SIGNATURE, WEBHOOK_TIMESTAMP};
pub use webhooks::{Allowed, WebhookError, WebhookTerms, Webhooks};
pub use words::{attention_reason, cause, word};
