//! The few words that journal, wire and ledger share.

use std::{
    fmt,
    time::{SystemTime, UNIX_EPOCH},
};

use amends_protocol::participant;
use serde::Deserialize;
use uuid::Uuid;

/// Which way a call goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Op {
    Action,
    Compensate,
}

impl Op {
    /// A probe changes nothing and is nobody's call.
    pub fn of(op: participant::Op) -> Option<Self> {
        match op {
            participant::Op::Action => Some(Self::Action),
            participant::Op::Compensate => Some(Self::Compensate),
            participant::Op::Probe => None,
        }
    }
}

/// One call of one saga.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
pub struct Call {
    pub step: String,
    #[serde(default)]
    pub index: Option<u32>,
    pub op: Op,
}

impl Call {
    /// The forward call of a step.
    pub fn action(step: &str) -> Self {
        Self { step: step.to_owned(), index: None, op: Op::Action }
    }

    /// The call that undoes a step.
    pub fn compensate(step: &str) -> Self {
        Self { step: step.to_owned(), index: None, op: Op::Compensate }
    }

    /// The same item's call in the other direction.
    pub fn with_op(&self, op: Op) -> Self {
        Self { op, ..self.clone() }
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.step)?;
        if let Some(index) = self.index {
            write!(f, "[{index}]")?;
        }
        f.write_str(match self.op {
            Op::Action => " action",
            Op::Compensate => " compensate",
        })
    }
}

/// A call with the saga it belongs to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SagaCall {
    pub saga: Uuid,
    pub call: Call,
}

impl fmt::Display for SagaCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "saga {} {}", self.saga, self.call)
    }
}

/// Microseconds since 1970: the unit of journal and ledgers.
pub fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970");
    i64::try_from(since.as_micros()).expect("a clock before the year 294000")
}
