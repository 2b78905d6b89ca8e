//! The catalogue: which services there are, where they live and what may be expected of them. Nothing in a saga can name
//! a host; this is the only way to one.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use amends_core::{
    Terms,
    definition::{Services, parse_duration},
    ids::ServiceName,
    openapi::Api,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::addresses::Addresses;

/// All services by name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Catalogue {
    pub services: BTreeMap<String, Service>,
}

/// One service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// Where it lives; a list where it has replicas, which then get its requests in turn.
    pub url: Addresses,
    /// What its answers are worth.
    #[serde(default)]
    pub contract: Contract,
    /// For calls that have no `timeout` in their definition.
    #[serde(default = "default_timeout", serialize_with = "duration_text", deserialize_with = "duration")]
    pub timeout: Duration,
    /// Calls at once; the others wait their turn, unsent, and hold up no other service.
    #[serde(default = "default_concurrency", deserialize_with = "concurrency")]
    pub concurrency: u32,
    /// The statuses that mean a definite no, where not every 4xx does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reject_on: Option<Vec<u16>>,
    /// The service's own OpenAPI document: calls of definitions are checked against it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub openapi: Option<PathBuf>,
    /// The same, read by whoever read the catalogue.
    #[serde(skip)]
    pub api: Option<Arc<Api>>,
}

/// What a service's answers are worth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Contract {
    /// Any HTTP service: the status decides.
    #[default]
    Plain,
    /// It follows the participant contract: definite answers carry an ack.
    Barrier,
}

impl Catalogue {
    /// What definitions are checked against.
    pub fn described(&self) -> Services {
        let mut services: Services = self.services.keys().cloned().collect();
        for (name, service) in &self.services {
            if let Some(api) = &service.api {
                services.describe(name, Arc::clone(api), service.url.path());
            }
        }
        services
    }

    pub(crate) fn get(&self, name: &ServiceName) -> Option<&Service> {
        self.services.get(name.as_str())
    }
}

impl Service {
    pub(crate) fn terms(&self) -> Terms {
        Terms { barrier: self.contract == Contract::Barrier, reject_on: self.reject_on.clone(), timeout: self.timeout }
    }
}

fn default_timeout() -> Duration {
    Duration::from_secs(5)
}

fn default_concurrency() -> u32 {
    64
}

fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    match parse_duration(&text) {
        Ok(duration) if !duration.is_zero() => Ok(duration),
        Ok(_) => Err(serde::de::Error::custom("a timeout is above zero")),
        Err(hint) => Err(serde::de::Error::custom(format!("`{text}` is no duration: {hint}"))),
    }
}

fn duration_text<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&format!("{}ms", duration.as_millis()))
}

fn concurrency<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let concurrency = u32::deserialize(deserializer)?;
    if (1..=10_000).contains(&concurrency) {
        Ok(concurrency)
    } else {
        Err(serde::de::Error::custom("concurrency is from 1 to 10000"))
    }
}
