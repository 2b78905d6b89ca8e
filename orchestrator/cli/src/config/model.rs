//! The sections and their defaults.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    net::SocketAddr,
    time::Duration,
};

use amends_core::definition::parse_duration;
use amends_engine::{Catalogue, LeaseTerms};
use amends_events::InputFrom;
use figment2::value::magic::RelativePathBuf;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Everything a server is told.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    pub(crate) server: Server,
    pub(crate) store: Store,
    pub(crate) lease: Lease,
    pub(crate) limits: Limits,
    pub(crate) retention: Retention,
    pub(crate) events: Events,
    pub(crate) webhooks: Webhooks,
    /// By name: where each is. What they are stands in no configuration.
    pub(crate) secrets: BTreeMap<String, Secret>,
    /// By name: whose events start sagas.
    pub(crate) event_sources: BTreeMap<String, EventSource>,
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
    /// The SQLite file, unless there is a `url`. A relative path in a file is relative to that file.
    #[serde(serialize_with = "RelativePathBuf::serialize_relative")]
    pub(crate) path: RelativePathBuf,
    /// A PostgreSQL database, for one process or many: `postgres://user:password@host:port/database`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) url: Option<DatabaseUrl>,
    /// PostgreSQL only: batches that are committed side by side.
    #[serde(deserialize_with = "lanes")]
    pub(crate) lanes: usize,
}

/// An address with a password in it: shown without.
#[derive(Clone, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct DatabaseUrl(String);

impl DatabaseUrl {
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for DatabaseUrl {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if is_database_url(&text) {
            Ok(Self(text))
        } else {
            Err("it is no PostgreSQL address: write postgres://user:password@host:port/database; a SQLite file is \
                 `store.path`")
        }
    }
}

/// What stands for PostgreSQL where a file may stand, too.
pub(super) fn is_database_url(text: &str) -> bool {
    text.starts_with("postgres://") || text.starts_with("postgresql://")
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown())
    }
}

impl Serialize for DatabaseUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.shown())
    }
}

impl DatabaseUrl {
    /// Without user, password and parameters, any of which may be secret.
    fn shown(&self) -> String {
        let (scheme, rest) = self.0.split_once("://").unwrap_or(("postgres", ""));
        let place = rest.rsplit_once('@').map_or(rest, |(_, place)| place);
        let place = place.split('?').next().unwrap_or_default();
        format!("{scheme}://…@{place}")
    }
}

/// `[retention]`
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Retention {
    /// How long a saga is kept after its end; without it for ever.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "some_duration_text", deserialize_with = "age")]
    pub(crate) keep: Option<Duration>,
    /// Between two looks for what may go.
    #[serde(serialize_with = "duration_text", deserialize_with = "duration")]
    pub(crate) look_every: Duration,
}

impl Default for Retention {
    fn default() -> Self {
        let amends_engine::Retention { keep, look_every, .. } = amends_engine::Retention::default();
        Self { keep, look_every }
    }
}

/// `[events]`: what happens to sagas, told to whoever wants to know
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Events {
    /// What every event says of who tells it: a URI reference, the same for all nodes of a store.
    #[serde(deserialize_with = "source")]
    pub(crate) source: String,
    /// How long an event can be told again, if its saga is kept as long.
    #[serde(serialize_with = "duration_text", deserialize_with = "some_age")]
    pub(crate) keep: Duration,
    /// Streams (`/v1/events`) at once; one more is refused.
    #[serde(deserialize_with = "at_least_one")]
    pub(crate) max_streams: usize,
    /// How long events, and the sagas that they are of, are held for a webhook that is behind. Then it is told no more until it is
    /// resumed.
    #[serde(serialize_with = "duration_text", deserialize_with = "some_age")]
    pub(crate) hold: Duration,
}

/// `[webhooks]`
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Webhooks {
    /// Where events may be told: addresses below which a webhook's must be. None by itself.
    pub(crate) allow: Vec<String>,
}

/// `[event_sources.NAME]`: `POST /v1/hooks/NAME`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EventSource {
    /// The definition of which each event starts a saga.
    pub(crate) saga: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) version: Option<u32>,
    /// What events are signed with: `secret:NAME`, one or two.
    pub(crate) secrets: Vec<String>,
    /// Only events of these types; without it, all.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(crate) types: BTreeSet<String>,
    /// What of an event is the input: its `data`, or all of it (`event`).
    #[serde(default)]
    pub(crate) input: InputFrom,
}

/// `[secrets.NAME]`: where a secret is; one of the two
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Secret {
    /// In a variable of the environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) env: Option<String>,
    /// In a file. A relative path in a file is relative to that file.
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "relative")]
    pub(crate) file: Option<RelativePathBuf>,
}

impl Default for Events {
    fn default() -> Self {
        let amends_engine::Retention { keep_events, hold_events, .. } = amends_engine::Retention::default();
        Self { source: "/amends".to_owned(), keep: keep_events, max_streams: 64, hold: hold_events }
    }
}

fn source<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    // CloudEvents wants a URI reference that is not empty; what cannot stand in one is mostly a slip.
    if !text.is_empty() && text.len() <= 256 && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(text)
    } else {
        Err(serde::de::Error::custom("write a URI reference of 1 to 256 visible characters, e.g. \"/amends\""))
    }
}

/// `[lease]`: many processes on one database
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Lease {
    /// From a renewal to the end. The sagas of a process that dies wait so long.
    #[serde(serialize_with = "duration_text", deserialize_with = "duration")]
    pub(crate) duration: Duration,
    /// Between two renewals.
    #[serde(serialize_with = "duration_text", deserialize_with = "duration")]
    pub(crate) renew_every: Duration,
    /// How much sooner than the database a process takes its own lease for ended: more than clocks run apart within one.
    #[serde(serialize_with = "duration_text", deserialize_with = "duration")]
    pub(crate) margin: Duration,
}

impl Default for Lease {
    fn default() -> Self {
        let LeaseTerms { lease, renew_every, margin } = LeaseTerms::default();
        Self { duration: lease, renew_every, margin }
    }
}

impl Lease {
    /// # Errors
    /// They do not fit together.
    pub(crate) fn terms(self) -> Result<LeaseTerms, String> {
        let Self { duration, renew_every, margin } = self;
        if renew_every.is_zero() || renew_every * 2 + margin > duration {
            return Err(format!(
                "`lease`: at least two renewals must fit into a lease: 2 × renew_every ({renew_every:?}) + margin \
                 ({margin:?}) is more than duration ({duration:?})"
            ));
        }
        Ok(LeaseTerms { lease: duration, renew_every, margin })
    }
}

/// `[limits]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Limits {
    /// Sagas in memory at once; a start beyond it is refused before anything is written.
    #[serde(deserialize_with = "at_least_one")]
    pub(crate) max_live_sagas: usize,
    /// A saga with nothing to do for so long leaves memory until then.
    #[serde(serialize_with = "duration_text", deserialize_with = "duration")]
    pub(crate) release_after: Duration,
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
        Self { path: "amends.db".into(), url: None, lanes: LANES }
    }
}

impl Default for Limits {
    fn default() -> Self {
        let amends_engine::Limits { max_live_sagas, release_after } = amends_engine::Limits::default();
        Self { max_live_sagas, release_after, drain: Duration::from_secs(10) }
    }
}

/// Longer is a slip of the pen: a supervisor kills long before a drain of that length, and nobody waits so long for a lease.
const DURATION_MAX: Duration = Duration::from_secs(3600);
const AGE_MAX: Duration = Duration::from_secs(100 * 365 * 86_400);
const LANES: usize = 2;
const LANES_MAX: usize = 16;

fn lanes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    match usize::deserialize(deserializer)? {
        number @ 1..=LANES_MAX => Ok(number),
        number => Err(serde::de::Error::custom(format!("{number} is not between 1 and {LANES_MAX}"))),
    }
}

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

fn age<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    read_duration(deserializer, AGE_MAX, "100 years").map(Some)
}

fn some_age<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    read_duration(deserializer, AGE_MAX, "100 years")
}

fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    read_duration(deserializer, DURATION_MAX, "1h")
}

fn read_duration<'de, D: Deserializer<'de>>(
    deserializer: D,
    most: Duration,
    most_text: &str,
) -> Result<Duration, D::Error> {
    let text = match DurationText::deserialize(deserializer) {
        Ok(DurationText::Text(text)) => text,
        Ok(DurationText::Number(number)) => number.to_string(),
        Err(_) => return Err(serde::de::Error::custom("a duration is a text, e.g. \"10s\"")),
    };
    match parse_duration(&text) {
        Ok(duration) if duration <= most => Ok(duration),
        Ok(_) => Err(serde::de::Error::custom(format!("`{text}` is too long: at most {most_text}"))),
        Err(hint) => Err(serde::de::Error::custom(format!("`{text}` is no duration: {hint}"))),
    }
}

fn duration_text<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    let millis = duration.as_millis();
    let text = if millis.is_multiple_of(1000) { format!("{}s", millis / 1000) } else { format!("{millis}ms") };
    serializer.serialize_str(&text)
}

fn some_duration_text<S: Serializer>(duration: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    duration_text(&duration.unwrap_or_default(), serializer)
}

fn relative<S: Serializer>(path: &Option<RelativePathBuf>, serializer: S) -> Result<S::Ok, S::Error> {
    path.as_ref().map(RelativePathBuf::relative).serialize(serializer)
}
