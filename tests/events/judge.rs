//! What should have been told, from the journals, against what was.

use std::collections::{BTreeMap, HashMap};

use amends_tests::{audit::journal::Event, town::Scene};
use anyhow::Result;
use uuid::Uuid;

/// Of each saga, in order: the id of each event and its type.
pub(crate) type Owed = BTreeMap<Uuid, Vec<(String, &'static str)>>;

/// One event, as somebody heard it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) saga: Uuid,
    pub(crate) id: String,
    pub(crate) kind: String,
}

/// All turns of all sagas that are stored.
pub(crate) async fn owed(scene: &Scene) -> Result<Owed> {
    let mut owed = Owed::new();
    for saga in scene.sagas().await? {
        let turns = scene.journal(saga.id).await?.into_iter().filter_map(|row| {
            let kind = match row.event {
                Event::SagaStarted { .. } => "amends.saga.started.v1",
                Event::CompensationStarted { .. } => "amends.saga.compensating.v1",
                Event::SagaCompleted { .. } => "amends.saga.completed.v1",
                Event::SagaCompensated => "amends.saga.compensated.v1",
                Event::AttentionRaised { .. } => "amends.saga.attention_raised.v1",
                _ => return None,
            };
            Some((format!("{}:{}", saga.id, row.seq), kind))
        });
        owed.insert(saga.id, turns.collect());
    }
    Ok(owed)
}

/// What is wrong: every event that is owed must have been told, those of one saga in order when they were told first, and none else.
/// That nobody has to look any more has no row of its own, and is left out.
pub(crate) fn wrong(owed: &Owed, told: &[Told]) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut first: HashMap<Uuid, Vec<(String, String)>> = HashMap::new();
    for event in told.iter().filter(|event| event.kind != "amends.saga.attention_cleared.v1") {
        let of_saga = first.entry(event.saga).or_default();
        if of_saga.iter().all(|(id, _)| *id != event.id) {
            of_saga.push((event.id.clone(), event.kind.clone()));
        }
    }
    for (saga, owed) in owed {
        let told = first.remove(saga).unwrap_or_default();
        let as_owed =
            told.len() == owed.len() && told.iter().zip(owed).all(|(told, owed)| told.0 == owed.0 && told.1 == owed.1);
        if !as_owed {
            wrong.push(format!("saga {saga}: owed {owed:?}, told {told:?}"));
        }
    }
    wrong.extend(first.into_keys().map(|saga| format!("saga {saga} was told of, and is not stored")));
    wrong
}

#[test]
fn what_is_lost_out_of_order_or_made_up_is_noticed_and_what_is_told_twice_is_not_wrong() {
    let [one, two] = [Uuid::from_u128(1), Uuid::from_u128(2)];
    let kinds = ["amends.saga.started.v1", "amends.saga.compensating.v1", "amends.saga.compensated.v1"];
    let owed: Owed = [one, two]
        .map(|saga| (saga, kinds.iter().zip([1, 5, 9]).map(|(kind, seq)| (format!("{saga}:{seq}"), *kind)).collect()))
        .into();
    let told: Vec<Told> = owed
        .iter()
        .flat_map(|(saga, events)| {
            events.iter().map(|(id, kind)| Told { saga: *saga, id: id.clone(), kind: (*kind).to_owned() })
        })
        .collect();
    assert_eq!(wrong(&owed, &told), Vec::<String>::new());
    let again = [&told[..], &told[1..3]].concat();
    assert_eq!(wrong(&owed, &again), Vec::<String>::new());
    for broken in [
        told[1..].to_vec(),
        told[..5].to_vec(),
        [&told[1..2], &told[..1], &told[2..]].concat(),
        [&told[..], &[Told { saga: Uuid::from_u128(3), ..told[0].clone() }]].concat(),
        [&told[..], &[Told { id: format!("{one}:11"), ..told[0].clone() }]].concat(),
        [&[Told { kind: kinds[2].to_owned(), ..told[0].clone() }], &told[1..]].concat(),
    ] {
        assert_eq!(wrong(&owed, &broken).len(), 1, "{broken:?}");
    }
}
