//! The rows of sagas: how they are written, and who looks at many of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use amends_core::{event::Recorded, ids::SagaId, time::Time};
use uuid::Uuid;

use super::{batches::Batches, locks::Locks, nodes::Nodes, poisoned::Words, subscriptions::Subscriptions};
use crate::{
    Append, AppendError, Claim, Create, Cursor, Filter, Head, Note, Page, Secret, StoredDefinition, Verdict, Written,
    append::Standing, batch::push_turns,
};

use super::at_most;

#[derive(Debug, Default)]
pub(super) struct Rows {
    pub(super) sagas: BTreeMap<SagaId, Saga>,
    pub(super) definitions: BTreeMap<(Arc<str>, u32), StoredDefinition>,
    pub(super) keys: BTreeMap<Arc<str>, Secret>,
    pub(super) nodes: Nodes,
    pub(super) inbox: BTreeMap<(SagaId, Uuid), Posted>,
    pub(super) locks: Locks,
    pub(super) poisoned: Words,
    pub(super) batches: Batches,
    pub(super) subscriptions: Subscriptions,
    pub(super) written: Written,
    pub(super) failing_commits: usize,
    pub(super) losing_answer: bool,
    pub(super) leaving_no_stubs: bool,
    pub(super) hasty_by: Option<Duration>,
    pub(super) taking_any_epoch: bool,
}

/// A note, and its verdict if it has one.
pub(super) type Posted = (Note, Option<Arc<str>>);

#[derive(Debug)]
pub(super) struct Saga {
    pub(super) head: Head,
    pub(super) journal: Vec<Recorded>,
    last_commit: Uuid,
    asleep_until: Option<Time>,
}

impl Rows {
    /// Which of them wrote something.
    pub(super) fn apply_all(&mut self, batch: Vec<Append>) -> Vec<Result<bool, AppendError>> {
        let mut turns = Vec::new();
        let mut last_at = Time(i64::MIN);
        let made = batch.into_iter().map(|append| {
            let (mut of_this, at) = (Vec::new(), append.events.last().map(|event| event.at));
            push_turns(&append, &mut of_this);
            let made = self.apply(append);
            if matches!(made, Ok(true)) {
                turns.append(&mut of_this);
                last_at = last_at.max(at.unwrap_or(last_at));
            }
            made
        });
        let made = made.collect();
        self.batches.push(last_at, &turns);
        made
    }

    fn apply(&mut self, append: Append) -> Result<bool, AppendError> {
        append.check()?;
        let (saga, verdicts) = (append.saga, append.verdicts.clone());
        let deleted = append.create.as_ref().is_some_and(|create| self.is_deleted(&create.name, create.version));
        match (self.sagas.get_mut(&append.saga), &append.create) {
            (None, Some(create)) if !deleted => {
                self.sagas.insert(saga, Saga::made(&append, create));
            }
            (Some(saga), None) if saga.goes_on_with(&append, self.taking_any_epoch) => saga.go_on(append),
            (standing, _) => return append.judge(standing.map(|saga| saga.standing()).as_ref()).map(|()| false),
        }
        self.give_verdicts(saga, &verdicts);
        Ok(true)
    }

    /// The first verdict of a note stays.
    pub(super) fn give_verdicts(&mut self, saga: SagaId, verdicts: &[Verdict]) {
        for verdict in verdicts {
            if let Some((_, place)) = self.inbox.get_mut(&(saga, verdict.note)) {
                place.get_or_insert_with(|| Arc::clone(&verdict.body));
            }
        }
    }

    pub(super) fn adopt(&mut self, claim: Claim, owner: Uuid) -> bool {
        match self.sagas.get_mut(&claim.saga) {
            Some(Saga { head, asleep_until, .. })
                if head.owner == claim.owner && head.epoch == claim.epoch && head.purged_at.is_none() =>
            {
                head.owner = Some(owner);
                head.epoch += 1;
                *asleep_until = None;
                true
            }
            Some(_) | None => false,
        }
    }

    pub(super) fn heads(&self, keep: impl Fn(&Head) -> bool) -> Vec<Head> {
        self.sagas.values().map(|saga| &saga.head).filter(|head| keep(head)).cloned().collect()
    }

    pub(super) fn live(&self) -> Vec<Head> {
        self.heads(|head| !head.summary.status.is_terminal())
    }

    pub(super) fn list(&self, filter: &Filter, below: Option<Cursor>, limit: u32) -> Vec<Head> {
        let mut heads = self.heads(|head| {
            head.purged_at.is_none()
                && (filter.statuses.is_empty() || filter.statuses.contains(&head.summary.status))
                && filter.name.as_deref().is_none_or(|name| *name == *head.name)
                && filter.parent.is_none_or(|parent| head.parent == Some(parent))
                && filter.attention.is_none_or(|attention| attention == head.summary.attention)
                && filter.started_from.is_none_or(|from| from <= head.started_at)
                && filter.started_before.is_none_or(|before| head.started_at < before)
                && below.is_none_or(|below| place(head) < (below.started_at, below.saga))
        });
        heads.sort_unstable_by_key(|head| std::cmp::Reverse(place(head)));
        heads.truncate(at_most(limit));
        heads
    }

    /// Those that sleep, and until when, earliest first.
    pub(super) fn asleep(&self) -> Vec<(Time, Head)> {
        let sleeps = |saga: &Saga| saga.asleep_until.map(|until| (until, saga.head.clone()));
        let mut asleep: Vec<(Time, Head)> = self.sagas.values().filter_map(sleeps).collect();
        asleep.sort_unstable_by_key(|(until, head)| (*until, head.saga));
        asleep
    }

    pub(super) fn ended(&self, before: Time, after: Option<Cursor>, limit: u32) -> Page {
        let mut seen = self.heads(|head| {
            head.purged_at.is_none()
                && head.started_at < before
                && after.is_none_or(|after| place(head) > (after.started_at, after.saga))
        });
        seen.sort_unstable_by_key(place);
        let whole = seen.len() >= at_most(limit);
        seen.truncate(at_most(limit));
        let last = seen.last().filter(|_| whole);
        let next = last.map(|head| Cursor { started_at: head.started_at, saga: head.saga });
        seen.retain(|head| head.summary.ended_at.is_some_and(|ended_at| ended_at < before));
        Page { found: seen, next }
    }

    pub(super) fn purge(&mut self, sagas: Vec<SagaId>, at: Time) -> u64 {
        let mut purged = 0;
        for id in sagas.into_iter().collect::<BTreeSet<_>>() {
            let Some(parent) = self.sagas.get(&id).map(|saga| saga.head.parent) else { continue };
            let above = parent.and_then(|parent| self.sagas.get(&parent));
            if above.is_some_and(|above| above.head.purged_at.is_none()) {
                continue;
            }
            let Some(saga) = self.sagas.get_mut(&id) else { continue };
            if !saga.head.summary.status.is_terminal() || saga.head.purged_at.is_some() {
                continue;
            }
            if saga.head.key.is_some() && !self.leaving_no_stubs {
                saga.leave_stub(at);
            } else {
                self.sagas.remove(&id);
            }
            self.inbox.retain(|(to, _), _| *to != id);
            purged += 1;
        }
        purged
    }
}

fn place(head: &Head) -> (Time, SagaId) {
    (head.started_at, head.saga)
}

impl Saga {
    fn made(append: &Append, create: &Create) -> Self {
        let head = Head {
            saga: append.saga,
            name: Arc::clone(&create.name),
            version: create.version,
            definition: create.definition.clone(),
            key: create.key.clone(),
            parent: create.parent,
            owner: (!append.release).then_some(create.owner),
            epoch: append.epoch,
            next_seq: append.next_seq(),
            started_at: append.first_at(),
            updated_at: append.last_at(),
            purged_at: None,
            summary: append.summary,
        };
        let (last_commit, asleep_until) = (append.commit, append.asleep_until());
        Self { head, journal: append.events.clone(), last_commit, asleep_until }
    }

    fn goes_on_with(&self, append: &Append, any_epoch: bool) -> bool {
        let stays_ended = self.head.summary.ended_at.is_none() || append.summary.ended_at.is_some();
        (any_epoch || self.head.epoch == append.epoch)
            && self.head.owner.is_some()
            && self.head.next_seq == append.expected_seq()
            && stays_ended
    }

    fn go_on(&mut self, append: Append) {
        self.head.next_seq = append.next_seq();
        self.head.updated_at = append.last_at();
        self.head.summary = append.summary;
        self.last_commit = append.commit;
        if append.release {
            self.head.owner = None;
            self.asleep_until = append.asleep_until();
        }
        self.journal.extend(append.events);
    }

    fn standing(&self) -> Standing {
        Standing {
            epoch: self.head.epoch,
            owned: self.head.owner.is_some(),
            next_seq: self.head.next_seq,
            last_commit: self.last_commit,
        }
    }

    fn leave_stub(&mut self, at: Time) {
        self.head.purged_at = Some(at);
        self.head.owner = None;
        self.head.summary.attention = false;
        self.head.summary.wake_at = None;
        self.asleep_until = None;
        self.journal.clear();
    }
}
