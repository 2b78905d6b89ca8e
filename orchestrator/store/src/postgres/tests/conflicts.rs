//! Others are in the way: the server takes back a whole transaction (40001, 40P01), and it is made again, whole. A trigger says when, so
//! that it happens in the middle of a batch and as often as it should.

use std::sync::Arc;

use amends_core::ids::SagaId;
use uuid::Uuid;

use super::{asked, created, database, server, tamper};
use crate::{
    Append, Claim, Store,
    conformance::given::{create, step, words},
    postgres::{Options, PostgresStore},
};

/// Every third row that comes into this table is refused, up to so many rows. A sequence counts on whatever is taken back.
async fn refuse(url: &str, table: &str, event: &str, code: &str, rows: u32) {
    let sql = format!(
        "create sequence met;
        create function others_first() returns trigger language plpgsql as $$
        declare
            row bigint := nextval('met');
        begin
            if row <= {rows} and row % 3 = 0 then
                raise exception 'others were first' using errcode = '{code}';
            end if;
            return new;
        end $$;
        create trigger others_first before {event} on {table} for each row execute function others_first();"
    );
    tamper(url, sql).await;
}

async fn refuse_no_more(url: &str) {
    tamper(url, "drop function others_first cascade; drop sequence met").await;
}

async fn one_lane(url: &str) -> PostgresStore {
    PostgresStore::open(Options::new(url.to_owned()).lanes(1)).await.unwrap()
}

async fn met(url: &str) -> i64 {
    asked::<i64>(url, "select last_value from met").await[0]
}

/// The journal of a saga is that of these appends and nothing else.
async fn holds(store: &PostgresStore, saga: SagaId, appends: &[&Append]) {
    let expected: Vec<_> = appends.iter().flat_map(|append| append.events.clone()).collect();
    assert_eq!(store.journal(saga, 0..100, 100).await.unwrap(), expected);
    let head = store.head(saga).await.unwrap().unwrap();
    assert_eq!(head.next_seq, expected.len() as u64 + 1, "the row says the same");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_that_others_are_in_the_way_of_is_made_again_whole_and_once() {
    let server = server();
    for code in ["40001", "40P01"] {
        let url = database(&server).await;
        let store = one_lane(&url).await;
        let good = created(&store, 3).await;
        refuse(&url, "journal", "insert", code, 9).await;
        let before = store.written();
        // Of one saga twice, so that it is a transaction of several statements, too.
        let first = step(&good[0]);
        let (second, other, fresh) = (step(&first), step(&good[1]), create(7));
        let batch = vec![first.clone(), second.clone(), other.clone(), fresh.clone()];
        assert_eq!(words(&store.commit(batch.clone()).await), ["ok"; 4], "{code}");
        assert!(met(&url).await > 9, "{code}: it was in the way three times");
        assert_eq!(store.written().commits, before.commits + 1, "{code}: counted once");
        assert_eq!(store.written().appends, before.appends + 4, "{code}");
        holds(&store, good[0].saga, &[&good[0], &first, &second]).await;
        holds(&store, good[1].saga, &[&good[1], &other]).await;
        holds(&store, good[2].saga, &[&good[2]]).await;
        holds(&store, fresh.saga, &[&fresh]).await;
        // Of each saga the last append is known.
        assert_eq!(words(&store.commit(batch[1..].to_vec()).await), ["ok"; 3], "{code}: asked again, it was made");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_that_others_are_always_in_the_way_of_is_not_made_at_all_and_goes_when_they_are_gone() {
    let server = server();
    let url = database(&server).await;
    let store = one_lane(&url).await;
    let good = created(&store, 2).await;
    refuse(&url, "journal", "insert", "40001", u32::MAX).await;
    let batch: Vec<Append> = good.iter().map(step).chain([create(7)]).collect();
    assert_eq!(words(&store.commit(batch.clone()).await), ["unavailable"; 3]);
    for saga in &good {
        holds(&store, saga.saga, &[saga]).await;
    }
    assert_eq!(store.head(batch[2].saga).await.unwrap(), None, "nothing of it was made");
    refuse_no_more(&url).await;
    assert_eq!(words(&store.commit(batch.clone()).await), ["ok"; 3]);
    for (saga, next) in good.iter().zip(&batch) {
        holds(&store, saga.saga, &[saga, next]).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_that_others_are_in_the_way_of_is_made_again_and_each_saga_has_one_owner() {
    let server = server();
    let url = database(&server).await;
    let store = Arc::new(one_lane(&url).await);
    let sagas = created(&store, 4).await;
    let heads = {
        let mut heads = Vec::new();
        for saga in &sagas {
            heads.push(store.head(saga.saga).await.unwrap().unwrap());
        }
        heads
    };
    refuse(&url, "sagas", "update", "40P01", 6).await;
    let claims = heads.iter().map(|head| Claim { saga: head.saga, owner: head.owner, epoch: head.epoch }).collect();
    let owner = Uuid::from_u128(9);
    assert_eq!(store.adopt(claims, owner).await.unwrap(), [true; 4]);
    assert!(met(&url).await > 6);
    for before in heads {
        let after = store.head(before.saga).await.unwrap().unwrap();
        assert_eq!((after.owner, after.epoch), (Some(owner), before.epoch + 1), "once");
    }
}
