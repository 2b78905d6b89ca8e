//! What the world hears of: exactly the turns that are in the journals, whoever reads and whatever goes on beside.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use amends_core::{
    Lifecycle,
    event::{AttentionReason, Event},
    ids::{CallId, SagaId, StepName},
    summary::Status,
    time::Time,
};
use uuid::Uuid;

use super::given::{compensation_started, create, create_with_id, end, next, step, succeeded, under_epoch, words};
use crate::{Append, Batch, Claim, Places, Store, Turn};

/// Reads on from `after`, `limit` at a time, until nothing is left.
async fn read_on(store: &dyn Store, after: &mut Places, limit: u32) -> Vec<Batch> {
    let mut read = Vec::new();
    loop {
        let page = store.batches(after, limit).await.unwrap();
        assert!(page.len() <= usize::try_from(limit).unwrap());
        if page.is_empty() {
            return read;
        }
        for batch in &page {
            assert_eq!(batch.number, after.of(batch.writer) + 1, "a writer's numbers have no holes");
            after.pass(batch);
        }
        read.extend(page);
    }
}

fn turns(batches: &[Batch]) -> Vec<Turn> {
    batches.iter().flat_map(|batch| batch.turns.clone()).collect()
}

/// Says what is wrong with what was told of sagas: each of their turns must be told once, in order.
fn untold(told: &[Turn], journals: &BTreeMap<SagaId, Vec<u64>>) -> Vec<String> {
    let mut of_sagas: HashMap<SagaId, Vec<u64>> = HashMap::new();
    for turn in told.iter().filter(|turn| !turn.attention_cleared) {
        of_sagas.entry(turn.saga).or_default().push(turn.seq);
    }
    let mut wrong = Vec::new();
    for (saga, seqs) in journals {
        let told = of_sagas.remove(saga).unwrap_or_default();
        if told != *seqs {
            wrong.push(format!("saga {saga}: its turns are {seqs:?}, told was {told:?}"));
        }
    }
    wrong.extend(of_sagas.into_keys().map(|saga| format!("saga {saga} is told of, and has no journal")));
    wrong
}

/// Holds all that is told against all journals of a store that is at rest.
pub async fn assert_all_is_told(store: &dyn Store) {
    let mut journals = BTreeMap::new();
    let mut after = None;
    loop {
        let page = store.scan(after, 500).await.unwrap();
        let Some((last, _)) = page.last() else { break };
        after = Some(*last);
        for (saga, _) in page {
            let journal = store.journal(saga, 1..u64::MAX, u32::MAX).await.unwrap();
            let turns = journal.iter().filter(|recorded| Lifecycle::of(&recorded.event).is_some());
            journals.insert(saga, turns.map(|recorded| recorded.seq).collect());
        }
    }
    for limit in [7, 1000] {
        let told = turns(&read_on(store, &mut Places::default(), limit).await);
        assert_eq!(untold(&told, &journals), Vec::<String>::new());
    }
}

async fn commit(store: &Arc<dyn Store>, batch: &[Append]) {
    assert_eq!(words(&store.commit(batch.to_vec()).await), vec!["ok"; batch.len()]);
}

fn turn(append: &Append, place: usize) -> Turn {
    Turn { saga: append.saga, seq: append.events[place].seq, attention_cleared: false }
}

pub(super) async fn the_turns_of_sagas_are_told_and_their_steps_are_not(store: Arc<dyn Store>) {
    assert_eq!(store.batches(&Places::default(), 10).await.unwrap(), []);
    assert_eq!(store.places().await.unwrap(), Places::default());
    let first = create(100);
    let second = step(&first);
    let third = next(&second, Status::Compensating, vec![succeeded("a"), compensation_started()]);
    let last = end(&third);
    for append in [&first, &second, &third, &last] {
        commit(&store, std::slice::from_ref(append)).await;
    }
    let mut places = Places::default();
    let read = read_on(&*store, &mut places, 10).await;
    assert_eq!(turns(&read), [turn(&first, 0), turn(&third, 1), turn(&last, 0)]);
    assert!(read.is_sorted_by(|a, b| a.at < b.at) && read[0].at >= Time(100));
    assert_eq!(store.places().await.unwrap(), places);
    assert_eq!(store.batches(&places, 10).await.unwrap(), []);
    assert_all_is_told(&*store).await;
}

pub(super) async fn that_nobody_has_to_look_any_more_is_told_where_it_stands(store: Arc<dyn Store>) {
    let raised = Event::AttentionRaised {
        call: CallId::action(&StepName::from("open")),
        reason: AttentionReason::StaleEpoch,
        detail: "somebody is ahead".to_owned(),
    };
    let first = create(100);
    let second = next(&first, Status::Running, vec![raised]);
    let mut third = next(&second, Status::Running, vec![succeeded("open"), succeeded("reserve")]);
    third.attention_cleared = Some(third.events[0].seq);
    commit(&store, &[first.clone(), second.clone(), third.clone()]).await;
    let cleared = Turn { attention_cleared: true, ..turn(&third, 0) };
    let told = turns(&read_on(&*store, &mut Places::default(), 10).await);
    assert_eq!(told, [turn(&first, 0), turn(&second, 0), cleared]);
}

pub(super) async fn what_was_not_made_is_not_told_and_what_is_made_again_is_told_once(store: Arc<dyn Store>) {
    let sagas: Vec<Append> = (0..4).map(create).collect();
    commit(&store, &sagas).await;
    let claim = Claim { saga: sagas[0].saga, owner: Some(Uuid::nil()), epoch: 1 };
    assert_eq!(store.adopt(vec![claim], Uuid::from_u128(1)).await.unwrap(), [true]);
    let ended = end(&sagas[2]);
    let batch = vec![
        end(&sagas[0]),
        end(&step(&sagas[1])),
        ended.clone(),
        Append { commit: Uuid::new_v4(), ..create_with_id(sagas[3].saga, 7) },
    ];
    assert_eq!(words(&store.commit(batch).await), ["fenced", "conflict", "ok", "exists"]);
    commit(&store, &[ended, sagas[1].clone()]).await;
    assert_all_is_told(&*store).await;
    // Nothing but failures and steps: nothing is told.
    let places = store.places().await.unwrap();
    assert_eq!(words(&store.commit(vec![end(&sagas[0]), step(&sagas[1])]).await), ["fenced", "ok"]);
    assert_eq!(store.places().await.unwrap(), places);
    commit(&store, &[under_epoch(end(&sagas[0]), 2), end(&step(&sagas[1]))]).await;
    assert_all_is_told(&*store).await;
}

pub(super) async fn a_reader_beside_many_writers_hears_of_each_turn_once_and_of_each_saga_in_order(
    store: Arc<dyn Store>,
) {
    const WRITERS: usize = 8;
    const SAGAS: usize = 12;
    let left = Arc::new(AtomicUsize::new(WRITERS));
    let writing = (0..WRITERS).map(|_| {
        let (store, left) = (Arc::clone(&store), Arc::clone(&left));
        tokio::spawn(async move {
            let mut made = BTreeMap::new();
            for at in 0..SAGAS {
                let first = create(i64::try_from(at).unwrap());
                let second = next(&step(&first), Status::Compensating, vec![compensation_started()]);
                let last = end(&second);
                made.insert(first.saga, vec![first.events[0].seq, second.events[0].seq, last.events[0].seq]);
                for append in [first.clone(), step(&first), second, last] {
                    commit(&store, &[append]).await;
                }
            }
            left.fetch_sub(1, Ordering::Release);
            made
        })
    });
    let writing: Vec<_> = writing.collect();
    let (mut places, mut told, mut looks) = (Places::default(), Vec::new(), 0);
    loop {
        // Looked at before the last read: what was written until then is seen by it.
        let over = left.load(Ordering::Acquire) == 0;
        told.extend(turns(&read_on(&*store, &mut places, 3).await));
        looks += 1;
        if over {
            break;
        }
        tokio::task::yield_now().await;
    }
    let mut made = BTreeMap::new();
    for writer in writing {
        made.extend(writer.await.unwrap());
    }
    assert_eq!(made.len(), WRITERS * SAGAS);
    assert_eq!(untold(&told, &made), Vec::<String>::new(), "{looks} looks");
    // The check can fail: a turn that is lost, told twice, or told before another.
    let mut broken = told.clone();
    broken.remove(5);
    assert_eq!(untold(&broken, &made).len(), 1);
    broken = told.clone();
    broken.push(told[0]);
    assert_eq!(untold(&broken, &made).len(), 1);
    let second = (1..told.len()).find(|at| told[*at].saga == told[0].saga).unwrap();
    broken = told.clone();
    broken.swap(0, second);
    assert_eq!(untold(&broken, &made).len(), 1);
}

pub(super) async fn rows_are_read_by_saga_and_seq(store: Arc<dyn Store>) {
    let sagas: Vec<Append> = (0..80).map(create).collect();
    commit(&store, &sagas).await;
    let mut wanted: Vec<(SagaId, u64)> = sagas.iter().rev().flat_map(|saga| [(saga.saga, 2), (saga.saga, 1)]).collect();
    wanted.insert(7, (sagas[0].saga, 3));
    wanted.insert(9, (SagaId(Uuid::now_v7()), 1));
    wanted.push(wanted[4]);
    let rows = store.rows(&wanted).await.unwrap();
    assert_eq!(rows.len(), wanted.len());
    for ((saga, seq), row) in wanted.iter().zip(rows) {
        let kept = store.journal(*saga, *seq..*seq + 1, 1).await.unwrap();
        assert_eq!(row.unwrap(), kept.into_iter().next());
    }
    assert!(store.rows(&[]).await.unwrap().is_empty());
}

pub(super) async fn what_was_told_goes_after_its_time_and_whoever_missed_it_can_tell(store: Arc<dyn Store>) {
    const WEEK: Duration = Duration::from_secs(7 * 86_400);
    for at in [10, 20, 30, 40] {
        commit(&store, &[create(at)]).await;
    }
    let all = read_on(&*store, &mut Places::default(), 10).await;
    assert_eq!(all.len(), 4);
    let mut first = Places::default();
    first.pass(&all[0]);
    let drop = async |before: Time, passed: Option<&Places>, now: i64, limit: u32| {
        store.drop_batches(before, passed, Time(now), WEEK, limit).await.unwrap()
    };
    assert_eq!(drop(all[0].at, None, 1000, 10).await, 0, "not of before");
    assert_eq!(drop(all[3].at, Some(&Places::default()), 1000, 10).await, 0, "nobody has passed it");
    assert_eq!(store.dropped().await.unwrap(), Places::default());
    assert_eq!(drop(all[3].at, Some(&first), 1000, 10).await, 1);
    assert_eq!(store.dropped().await.unwrap(), first);
    assert_eq!(drop(all[3].at, None, 1000, 1).await, 1, "no more than asked");
    assert_eq!(drop(all[3].at, None, 2000, 10).await, 1);
    let mut third = first;
    third.pass(&all[2]);
    assert_eq!(store.dropped().await.unwrap(), third);
    // Reading goes on behind the hole, and a place from before shows that there is one.
    assert_eq!(store.batches(&Places::default(), 10).await.unwrap(), all[3..]);
    assert_eq!(store.batches(&third, 1).await.unwrap(), all[3..]);
    // When nothing of a writer is kept, its place still is.
    let mut last = third.clone();
    last.pass(&all[3]);
    assert_eq!(drop(Time(i64::MAX), None, 3000, 10).await, 1);
    assert_eq!((store.dropped().await.unwrap(), store.places().await.unwrap()), (last.clone(), last.clone()));
    commit(&store, &[create(50)]).await;
    let more = store.batches(&last, 10).await.unwrap();
    assert_eq!(more.len(), 1);
    assert_eq!((more[0].writer, more[0].number), (all[3].writer, 5), "numbers go on");
    // And is forgotten after a while.
    assert_eq!(drop(Time(0), None, 4000 + i64::try_from(WEEK.as_micros()).unwrap(), 10).await, 0);
    assert_eq!(store.dropped().await.unwrap(), Places::default());
    let writers: HashSet<Uuid> = store.places().await.unwrap().0.into_keys().collect();
    assert_eq!(writers, HashSet::from([more[0].writer]));
}
