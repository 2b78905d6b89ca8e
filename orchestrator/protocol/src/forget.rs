//! `forget`: the orchestrator's retention names sagas as ended, and a participant may let go of their rows after a grace.
//!
//! Why it exists: a participant cannot know by itself when a copy of a call may no longer matter; age alone does not say
//! it, because a saga may live for months. Who calls it: `engine` sends it, `barrier` receives it;
//! `docs/participant.md` tells the same to people who write a participant in another language.
//!
//! **What it must never know:** how long a grace is. That is the participant's business.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Where it is posted, below the service's base address. 204: the marks are durable.
pub const FORGET_PATH: &str = "/.well-known/amends-participant/forget";
/// Sagas in one request at most; at least one.
pub const FORGET_SAGAS_MAX: usize = 1000;
/// A body at most; [`FORGET_SAGAS_MAX`] ids need about 40 KiB of it.
pub const FORGET_BODY_LIMIT_BYTES: usize = 64 * 1024;

/// The body of `POST` [`FORGET_PATH`]. What is read back has 1 to [`FORGET_SAGAS_MAX`] sagas; fields of a later version
/// are ignored, so that an old participant still forgets. May be sent any number of times.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct ForgetRequest {
    pub sagas: Vec<Uuid>,
}

#[derive(Deserialize)]
struct Unchecked {
    sagas: Vec<Uuid>,
}

impl TryFrom<Unchecked> for ForgetRequest {
    type Error = BadCount;

    fn try_from(Unchecked { sagas }: Unchecked) -> Result<Self, BadCount> {
        match sagas.len() {
            1..=FORGET_SAGAS_MAX => Ok(Self { sagas }),
            count => Err(BadCount(count)),
        }
    }
}

/// A request that names nothing, or too much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadCount(pub usize);

impl fmt::Display for BadCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sagas: expected 1 to {FORGET_SAGAS_MAX} ids, found {}", self.0)
    }
}

impl std::error::Error for BadCount {}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &serde_json::Value) -> Result<ForgetRequest, serde_json::Error> {
        serde_json::from_slice(body.to_string().as_bytes())
    }

    #[test]
    fn the_largest_request_is_read_back_and_fits_its_limit() {
        let request = ForgetRequest { sagas: vec![Uuid::max(); FORGET_SAGAS_MAX] };
        let body = serde_json::to_value(&request).expect("serialisable");
        assert!(body.to_string().len() <= FORGET_BODY_LIMIT_BYTES);
        assert_eq!(read(&body).expect("valid"), request);
    }

    #[test]
    fn the_body_is_spelled_as_the_contract_says_and_may_have_fields_of_a_later_version() {
        let request = ForgetRequest { sagas: vec![Uuid::from_u128(7)] };
        let body = serde_json::json!({ "sagas": ["00000000-0000-0000-0000-000000000007"] });
        assert_eq!(serde_json::to_value(&request).expect("serialisable"), body);
        let later = serde_json::json!({ "sagas": ["00000000-0000-0000-0000-000000000007"], "since": 1 });
        assert_eq!(read(&later).expect("valid"), request);
    }

    #[test]
    fn naming_nothing_or_too_much_is_refused_as_data_not_as_syntax() {
        for count in [0, FORGET_SAGAS_MAX + 1] {
            let error = read(&serde_json::json!({ "sagas": vec![Uuid::max(); count] })).expect_err("refused");
            assert!(error.is_data() && error.to_string().contains(&BadCount(count).to_string()), "{error}");
        }
    }
}
