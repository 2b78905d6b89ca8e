//! What an exploration is told: inputs, what the services are like, how many faults, and where it stops.

use std::{collections::BTreeMap, time::Duration};

use amends_core::{definition::Known, faults::FaultPlan, ids::ServiceName};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What a service's answers are worth, and what it does about copies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Contract {
    /// Any HTTP service that honours the idempotency key. It knows no tombstone: a request that arrives after its undo is done.
    #[default]
    Plain,
    /// It keeps the participant contract.
    Barrier,
    /// Any HTTP service that does what it is told as often as it is told; only PUT and DELETE may be repeated.
    Unkeyed,
}

/// One service, as a model of it is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    pub contract: Contract,
    /// Longest time for one attempt where the definition says nothing.
    #[serde(rename = "timeout_ms", with = "millis")]
    pub timeout: Duration,
    /// The statuses that are a definite no, where the service narrows them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reject_on: Option<Vec<u16>>,
}

/// All that an exploration is told.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Each is explored for itself. [`crate::inputs`] makes some up.
    pub inputs: Vec<Value>,
    pub services: BTreeMap<ServiceName, Service>,
    /// Of services that are not in there.
    pub otherwise: Service,
    /// Definitions that may be run as children, and theirs.
    pub known: Known,
    /// At most so many faults in one run.
    pub faults: u8,
    /// It stops after so many runs; then the verdict is incomplete.
    pub max_runs: Option<u64>,
    /// Runs that meet a moment that was there before are not followed again.
    pub join: bool,
    /// Faults that are given: they befall every run, and are none of those that are counted.
    pub plan: Option<FaultPlan>,
    /// A rule switched off, to see that the judge notices.
    pub broken: Broken,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            inputs: vec![Value::Null],
            services: BTreeMap::new(),
            otherwise: Service { contract: Contract::Plain, timeout: TIMEOUT, reject_on: None },
            known: Known::new(),
            faults: 2,
            max_runs: None,
            join: true,
            plan: None,
            broken: Broken::Nothing,
        }
    }
}

impl Setup {
    /// What this service is like.
    pub(crate) fn service(&self, name: &ServiceName) -> &Service {
        self.services.get(name).unwrap_or(&self.otherwise)
    }
}

/// As the catalogue has it.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Negative controls: one rule of the orchestrator's side or of a barrier is switched off. The judge must notice each; a
/// judge that cannot fail is worth nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Broken {
    #[default]
    Nothing,
    // ---- the orchestrator ----
    /// A timeout counts as if nothing had been sent.
    TimeoutMeansNotSent,
    /// A later no clears what may have happened.
    UnknownNotSticky,
    /// It sends first and writes then: a crash in between loses the intent.
    SendsBeforeWriting,
    /// A new owner takes what is open for never sent.
    AdoptionForgets,
    /// A new owner undoes at a plain service without waiting for what the dead one sent.
    NoWaitAfterAdoption,
    /// It undoes steps in any order.
    UndoesInAnyOrder,
    /// It undoes while an action is on the wire.
    UndoesBesideActions,
    /// A pivot whose answer is lost fails like any step.
    PivotLikeAnyStep,
    /// `idempotent: false` means nothing.
    SendsTwice,
    /// What waits for a person is told to nobody.
    HaltsInSilence,
    /// A signal that was acknowledged is lost.
    LosesSignals,
    /// It remembers something that no event says.
    StateBesideJournal,
    // ---- families ----
    /// A child that is to undo itself is never told.
    ForgetsToUndoChildren,
    /// A child that nothing undoes any more is never told.
    ForgetsToSettleChildren,
    /// A child that is not there is taken for undone, and nobody keeps it from being made.
    NoTombstoneForChildren,
    /// A child does not wait for its parent.
    ChildrenSettleThemselves,
    /// That it is undone is told to nobody.
    LosesNotes,
    // ---- the barrier ----
    /// Looks whether the row is there, and then acts: of two copies at once both find nothing.
    ChecksThenActs,
    NoTombstones,
    NoFence,
    NoIdempotency,
    RefusalsNotStored,
}

mod millis {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_millis)
    }
}
