//! Looking at many sagas.

use std::sync::Arc;

use amends_core::{
    ids::SagaId,
    summary::{Status, Summary},
    time::Time,
};
use uuid::Uuid;

use super::given::{compensation_started, create, create_with_id, end, next, summary, words};
use crate::{Append, Counts, Cursor, Filter, Head, Store};

const STATUSES: [Status; 6] = [
    Status::Running,
    Status::Compensating,
    Status::Completed,
    Status::Compensated,
    Status::Abandoned,
    Status::Succeeded,
];

async fn commit(store: &Arc<dyn Store>, batch: &[Append]) {
    assert_eq!(words(&store.commit(batch.to_vec()).await), vec!["ok"; batch.len()]);
}

async fn ids(store: &Arc<dyn Store>, filter: &Filter) -> Vec<SagaId> {
    store.list(filter, None, 10_000).await.unwrap().iter().map(|head| head.saga).collect()
}

/// Sagas of every status, two names, with and without attention, two in each microsecond.
async fn many(store: &Arc<dyn Store>) -> Vec<Head> {
    let mut creates = Vec::new();
    let mut advances = Vec::new();
    for n in 0..48_usize {
        let mut append = create(i64::try_from(n / 2).unwrap());
        append.create.as_mut().unwrap().name = if n % 3 == 0 { "other" } else { "place-order" }.into();
        let mut advance = next(&append, STATUSES[n % 6], vec![compensation_started()]);
        advance.summary.attention = n % 5 == 0;
        advance.summary.wake_at = (n % 4 == 0).then_some(Time(5));
        creates.push(append);
        advances.push(advance);
    }
    commit(store, &creates).await;
    commit(store, &advances).await;
    let mut heads = Vec::new();
    for append in &creates {
        heads.push(store.head(append.saga).await.unwrap().unwrap());
    }
    heads.sort_unstable_by_key(|head| std::cmp::Reverse((head.started_at, head.saga)));
    heads
}

pub(super) async fn lists_are_newest_first(store: Arc<dyn Store>) {
    let heads = many(&store).await;
    assert_eq!(store.list(&Filter::default(), None, 100).await.unwrap(), heads);
    assert_eq!(store.list(&Filter::default(), None, 5).await.unwrap(), heads[..5]);
    assert_eq!(store.list(&Filter::default(), None, 0).await.unwrap(), []);
    let below = Cursor { started_at: heads[7].started_at, saga: heads[7].saga };
    assert_eq!(store.list(&Filter::default(), Some(below), 10).await.unwrap(), heads[8..18]);
}

pub(super) async fn filters_by_status_find_those_and_no_others(store: Arc<dyn Store>) {
    let heads = many(&store).await;
    // Every set of statuses.
    for set in 0..64_u32 {
        let statuses: Vec<Status> = (0..6).filter(|bit| set >> bit & 1 == 1).map(|bit| STATUSES[bit]).collect();
        let expected: Vec<SagaId> = heads
            .iter()
            .filter(|head| statuses.is_empty() || statuses.contains(&head.summary.status))
            .map(|head| head.saga)
            .collect();
        assert_eq!(
            ids(&store, &Filter { statuses: statuses.clone(), ..Filter::default() }).await,
            expected,
            "{statuses:?}"
        );
    }
}

pub(super) async fn filters_by_name_attention_and_time_combine(store: Arc<dyn Store>) {
    let heads = many(&store).await;
    let status_sets: [&[Status]; 5] = [
        &[],
        &[Status::Running],
        &[Status::Running, Status::Compensating],
        &[Status::Compensated, Status::Abandoned],
        &[Status::Completed, Status::Running],
    ];
    let below = Cursor { started_at: heads[9].started_at, saga: heads[9].saga };
    let mut found = 0;
    for statuses in status_sets {
        for name in [None, Some("other"), Some("nobody's")] {
            for attention in [None, Some(true), Some(false)] {
                for (from, before) in
                    [(None, None), (Some(4), None), (None, Some(20)), (Some(3), Some(21)), (Some(9), Some(9))]
                {
                    for below in [None, Some(below)] {
                        let filter = Filter {
                            statuses: statuses.to_vec(),
                            name: name.map(str::to_owned),
                            parent: None,
                            attention,
                            started_from: from.map(Time),
                            started_before: before.map(Time),
                        };
                        let wanted = |head: &&Head| {
                            (statuses.is_empty() || statuses.contains(&head.summary.status))
                                && name.is_none_or(|name| name == &*head.name)
                                && attention.is_none_or(|attention| attention == head.summary.attention)
                                && from.is_none_or(|from| head.started_at.0 >= from)
                                && before.is_none_or(|before| head.started_at.0 < before)
                                && below.is_none_or(|it| (head.started_at, head.saga) < (it.started_at, it.saga))
                        };
                        let expected: Vec<Head> = heads.iter().filter(wanted).cloned().collect();
                        found += expected.len();
                        assert_eq!(store.list(&filter, below, 100).await.unwrap(), expected, "{filter:?} {below:?}");
                    }
                }
            }
        }
    }
    assert!(found > 1000, "the filters must let something through");
}

pub(super) async fn pages_neither_repeat_nor_miss_while_sagas_come_and_go(store: Arc<dyn Store>) {
    let stable = many(&store).await;
    let (mut seen, mut below, mut passing): (Vec<Head>, _, Vec<Append>) = (Vec::new(), None, Vec::new());
    let (mut purged, mut at) = (0, 0);
    loop {
        let page = store.list(&Filter::default(), below, 5).await.unwrap();
        assert!(seen.len() <= 48 + 60, "the pages come to an end");
        let Some(last) = page.last() else { break };
        below = Some(Cursor { started_at: last.started_at, saga: last.saga });
        seen.extend(page);
        // Between two pages: old, new and between the stable ones; and some of those that came go again, also the one at which the
        // page ended.
        for _ in 0..4 {
            let added = create_with_id(SagaId(Uuid::new_v4()), at % 40 - 10);
            commit(&store, std::slice::from_ref(&added)).await;
            passing.push(added);
            at += 1;
        }
        let at_the_border = seen.last().and_then(|last| passing.iter().position(|added| added.saga == last.saga));
        let goes = passing.swap_remove(at_the_border.unwrap_or(0));
        commit(&store, &[end(&goes)]).await;
        purged += store.purge(vec![goes.saga], Time(1_000)).await.unwrap();
    }
    assert!(purged >= 10 && at >= 40, "there was something to miss: {purged} of {at}");
    assert!(seen.len() > stable.len(), "and some of it was seen");
    let place = |head: &Head| std::cmp::Reverse((head.started_at, head.saga));
    assert!(seen.is_sorted_by(|a, b| place(a) < place(b)), "no row twice");
    let still: Vec<Head> = seen.into_iter().filter(|head| stable.iter().any(|it| it.saga == head.saga)).collect();
    assert_eq!(still, stable, "no row missing");
}

pub(super) async fn counts_are_of_sagas_that_live(store: Arc<dyn Store>) {
    assert_eq!(store.counts().await.unwrap(), Counts::default());
    let sagas: Vec<Append> = (0..7).map(create).collect();
    commit(&store, &sagas).await;
    let attention = |append: Append| Append { summary: Summary { attention: true, ..append.summary }, ..append };
    let undoing = next(&sagas[0], Status::Compensating, vec![compensation_started()]);
    let stuck = attention(next(&sagas[1], Status::Compensating, vec![compensation_started()]));
    let asking = attention(next(&sagas[2], Status::Running, vec![compensation_started()]));
    commit(&store, &[undoing, stuck, asking, end(&sagas[3]), attention(end(&sagas[4]))]).await;
    assert_eq!(store.counts().await.unwrap(), Counts { running: 3, compensating: 2, attention: 2 });
}

pub(super) async fn the_latest_time_is_that_of_sagas_that_live(store: Arc<dyn Store>) {
    assert_eq!(store.latest_at().await.unwrap(), None);
    let [early, late] = [create(10), create(1000)];
    commit(&store, &[early.clone(), late.clone()]).await;
    assert_eq!(store.latest_at().await.unwrap(), Some(Time(1001)));
    commit(&store, &[end(&late)]).await;
    assert_eq!(store.latest_at().await.unwrap(), Some(Time(11)));
    let mut later = next(&early, Status::Running, vec![compensation_started()]);
    later.events[0].at = Time(50);
    assert_eq!(later.summary, summary(Status::Running));
    commit(&store, &[later]).await;
    assert_eq!(store.latest_at().await.unwrap(), Some(Time(50)));
}

pub(super) async fn a_store_that_is_there_answers(store: Arc<dyn Store>) {
    store.ping().await.unwrap();
}
