//! Events of others, which start sagas: who may send them, and what is read of them.
//!
//! CloudEvents 1.0 over HTTP, structured or binary, signed as Standard Webhooks wants it. A signature covers the body and the header
//! `webhook-id`, so what decides which saga it is must be there: in structured mode the event's own `source` and `id`, in binary mode, whose
//! attributes are headers that nobody signed, the `webhook-id`, which must be the event's `id`.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use amends_core::{ids::Digest, time::Time};
use http::{HeaderMap, header};
use serde_json::{Map, Value, json};

use crate::{
    Secrets,
    signature::{Unsigned, WEBHOOK_ID},
};

/// Of an attribute of an event; the specification asks readers to take 256 at least.
const ATTRIBUTE_CHARS: usize = 1024;

/// Whose events start what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The definition.
    pub saga: String,
    /// Without one, the highest that takes starts.
    pub version: Option<u32>,
    /// One or two, by name.
    pub secrets: Vec<String>,
    /// Only events of these types; empty means any.
    pub types: BTreeSet<String>,
    pub input: InputFrom,
}

/// What of an event is a saga's input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InputFrom {
    /// Its `data`.
    #[default]
    Data,
    /// All of it: `id`, `source`, `type`, `subject`, `time` and `data`, and what else it has.
    Event,
}

/// All sources by name, and the secrets that their events are signed with. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    sources: Arc<BTreeMap<String, Source>>,
    secrets: Secrets,
}

/// An event that starts a saga.
#[derive(Clone, Debug, PartialEq)]
pub struct Received {
    pub saga: String,
    pub version: Option<u32>,
    pub input: Value,
    /// The same for the same event, however often it is sent.
    pub key: String,
}

/// Why an event starts nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotReceived {
    #[error("there is no source of events `{0}` in the configuration")]
    UnknownSource(String),
    #[error(transparent)]
    Unsigned(#[from] Unsigned),
    #[error("send a CloudEvent: application/cloudevents+json, or application/json with ce- headers")]
    NotACloudEvent,
    /// At this place of the event.
    #[error("{message}")]
    Invalid { pointer: String, message: String },
}

impl Sources {
    /// # Errors
    /// A source that can receive nothing, and why.
    pub fn new(sources: BTreeMap<String, Source>, secrets: Secrets) -> Result<Self, String> {
        for (name, source) in &sources {
            if !(1..=2).contains(&source.secrets.len()) {
                return Err(format!("event_sources.{name}: name one secret, or two while one replaces the other"));
            }
            if let Some(unknown) = source.secrets.iter().find(|secret| !secrets.has(secret)) {
                return Err(format!("event_sources.{name}: there is no `{unknown}`; write secret:NAME"));
            }
        }
        Ok(Self { sources: Arc::new(sources), secrets })
    }

    /// The event of a request to the source `name`; `None`: it is one that starts nothing here.
    ///
    /// # Errors
    /// See [`NotReceived`].
    pub fn receive(
        &self,
        name: &str,
        headers: &HeaderMap,
        body: &[u8],
        now: Time,
    ) -> Result<Option<Received>, NotReceived> {
        let source = self.sources.get(name).ok_or_else(|| NotReceived::UnknownSource(name.to_owned()))?;
        let webhook_id = self.secrets.verify(&source.secrets, headers, body, now)?;
        let (event, origin) = match media_type(headers).as_deref() {
            Some("application/cloudevents+json") => {
                let event = structured(body)?;
                let origin = text(&event, "source")?.to_owned();
                (event, origin)
            }
            Some("application/json") if headers.contains_key("ce-specversion") => {
                let event = binary(headers, body)?;
                if text(&event, "id")? != webhook_id {
                    let message = format!("in binary mode it must be that of the header {WEBHOOK_ID}, which is signed");
                    return Err(NotReceived::Invalid { pointer: "/id".to_owned(), message });
                }
                (event, String::new())
            }
            _ => return Err(NotReceived::NotACloudEvent),
        };
        if text(&event, "specversion")? != "1.0" {
            return Err(invalid("specversion", "only 1.0 is read here"));
        }
        text(&event, "source")?;
        let (id, kind) = (text(&event, "id")?, text(&event, "type")?);
        if !source.types.is_empty() && !source.types.contains(kind) {
            return Ok(None);
        }
        let key = Digest::of(&[b"amends:event:1", name.as_bytes(), origin.as_bytes(), id.as_bytes()]);
        let input = match source.input {
            InputFrom::Data => event.get("data").cloned().unwrap_or(Value::Null),
            InputFrom::Event => Value::Object(event),
        };
        let (saga, version) = (source.saga.clone(), source.version);
        Ok(Some(Received { saga, version, input, key: format!("event:{}", key.0) }))
    }
}

fn media_type(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    value.split(';').next().map(|media| media.trim().to_ascii_lowercase())
}

fn structured(body: &[u8]) -> Result<Map<String, Value>, NotReceived> {
    let event = match serde_json::from_slice(body) {
        Ok(Value::Object(event)) => event,
        Ok(_) | Err(_) => {
            let message = "it is no JSON object".to_owned();
            return Err(NotReceived::Invalid { pointer: String::new(), message });
        }
    };
    if event.contains_key("data_base64") {
        return Err(invalid("data_base64", "only JSON data is read here"));
    }
    Ok(event)
}

fn binary(headers: &HeaderMap, body: &[u8]) -> Result<Map<String, Value>, NotReceived> {
    let mut event = Map::new();
    for (name, value) in headers {
        let Some(name) = name.as_str().strip_prefix("ce-") else { continue };
        let value = value.to_str().ok().and_then(percent_decoded);
        let value = value.ok_or_else(|| invalid(name, "the header is not percent-encoded UTF-8"))?;
        event.insert(name.to_owned(), value.into());
    }
    let data = serde_json::from_slice(body).map_err(|_| invalid("data", "the body is no JSON"))?;
    event.insert("datacontenttype".to_owned(), json!("application/json"));
    event.insert("data".to_owned(), data);
    Ok(event)
}

/// As the HTTP binding of CloudEvents writes what is not plain ASCII in a header.
fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte != b'%' {
            bytes.push(*byte);
            continue;
        }
        let (digits, after) = rest.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
        rest = after;
    }
    String::from_utf8(bytes).ok()
}

/// An attribute that must be there.
fn text<'e>(event: &'e Map<String, Value>, name: &str) -> Result<&'e str, NotReceived> {
    let text = event.get(name).and_then(Value::as_str);
    let text = text.filter(|text| !text.is_empty() && text.chars().count() <= ATTRIBUTE_CHARS);
    text.ok_or_else(|| invalid(name, "it must be there, as a text of 1 to 1024 characters"))
}

fn invalid(name: &str, message: &str) -> NotReceived {
    NotReceived::Invalid { pointer: format!("/{name}"), message: message.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signature::{WEBHOOK_SIGNATURE, WEBHOOK_TIMESTAMP};

    const NOW: Time = Time(1_614_265_330_000_000);

    fn sources(input: InputFrom, types: &[&str]) -> Sources {
        let secret = ("in".to_owned(), "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned());
        let source = Source {
            saga: "place-order".into(),
            version: None,
            secrets: vec!["secret:in".into()],
            types: types.iter().map(|kind| (*kind).to_owned()).collect(),
            input,
        };
        Sources::new([("shop".to_owned(), source)].into(), Secrets::parse([secret].into()).unwrap()).unwrap()
    }

    fn receive(
        sources: &Sources,
        id: &str,
        more: &[(&'static str, &str)],
        body: &Value,
    ) -> Result<Option<Received>, NotReceived> {
        let body = body.to_string();
        let signature = sources.secrets.sign(&["secret:in".into()], id, 1_614_265_330, body.as_bytes()).unwrap();
        let mut headers = HeaderMap::new();
        headers.insert(WEBHOOK_ID, id.parse().unwrap());
        headers.insert(WEBHOOK_TIMESTAMP, "1614265330".parse().unwrap());
        headers.insert(WEBHOOK_SIGNATURE, signature.parse().unwrap());
        for (name, value) in more {
            headers.insert(*name, value.parse().unwrap());
        }
        sources.receive("shop", &headers, body.as_bytes(), NOW)
    }

    const STRUCTURED: &[(&str, &str)] = &[("content-type", "application/cloudevents+json; charset=utf-8")];

    fn event() -> Value {
        json!({ "specversion": "1.0", "id": "7", "source": "/shop", "type": "shop.order.placed.v1", "data": { "sku": "a" } })
    }

    #[test]
    fn an_event_is_the_same_however_it_is_sent_again_and_no_other_is() {
        let sources = sources(InputFrom::Data, &["shop.order.placed.v1"]);
        let first = receive(&sources, "msg_1", STRUCTURED, &event()).unwrap().unwrap();
        assert_eq!((&*first.saga, &first.input), ("place-order", &json!({ "sku": "a" })));
        assert_eq!(receive(&sources, "msg_2", STRUCTURED, &event()).unwrap().unwrap(), first);
        for (name, value) in [("id", "8"), ("source", "/other")] {
            let mut other = event();
            other[name] = value.into();
            assert_ne!(receive(&sources, "msg_1", STRUCTURED, &other).unwrap().unwrap().key, first.key);
        }
        let mut unwanted = event();
        unwanted["type"] = "shop.order.seen.v1".into();
        assert_eq!(receive(&sources, "msg_1", STRUCTURED, &unwanted), Ok(None));
    }

    #[test]
    fn in_binary_mode_what_is_signed_decides() {
        let sources = sources(InputFrom::Event, &[]);
        let headers = |id: &'static str| {
            vec![
                ("content-type", "application/json"),
                ("ce-specversion", "1.0"),
                ("ce-id", id),
                ("ce-source", "/shop%20of%20%C3%A9"),
                ("ce-type", "a"),
            ]
        };
        let data = json!({ "sku": "a" });
        let first = receive(&sources, "7", &headers("7"), &data).unwrap().unwrap();
        assert_eq!((&first.input["source"], &first.input["data"]), (&json!("/shop of é"), &data));
        // Whoever has caught a request cannot make another event of it.
        assert!(matches!(receive(&sources, "7", &headers("8"), &data), Err(NotReceived::Invalid { .. })));
        let mut other = headers("7");
        other[3].1 = "/elsewhere";
        assert_eq!(receive(&sources, "7", &other, &data).unwrap().unwrap().key, first.key);
    }

    #[test]
    fn what_is_no_event_or_not_signed_starts_nothing() {
        let sources = sources(InputFrom::Data, &[]);
        for (name, value) in [
            ("specversion", json!("0.3")),
            ("id", json!("")),
            ("id", json!(7)),
            ("source", Value::Null),
            ("type", json!("x".repeat(2000))),
        ] {
            let mut broken = event();
            broken[name] = value;
            let refused = receive(&sources, "m", STRUCTURED, &broken);
            assert!(
                matches!(&refused, Err(NotReceived::Invalid { pointer, .. }) if *pointer == format!("/{name}")),
                "{refused:?}"
            );
        }
        assert_eq!(
            receive(&sources, "m", &[("content-type", "application/json")], &event()),
            Err(NotReceived::NotACloudEvent)
        );
        assert!(matches!(receive(&sources, "m", STRUCTURED, &json!([event()])), Err(NotReceived::Invalid { .. })));
        let unsigned = sources.receive("shop", &HeaderMap::new(), b"{}", NOW);
        assert_eq!(unsigned, Err(NotReceived::Unsigned(Unsigned::Missing)));
        assert!(matches!(sources.receive("other", &HeaderMap::new(), b"{}", NOW), Err(NotReceived::UnknownSource(_))));
        assert_eq!(percent_decoded("%zz"), None);
        assert_eq!(percent_decoded("%4"), None);
    }
}
