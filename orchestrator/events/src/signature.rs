//! Signatures of requests, as Standard Webhooks wants them: HMAC-SHA-256 over id, time and body.
//!
//! **It must never tell** a secret: what knows one has no text.

use std::{collections::BTreeMap, fmt, sync::Arc};

use amends_core::time::Time;
use base64::{Engine as _, prelude::BASE64_STANDARD as BASE64};
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{HeaderMap, HeaderName};
use sha2::Sha256;

/// The id of what is told: the same whenever it is told again.
pub const WEBHOOK_ID: HeaderName = HeaderName::from_static("webhook-id");
/// When the request was made, in seconds since 1970.
pub const WEBHOOK_TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
/// Signatures, each `v1,` and base64, separated by spaces: one of them must fit.
pub const WEBHOOK_SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

/// What a secret's text begins with.
const PREFIX: &str = "whsec_";
/// What a reference to a secret begins with.
const REFERENCE: &str = "secret:";
/// As the standard asks for.
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;
/// A request that is older, or from the future, may be a replay.
const TIMESTAMP_TOLERANCE_S: i64 = 300;
/// In a header of somebody else's: more are not looked at.
const SIGNATURES_MAX: usize = 8;

/// Secrets by name.
#[derive(Clone, Default)]
pub struct Secrets(Arc<BTreeMap<String, Vec<u8>>>);

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Secrets {
    /// From texts as `whsec_<base64>`, by name.
    ///
    /// # Errors
    /// The name of one that is no secret, and why; never what it is.
    pub fn parse(texts: BTreeMap<String, String>) -> Result<Self, (String, &'static str)> {
        let parsed = texts.into_iter().map(|(name, text)| match parse(&text) {
            Ok(secret) => Ok((name, secret)),
            Err(why) => Err((name, why)),
        });
        parsed.collect::<Result<_, _>>().map(|secrets| Self(Arc::new(secrets)))
    }

    /// Whether `secret:NAME` is one.
    pub fn has(&self, reference: &str) -> bool {
        self.get(reference).is_some()
    }

    fn get(&self, reference: &str) -> Option<&[u8]> {
        self.0.get(reference.strip_prefix(REFERENCE)?).map(Vec::as_slice)
    }

    /// The signatures of a body by each of these; `None`: one of them is not there.
    pub fn sign(&self, references: &[String], id: &str, timestamp_s: i64, body: &[u8]) -> Option<String> {
        let signed = references.iter().map(|reference| {
            let mac = mac(self.get(reference)?, id, timestamp_s, body);
            Some(format!("v1,{}", BASE64.encode(mac.finalize().into_bytes())))
        });
        signed.collect::<Option<Vec<String>>>().map(|all| all.join(" "))
    }

    /// The id of a request that one of these secrets signed, not long ago.
    ///
    /// # Errors
    /// It is not signed, or not by them.
    pub fn verify(
        &self,
        references: &[String],
        headers: &HeaderMap,
        body: &[u8],
        now: Time,
    ) -> Result<String, Unsigned> {
        let header = |name| headers.get(name).and_then(|value| value.to_str().ok()).ok_or(Unsigned::Missing);
        let (id, signatures) = (header(WEBHOOK_ID)?, header(WEBHOOK_SIGNATURE)?);
        let timestamp_s: i64 = header(WEBHOOK_TIMESTAMP)?.parse().map_err(|_| Unsigned::Missing)?;
        let mut fits = false;
        for signature in signatures.split(' ').take(SIGNATURES_MAX) {
            let Some(signature) = signature.strip_prefix("v1,").and_then(|text| BASE64.decode(text).ok()) else {
                continue;
            };
            for secret in references.iter().filter_map(|reference| self.get(reference)) {
                // In constant time: how far a guess was right is nobody's business.
                fits |= mac(secret, id, timestamp_s, body).verify_slice(&signature).is_ok();
            }
        }
        if !fits {
            return Err(Unsigned::Unfit);
        }
        let age_s = (now.0 / 1_000_000).saturating_sub(timestamp_s);
        if age_s.saturating_abs() > TIMESTAMP_TOLERANCE_S { Err(Unsigned::TooOld) } else { Ok(id.to_owned()) }
    }
}

/// Why a request is not taken for what it says it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsigned {
    #[error(
        "the headers webhook-id, webhook-timestamp and webhook-signature are missing, or are not what they should be"
    )]
    Missing,
    #[error("no signature fits")]
    Unfit,
    #[error("it was signed too long ago, or in the future")]
    TooOld,
}

fn parse(text: &str) -> Result<Vec<u8>, &'static str> {
    let text = text.trim().strip_prefix(PREFIX).ok_or("it does not begin with `whsec_`")?;
    let secret = BASE64.decode(text).map_err(|_| "what follows `whsec_` is not base64")?;
    if SECRET_BYTES.contains(&secret.len()) { Ok(secret) } else { Err("it is not of 24 to 64 bytes") }
}

fn mac(secret: &[u8], id: &str, timestamp_s: i64, body: &[u8]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("invariant: a key may have any length");
    mac.update(format!("{id}.{timestamp_s}.").as_bytes());
    mac.update(body);
    mac
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets() -> Secrets {
        let texts =
            [("old", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), ("new", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")];
        Secrets::parse(texts.map(|(name, text)| (name.to_owned(), text.to_owned())).into()).unwrap()
    }

    fn references(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| format!("secret:{name}")).collect()
    }

    fn headers(id: &str, timestamp: &str, signature: &str) -> HeaderMap {
        let pairs = [(WEBHOOK_ID, id), (WEBHOOK_TIMESTAMP, timestamp), (WEBHOOK_SIGNATURE, signature)];
        pairs.into_iter().map(|(name, value)| (name, value.parse().unwrap())).collect()
    }

    /// The example of the standard's own libraries.
    #[test]
    fn a_signature_is_that_of_the_standard() {
        let signed = secrets().sign(
            &references(&["old"]),
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            b"{\"test\": 2432232314}",
        );
        assert_eq!(signed.unwrap(), "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn what_was_signed_by_one_of_the_secrets_is_known_again_and_nothing_else_is() {
        let (secrets, now) = (secrets(), Time(1_614_265_330_000_000));
        let both = secrets.sign(&references(&["old", "new"]), "id", 1_614_265_330, b"body").unwrap();
        for known in [&["old"][..], &["new"], &["new", "old"]] {
            let verified = secrets.verify(&references(known), &headers("id", "1614265330", &both), b"body", now);
            assert_eq!(verified.as_deref(), Ok("id"));
        }
        let verify =
            |headers: &HeaderMap, body: &[u8], now: Time| secrets.verify(&references(&["old"]), headers, body, now);
        let only_new = secrets.sign(&references(&["new"]), "id", 1_614_265_330, b"body").unwrap();
        for (id, timestamp, signature, body) in [
            ("id", "1614265330", &*only_new, &b"body"[..]),
            ("other", "1614265330", &both, b"body"),
            ("id", "1614265331", &both, b"body"),
            ("id", "1614265330", &both, b"Body"),
            ("id", "1614265330", "v1,", b"body"),
            ("id", "1614265330", "v2,AAAA", b"body"),
        ] {
            assert_eq!(verify(&headers(id, timestamp, signature), body, now), Err(Unsigned::Unfit));
        }
        assert_eq!(verify(&headers("id", "soon", &both), b"body", now), Err(Unsigned::Missing));
        assert_eq!(verify(&HeaderMap::new(), b"body", now), Err(Unsigned::Missing));
        for seconds in [-301, 301] {
            let then = Time(now.0 + seconds * 1_000_000);
            assert_eq!(verify(&headers("id", "1614265330", &both), b"body", then), Err(Unsigned::TooOld));
        }
        assert_eq!(secrets.sign(&references(&["unknown"]), "id", 1, b""), None);
        assert!(!secrets.has("old") && secrets.has("secret:old"));
    }

    #[test]
    fn what_is_no_secret_is_refused_and_never_shown() {
        for text in ["", "hunter2", "whsec_", "whsec_hunter2", "whsec_aHVudGVyMg=="] {
            let refused = Secrets::parse([("name".to_owned(), text.to_owned())].into()).unwrap_err();
            assert!(refused.0 == "name" && !refused.1.contains("hunter2"));
        }
        assert_eq!(format!("{:?}", secrets()), r#"{"new", "old"}"#);
    }
}
