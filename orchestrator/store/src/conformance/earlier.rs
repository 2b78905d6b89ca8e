//! Rows as the first program wrote them, in the columns that every schema has had: for tests that bring them up to date.

use std::sync::Arc;

use amends_core::event::Recorded;
use uuid::Uuid;

use super::given::{create, end, step, words};
use crate::{Append, Filter, Store};

/// Sagas of an earlier program.
pub(crate) struct Earlier {
    running: Append,
    keyed: Append,
    ended: [Append; 2],
}

/// How a database writes what the two write differently.
pub(crate) struct Spelling {
    pub(crate) id: fn(Uuid) -> String,
    pub(crate) no: &'static str,
}

impl Earlier {
    pub(crate) fn made() -> Self {
        let begun = create(3);
        let over = end(&begun);
        Self { running: create(1), keyed: create(2), ended: [begun, over] }
    }

    /// The statements that write them, and a definition.
    pub(crate) fn statements(&self, spelling: &Spelling) -> String {
        let definition = "insert into definitions (name, version, digest, source, created_at) values ('place-order', 1, 'd', 's', 1);";
        let mut statements = definition.to_owned();
        statements += &saga(&[&self.running], None, spelling);
        statements += &saga(&[&self.keyed], Some("order-17"), spelling);
        statements + &saga(&[&self.ended[0], &self.ended[1]], None, spelling)
    }

    /// # Panics
    /// One of them is not there as it was, or does not go on.
    pub(crate) async fn are_there_and_go_on(&self, store: Arc<dyn Store>) {
        for appends in [vec![&self.running], vec![&self.keyed], self.ended.iter().collect()] {
            let (saga, events) = (appends[0].saga, events(&appends));
            assert_eq!(store.journal(saga, 0..100, 100).await.expect("readable"), events);
            let head = store.head(saga).await.expect("readable").expect("there");
            assert_eq!((head.next_seq, head.parent), (events.len() as u64 + 1, None));
            assert_eq!(head.summary.status.is_terminal(), appends.len() == 2);
            assert_eq!(head.key.is_some_and(|key| &*key.key == "order-17"), saga == self.keyed.saga);
        }
        assert_eq!(store.list(&Filter::default(), None, 10).await.expect("readable").len(), 3, "all are listed");
        assert_eq!(store.definition("place-order", None).await.expect("readable").map(|found| found.version), Some(1));
        let steps = vec![step(&self.running), step(&self.keyed)];
        assert_eq!(words(&store.commit(steps).await), ["ok"; 2], "they go on");
    }
}

fn events(appends: &[&Append]) -> Vec<Recorded> {
    appends.iter().flat_map(|append| append.events.clone()).collect()
}

fn saga(appends: &[&Append], key: Option<&str>, spelling: &Spelling) -> String {
    let (id, no) = (spelling.id, spelling.no);
    let (events, create) = (events(appends), appends[0].create.as_ref().expect("invariant: it creates"));
    let (first, last) = (&events[0], &events[events.len() - 1]);
    let (saga, commit) = (id(appends[0].saga.0), id(appends[appends.len() - 1].commit));
    let (name, version, definition) = (&create.name, create.version, &create.definition.0);
    let text = |text: Option<&str>| text.map_or("null".to_owned(), |text| format!("'{text}'"));
    let (status, ended_at, owner) = match appends {
        [_] => ("running", "null".to_owned(), id(Uuid::nil())),
        _ => ("compensated", last.at.0.to_string(), "null".to_owned()),
    };
    let mut statements = format!(
        "insert into sagas (id, name, version, definition, start_key, request, status, attention, started_at, updated_at, ended_at, \
         owner, epoch, next_seq, last_commit) values ({saga}, '{name}', {version}, '{definition}', {}, {}, '{status}', {no}, {}, {}, \
         {ended_at}, {owner}, 1, {}, {commit});",
        text(key),
        text(key.map(|_| "a digest")),
        first.at.0,
        last.at.0,
        last.seq + 1
    );
    for Recorded { seq, epoch, at, event } in &events {
        let event = serde_json::to_string(event).expect("invariant: events are JSON");
        statements += &format!(
            "insert into journal (saga, seq, epoch, at, event) values ({saga}, {seq}, {epoch}, {}, '{event}');",
            at.0
        );
    }
    statements
}
