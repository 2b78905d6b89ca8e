//! Families: what a saga owes its children and its parent, carried out.
//!
//! A child is made asleep and due at once, so that whoever has a place for it takes it, here or elsewhere, on the path on which
//! every sleeper is taken. Everything else is a note to whoever owns the other, under an id that follows from who tells whom what:
//! it is durable before the saga that tells goes on, and told again it is the same note.
//!
//! **What it must never know:** when something is owed (core), or what it means to the one who hears it.

use std::sync::Arc;

use amends_core::{
    Errand, Input, Report, Settlement, begin_with, child_begins, child_may_begin, decide_in_place,
    definition::{Definition, Known},
    faults,
    ids::CallId,
    labels,
    state::State,
    why_undone,
};
use amends_store::{Append, AppendError, Create, Note, StoreError};
use uuid::Uuid;

use crate::{
    Engine,
    definitions::Startable,
    inbox::{Asked, written},
};

/// Whose errands are run.
pub(crate) struct Saga<'a> {
    pub(crate) definition: &'a Definition,
    pub(crate) state: &'a State,
    /// The identity that owns it.
    pub(crate) owner: Uuid,
}

/// What became of a child that was to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Made {
    Now,
    Before,
    /// Its version was deleted before it was there, so that nobody makes it any more. Had anybody made it, the version would be in use.
    Never,
}

impl Engine {
    /// Does what is owed. Answers what the saga learns by it.
    ///
    /// # Errors
    /// The store cannot be asked: the same again, later.
    pub(crate) async fn run_errand(&self, of: &Saga<'_>, errand: &Errand) -> Result<Option<Input>, StoreError> {
        match errand {
            Errand::Pin { call } => self.pin(of, call).await.map(Some),
            Errand::Begin { call } => match self.make_child(of, call).await? {
                Made::Now | Made::Before => Ok(None),
                Made::Never => Ok(Some(never_there(call))),
            },
            // If it is not there, it is made as one that is undone: nobody makes another in its place any more.
            Errand::Undo { call } => match self.make_child(of, call).await? {
                Made::Now => Ok(None),
                Made::Before => {
                    self.tell_kin(of.state, errand, &Asked::Settled { settlement: Settlement::Undo }).await?;
                    Ok(None)
                }
                Made::Never => Ok(Some(never_there(call))),
            },
            Errand::Settle { call } => {
                self.tell_kin(of.state, errand, &Asked::Settled { settlement: Settlement::Complete }).await?;
                Ok(Some(Input::ChildTold { call: call.clone() }))
            }
            Errand::ReportSuccess => {
                self.report(of.state, errand, Report::Succeeded { output: of.state.output.clone() }).await?;
                Ok(None)
            }
            Errand::ReportUndone => {
                self.report(of.state, errand, Report::Compensated { reason: why_undone(of.state) }).await?;
                Ok(Some(Input::Reported))
            }
        }
    }

    async fn pin(&self, of: &Saga<'_>, call: &CallId) -> Result<Input, StoreError> {
        let refused = |reason: String| Ok(Input::ChildRefused { call: call.clone(), reason });
        let Some(child) = of.state.child(call) else { return refused("the step runs no child".to_owned()) };
        let (definition, version) = match self.startable(&child.name, None).await? {
            Startable::Version(definition, version) => (definition, version),
            Startable::Disabled => return refused(format!("every version of saga {} is disabled", child.name)),
            Startable::Unknown => return refused(format!("there is no saga {}", child.name)),
        };
        let now = self.inner.clock.now();
        match child_may_begin(of.definition, of.state, call, (&definition, version), now) {
            Ok(()) => Ok(Input::ChildPinned { call: call.clone(), version, definition: definition.digest.clone() }),
            Err(why) => refused(why),
        }
    }

    /// Its primary key is the check for uniqueness: whoever else makes it, for whatever owner of its parent, meets the first.
    async fn make_child(&self, of: &Saga<'_>, call: &CallId) -> Result<Made, StoreError> {
        let corrupt = |why: &str| StoreError::Corrupt { reason: format!("saga {}, {call}: {why}", of.state.saga) };
        let child = of.state.child(call).ok_or_else(|| corrupt("it runs no child"))?;
        if self.inner.store.head(child.saga).await?.is_some() {
            return Ok(Made::Before);
        }
        let (version, digest) = child.pinned.as_ref().ok_or_else(|| corrupt("its child has no version"))?;
        let Some((definition, _)) = self.versioned(&child.name, Some(*version)).await? else { return Ok(Made::Never) };
        if definition.digest != *digest {
            return Err(corrupt("the version of its child is another text than it was"));
        }
        let mut with = child_begins(of.definition, of.state, call, *version).ok_or_else(|| corrupt("no child"))?;
        let now = self.inner.clock.now();
        with.labels = labels(&definition, child.saga, &with, now).map_err(|why| corrupt(&why))?;
        let (mut state, decision) = begin_with(&definition, child.saga, with, now);
        let mut events = decision.events;
        events.extend(decide_in_place(&definition, &mut state, Input::Released, now).events);
        let append = Append {
            saga: child.saga,
            commit: self.inner.commit_ids.next(),
            epoch: state.epoch,
            events,
            summary: state.summary(),
            attention_cleared: None,
            release: true,
            verdicts: Vec::new(),
            create: Some(Create {
                owner: of.owner,
                name: definition.name.clone(),
                version: *version,
                definition: definition.digest.clone(),
                key: None,
                parent: Some(of.state.saga),
            }),
        };
        let of = faults::Saga { id: child.saga, definition: &definition, started: &state.started };
        match self.append(of, append).await {
            Ok(()) => {
                self.inner.sweep.notify_one();
                Ok(Made::Now)
            }
            Err(AppendError::Exists | AppendError::Conflict | AppendError::Fenced) => Ok(Made::Before),
            Err(AppendError::Deleted) => Ok(Made::Never),
            Err(AppendError::Unavailable(error)) => Err(error),
        }
    }

    async fn report(&self, state: &State, errand: &Errand, report: Report) -> Result<(), StoreError> {
        let Some(parent) = &state.started.parent else { return Ok(()) };
        self.tell_kin(state, errand, &Asked::ChildReported { call: parent.call(), said: report.into() }).await
    }

    async fn tell_kin(&self, state: &State, errand: &Errand, asked: &Asked) -> Result<(), StoreError> {
        let Some((saga, id)) = errand.letter(state) else { return Ok(()) };
        self.inner.store.post(Note { saga, id, body: written(asked), at: self.inner.clock.now() }).await?;
        self.inner.sweep.notify_one();
        Ok(())
    }

    /// The definitions of the children of a definition, and of theirs, as a start would get them now.
    ///
    /// # Errors
    /// The store cannot be asked.
    pub(crate) async fn descendants(&self, definition: &Definition) -> Result<Known, StoreError> {
        let mut known = Known::new();
        let mut names: Vec<Arc<str>> = definition.children().map(|(_, child)| child.name.clone()).collect();
        while let Some(name) = names.pop() {
            if known.contains_key(&name) || name == definition.name {
                continue;
            }
            let child = match self.startable(&name, None).await? {
                Startable::Version(child, _) => child,
                Startable::Disabled => match self.definition(&name, None).await? {
                    Some(child) => child,
                    None => continue,
                },
                Startable::Unknown => continue,
            };
            names.extend(child.children().map(|(_, child)| child.name.clone()));
            known.insert(name, child);
        }
        Ok(known)
    }
}

/// Of a child that is not there and never will be, nothing is left: as of one that is undone.
fn never_there(call: &CallId) -> Input {
    let reason = "its version was deleted before it began".to_owned();
    Input::ChildReported { call: call.clone(), report: Report::Compensated { reason } }
}

/// What a child says, as in the store.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "came", rename_all = "snake_case")]
pub(crate) enum Said {
    Succeeded {
        #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
        output: serde_json::Value,
    },
    Compensated {
        reason: String,
    },
}

impl From<Report> for Said {
    fn from(report: Report) -> Self {
        match report {
            Report::Succeeded { output } => Self::Succeeded { output: serde_json::Value::clone(&output) },
            Report::Compensated { reason } => Self::Compensated { reason },
        }
    }
}

impl From<Said> for Report {
    fn from(said: Said) -> Self {
        match said {
            Said::Succeeded { output } => Self::Succeeded { output: output.into() },
            Said::Compensated { reason } => Self::Compensated { reason },
        }
    }
}

#[cfg(test)]
mod tests {
    use amends_core::ids::SagaId;

    use super::*;

    #[test]
    fn words_of_families_are_frozen() {
        let call = CallId { index: Some(3), ..CallId::action(&"pay".into()) };
        let said = |said: Said| Asked::ChildReported { call: call.clone(), said };
        let head = r#"{"command":"child_reported","call":{"step":"pay","index":3,"op":"action"},"said":"#;
        let succeeded = said(Said::Succeeded { output: serde_json::json!({ "id": 7 }) });
        let undone = said(Said::Compensated { reason: "no cover".to_owned() });
        for (asked, spelled) in [
            (succeeded, format!(r#"{head}{{"came":"succeeded","output":{{"id":7}}}}}}"#)),
            (undone, format!(r#"{head}{{"came":"compensated","reason":"no cover"}}}}"#)),
            (
                Asked::Settled { settlement: Settlement::Complete },
                r#"{"command":"settled","settlement":"complete"}"#.to_owned(),
            ),
            (
                Asked::Settled { settlement: Settlement::Undo },
                r#"{"command":"settled","settlement":"undo"}"#.to_owned(),
            ),
        ] {
            assert_eq!(&*written(&asked), spelled);
            assert_eq!(Asked::read(&spelled), Some(asked));
        }
    }

    #[test]
    fn ids_of_families_never_change() {
        let (parent, child) = (SagaId(Uuid::from_u128(7)), SagaId(Uuid::from_u128(8)));
        let of = SagaId::of_child(parent, "pay", None);
        assert_ne!(of, SagaId::of_child(parent, "pay", Some(0)));
        assert_ne!(SagaId::of_child(parent, "pay", Some(1)), SagaId::of_child(parent, "pay1", None));
        assert_eq!(of.to_string(), "6eee4156-8a32-85b0-803c-a0df814fa7b0");
        assert_eq!(amends_core::ids::letter(parent, child, 1).to_string(), "0f365bf9-1ba8-89ef-a660-1e974c804335");
        assert_ne!(amends_core::ids::letter(parent, child, 1), amends_core::ids::letter(child, parent, 1));
    }
}
