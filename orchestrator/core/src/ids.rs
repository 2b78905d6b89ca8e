//! Names of things: newtypes, so that a step is never taken for a saga.

use std::{borrow::Borrow, fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

/// One run of a definition. Random and time-ordered (UUIDv7), or derived from its start key (UUIDv8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SagaId(pub Uuid);

impl SagaId {
    /// The id of the saga that `key` starts under `name`: the same for ever, so that the primary key of the sagas is the
    /// check for uniqueness on any engine (invariant 9). UUIDv8 (RFC 9562 §5.8) over SHA-256.
    pub fn derived(name: &str, key: &str) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"amends:start:1\0");
        hash.update(name.as_bytes());
        hash.update(b"\0");
        hash.update(key.as_bytes());
        let digest = hash.finalize();
        let mut bytes = [0_u8; 16];
        bytes.copy_from_slice(&digest[..16]);
        Self(Uuid::new_v8(bytes))
    }
}

impl SagaId {
    /// The id of the child that `step` of `parent` starts, or one item of it: the same for ever, so that starting it again meets
    /// the first start, whoever tries.
    pub fn of_child(parent: Self, step: &str, index: Option<u32>) -> Self {
        let index = index.map(|index| index.to_string()).unwrap_or_default();
        Self(derived(&[b"amends:child:1", parent.0.as_bytes(), step.as_bytes(), index.as_bytes()]))
    }
}

/// The id of the `seq`th thing that `sender` has to tell `receiver`: told again it is the same one.
pub fn letter(receiver: SagaId, sender: SagaId, seq: u8) -> Uuid {
    derived(&[b"amends:letter:1", receiver.0.as_bytes(), sender.0.as_bytes(), &[seq]])
}

/// UUIDv8 (RFC 9562 §5.8) over SHA-256 of `parts`, each with its length so that their borders count.
fn derived(parts: &[&[u8]]) -> Uuid {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let digest = hash.finalize();
    let mut bytes = [0_u8; 16];
    bytes.copy_from_slice(&digest[..16]);
    Uuid::new_v8(bytes)
}

impl fmt::Display for SagaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for SagaId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Uuid::try_parse(text).map(Self)
    }
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $type(pub Arc<str>);

        impl $type {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl Borrow<str> for $type {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $type {
            fn from(text: &str) -> Self {
                Self(text.into())
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name!(
    /// The name of a step: its identity in journal, tests and graph.
    StepName
);
name!(
    /// The name of a service in the catalogue. Never a host.
    ServiceName
);
name!(
    /// The name of a signal that steps await.
    SignalName
);
name!(
    /// The name of a lock, rendered. Of one name there is one lock, whatever definition asks for it.
    LockName
);

/// Which way a call goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Op {
    /// The step's forward call.
    Action,
    /// The call that undoes it semantically.
    Compensate,
}

impl Op {
    /// The word on the wire and in the journal.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Action => "action",
            Self::Compensate => "compensate",
        }
    }
}

/// One call: action or compensation of one step, or of one item of it. One call has one idempotency key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CallId {
    /// The step it belongs to.
    pub step: StepName,
    /// The item, for steps that run once per item.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<u32>,
    /// Forward or back.
    pub op: Op,
}

impl CallId {
    /// The forward call of a step without items.
    pub fn action(step: &StepName) -> Self {
        Self { step: step.clone(), index: None, op: Op::Action }
    }

    /// The compensation of a step without items.
    pub fn compensate(step: &StepName) -> Self {
        Self { step: step.clone(), index: None, op: Op::Compensate }
    }
}

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.step)?;
        if let Some(index) = self.index {
            write!(f, "[{index}]")?;
        }
        write!(f, " {}", self.op.as_str())
    }
}

/// SHA-256 of something, as 64 hex digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Digest(pub Arc<str>);

impl Digest {
    /// The digest of `parts`, each closed by a zero byte so that their borders count.
    pub fn of(parts: &[&[u8]]) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update(part);
            hash.update(b"\0");
        }
        let mut text = String::with_capacity(64);
        for byte in hash.finalize() {
            text.push(char::from(b"0123456789abcdef"[usize::from(byte >> 4)]));
            text.push(char::from(b"0123456789abcdef"[usize::from(byte & 15)]));
        }
        Self(text.into())
    }
}

/// The same value with its keys in order, so that the order in which somebody writes them does not count.
pub fn canonical(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by_key(|(key, _)| key.as_str());
            Value::Object(entries.into_iter().map(|(key, value)| (key.clone(), canonical(value))).collect())
        }
        Value::Array(items) => items.iter().map(canonical).collect(),
        other => other.clone(),
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
