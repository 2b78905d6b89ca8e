//! The sections and their defaults.

use std::{net::SocketAddr, time::Duration};

use amends_core::definition::parse_duration;
use amends_engine::Catalogue;
use figment2::value::magic::RelativePathBuf;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Everything a server is told.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    pub(crate) server: Server,
    pub(crate) store: Store,
    pub(crate) limits: Limits,
    pub(crate) definitions: Definitions,
    /// By name: what a definition's `call` may name.
    pub(crate) services: Catalogue,
}

/// `[server]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Server {
    /// Loopback only, as long as there is no authentication.
    #[serde(deserialize_with = "loopback")]
    pub(crate) listen: SocketAddr,
}

/// `[store]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Store {
    /// The SQLite file. A relative path in a file is relative to that file.
    #[serde(serialize_with = "RelativePathBuf::serialize_relative")]
    pub(crate) path: RelativePathBuf,
}

/// `[limits]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Limits {
    /// Sagas in memory at once; a start beyond it is refused before anything is written.
    #[serde(deserialize_with = "at_least_one")]
    pub(crate) max_live_sagas: usize,
    /// At a stop: the longest time for requests and calls in flight to end.
    #[serde(serialize_with = "duration_text", deserialize_with = "duration")]
    pub(crate) drain: Duration,
}

/// `[definitions]`
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Definitions {
    /// Every `*.yaml` in it is registered at the start. A relative path in a file is relative to that file.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "relative")]
    pub(crate) folder: Option<RelativePathBuf>,
}

impl Default for Server {
    fn default() -> Self {
        Self { listen: SocketAddr::from(([127, 0, 0, 1], 7070)) }
    }
}

impl Default for Store {
    fn default() -> Self {
        Self { path: "amends.db".into() }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_live_sagas: amends_engine::Limits::default().max_live_sagas, drain: Duration::from_secs(10) }
    }
}

/// The longest drain: a supervisor kills long before.
const DRAIN_MAX: Duration = Duration::from_secs(3600);

fn loopback<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    let text = String::deserialize(deserializer)?;
    let refuse = |why: &str| Err(serde::de::Error::custom(format!("`{text}` {why}")));
    match text.parse::<SocketAddr>() {
        Ok(address) if address.ip().is_loopback() => Ok(address),
        Ok(_) => refuse(
            "can be reached from other machines, and Amends has no authentication yet: only loopback addresses are \
             allowed, e.g. 127.0.0.1:7070",
        ),
        Err(_) => refuse("is no address: write IP:PORT, e.g. 127.0.0.1:7070"),
    }
}

fn at_least_one<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    match usize::deserialize(deserializer)? {
        0 => Err(serde::de::Error::custom("0 would start nothing: write 1 or more")),
        number => Ok(number),
    }
}

/// A number is read as well, only to say what is missing.
#[derive(Deserialize)]
#[serde(untagged)]
enum DurationText {
    Text(String),
    Number(u64),
}

fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = match DurationText::deserialize(deserializer) {
        Ok(DurationText::Text(text)) => text,
        Ok(DurationText::Number(number)) => number.to_string(),
        Err(_) => return Err(serde::de::Error::custom("a duration is a text, e.g. \"10s\"")),
    };
    match parse_duration(&text) {
        Ok(duration) if duration <= DRAIN_MAX => Ok(duration),
        Ok(_) => Err(serde::de::Error::custom(format!("`{text}` is too long: at most 1h"))),
        Err(hint) => Err(serde::de::Error::custom(format!("`{text}` is no duration: {hint}"))),
    }
}

fn duration_text<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    let millis = duration.as_millis();
    let text = if millis.is_multiple_of(1000) { format!("{}s", millis / 1000) } else { format!("{millis}ms") };
    serializer.serialize_str(&text)
}

fn relative<S: Serializer>(path: &Option<RelativePathBuf>, serializer: S) -> Result<S::Ok, S::Error> {
    path.as_ref().map(RelativePathBuf::relative).serialize(serializer)
}
