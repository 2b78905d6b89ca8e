//! Tokens of callbacks: which call they are of, and the proof that they were given out here.
//!
//! `<call>.<proof>`, both base64url. The proof is a keyed hash (HMAC-SHA-256) over the call's idempotency key, so that it is the
//! same for every attempt and every owner, at every node of the store, and is kept nowhere. It ends with its call: what
//! may still be called back is in the journal.
//!
//! **What it must never know:** what a callback says. And its secret it never tells.

use std::fmt;

use amends_core::ids::{CallId, Op, SagaId};
use amends_protocol::participant::{CallbackToken, key};
use amends_store::Secret;
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use uuid::Uuid;

/// The name of the secret in the store.
pub(crate) const SECRET: &str = "callbacks";

/// What the proof is of, so that no other use of the secret can make one.
const ABOUT: &[u8] = b"amends callback\0";

/// Gives tokens out and knows them again.
pub(crate) struct Tokens(Secret);

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tokens(…)")
    }
}

impl Tokens {
    pub(crate) fn new(secret: Secret) -> Self {
        Self(secret)
    }

    /// The token of an action.
    pub(crate) fn of(&self, saga: SagaId, call: &CallId) -> CallbackToken {
        let key = key(saga.0, call.step.as_str(), call.index, call.op.as_str());
        let proof = self.proof(&key).finalize().into_bytes();
        let token = format!("{}.{}", BASE64.encode(&key), BASE64.encode(proof));
        CallbackToken::new(token).expect("invariant: base64 of a bounded key is a token")
    }

    /// The action that a token is of; `None`: it was not given out here.
    pub(crate) fn read(&self, token: &CallbackToken) -> Option<(SagaId, CallId)> {
        let (key, proof) = token.expose().split_once('.')?;
        let key = String::from_utf8(BASE64.decode(key).ok()?).ok()?;
        // In constant time: how far a guess was right is nobody's business.
        self.proof(&key).verify_slice(&BASE64.decode(proof).ok()?).ok()?;
        parse(&key)
    }

    fn proof(&self, key: &str) -> Hmac<Sha256> {
        let mut hash = Hmac::<Sha256>::new_from_slice(&self.0.0).expect("invariant: a key may have any length");
        hash.update(ABOUT);
        hash.update(key.as_bytes());
        hash
    }
}

/// The idempotency key of an action. No name of a step has a colon.
fn parse(key: &str) -> Option<(SagaId, CallId)> {
    let parts: Vec<&str> = key.split(':').collect();
    let (saga, step, index) = match parts.as_slice() {
        [saga, step, "action"] => (saga, step, None),
        [saga, step, index, "action"] => (saga, step, Some(index.parse().ok()?)),
        _ => return None,
    };
    let call = CallId { step: (*step).into(), index, op: Op::Action };
    Some((SagaId(Uuid::parse_str(saga).ok()?), call))
}

/// A secret that nobody can guess, from the operating system.
///
/// # Errors
/// It has no randomness to give.
pub(crate) fn new_secret() -> Result<Secret, getrandom::Error> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)?;
    Ok(Secret(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(step: &str, index: Option<u32>) -> CallId {
        CallId { step: step.into(), index, op: Op::Action }
    }

    #[test]
    fn a_token_is_of_its_call_and_the_same_at_every_node() {
        let saga = SagaId(Uuid::from_u128(7));
        let secret = new_secret().expect("randomness");
        let (here, there) = (Tokens::new(secret), Tokens::new(secret));
        for call in [call("ship", None), call("ship", Some(0)), call("ship_2-a", Some(4_294_967_295))] {
            let token = here.of(saga, &call);
            assert_eq!(token, there.of(saga, &call));
            assert_eq!(there.read(&token), Some((saga, call)));
        }
        let longest = here.of(saga, &call(&"s".repeat(64), Some(u32::MAX)));
        assert!(longest.expose().len() < CallbackToken::LIMIT_BYTES / 2, "{}", longest.expose().len());
    }

    #[test]
    fn a_token_that_was_changed_or_made_with_another_secret_is_none() {
        let saga = SagaId(Uuid::from_u128(7));
        let tokens = Tokens::new(new_secret().expect("randomness"));
        let token = tokens.of(saga, &call("ship", None));
        let (key, proof) = token.expose().split_once('.').expect("two parts");
        let other = tokens.of(saga, &call("charge", None));
        let (other_key, _) = other.expose().split_once('.').expect("two parts");
        let foreign = Tokens::new(new_secret().expect("randomness")).of(saga, &call("ship", None));
        let mut forged = vec![
            foreign.expose().to_owned(),
            format!("{other_key}.{proof}"),
            format!("{key}."),
            format!(".{proof}"),
            format!("{key}.{proof}="),
            format!("{key}.{proof}.{proof}"),
            key.to_owned(),
            ".".to_owned(),
        ];
        // Each letter is another one; of the last only bits that count.
        for at in 0..proof.len() - 1 {
            let mut changed = proof.as_bytes().to_vec();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            forged.push(format!("{key}.{}", String::from_utf8(changed).expect("letters")));
        }
        for forged in forged {
            let token = CallbackToken::new(forged.clone()).expect("the shape of one");
            assert_eq!(tokens.read(&token), None, "{forged}");
        }
    }

    #[test]
    fn only_an_action_is_called_back() {
        let tokens = Tokens::new(new_secret().expect("randomness"));
        let back = CallId { op: Op::Compensate, ..call("ship", None) };
        assert_eq!(tokens.read(&tokens.of(SagaId(Uuid::from_u128(7)), &back)), None);
        assert!(!format!("{tokens:?}{:?}", tokens.of(SagaId(Uuid::from_u128(7)), &back)).contains('='));
    }

    #[test]
    fn the_proof_is_the_one_that_was_always_made() {
        let tokens = Tokens::new(Secret([7; 32]));
        let token = tokens.of(SagaId(Uuid::from_u128(7)), &call("ship", None));
        assert_eq!(token.expose(), FROZEN);
    }

    /// Participants keep tokens for as long as a step may take, over versions of Amends. Made by Python's `hmac` once.
    const FROZEN: &str =
        "MDAwMDAwMDAtMDAwMC0wMDAwLTAwMDAtMDAwMDAwMDAwMDA3OnNoaXA6YWN0aW9u.Rs32Hd5mvIFDL1UUqW5lG-ROeS_-4msWqMt9cdkrO0E";
}
