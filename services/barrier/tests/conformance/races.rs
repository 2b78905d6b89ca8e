//! Calls that really race, through two programs on one store: nothing holds them but the store's own locks. What `suite` proves
//! of one order at a time is proved here of whatever order comes, and that deadlocks are run again and never answered.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use amends_barrier::{Barrier, Broken, Tx};
use futures_util::future::join_all;
use http::StatusCode;
use sqlx::Executor;

use crate::subject::{Attempt, Heard, Subject, action, ask, compensation, saga};

/// Rounds of each race; each has a saga of its own.
const ROUNDS: usize = 12;

/// Half of them through each program, at once.
async fn at_once(subject: &Subject, attempts: &[Attempt]) -> Vec<Heard> {
    let sent = attempts.iter().enumerate().map(|(number, attempt)| {
        let router = if number % 2 == 0 { &subject.calls } else { &subject.beside };
        let (router, request) = (router.clone(), attempt.request());
        tokio::spawn(async move { ask(&router, request).await })
    });
    join_all(sent).await.into_iter().map(|heard| heard.unwrap()).collect()
}

pub(crate) async fn all(new: impl AsyncFn() -> Subject) {
    let subject = new().await;
    duplicates(&subject).await;
    pairs(&subject).await;
    rejections_judged_anew(&new().await).await;
    epochs(&new().await).await;
    steps_of_one_saga(&new().await).await;
    forgetting(&new().await).await;
}

async fn duplicates(subject: &Subject) {
    let before = subject.coins().await;
    for round in 1..=ROUNDS {
        let fill = action(saga(), 1);
        let copies: Vec<_> = (1..=8).map(|attempt| fill.clone().attempt(attempt)).collect();
        let heard = at_once(subject, &copies).await;
        for one in &heard {
            assert_eq!((one.status, one), (StatusCode::CREATED, &heard[0]), "round {round}");
        }
        assert_eq!(subject.coins().await, before + round as i64);
        assert_eq!(subject.effects(fill.headers.saga).await, ["action applied"]);
    }
}

async fn pairs(subject: &Subject) {
    for round in 1..=ROUNDS {
        let (before, saga) = (subject.coins().await, saga());
        let calls = [action(saga, 1), compensation(saga), action(saga, 1).attempt(2), compensation(saga).attempt(2)];
        let heard = at_once(subject, &calls).await;
        assert_eq!((heard[1].status, &heard[1]), (StatusCode::OK, &heard[3]), "round {round}");
        assert_eq!(subject.coins().await, before, "round {round}: {heard:?}");
        let effects = subject.effects(saga).await;
        let undone = ["action applied", "compensate undone"];
        assert!(effects == undone || effects == ["compensate null"], "round {round}: {effects:?}");
        let late = subject.send(&action(saga, 1).attempt(3)).await;
        assert_eq!(late.problem().as_deref(), Some("already-compensated"), "round {round}");
    }
}

/// All of them are later than the rejection; one is judged, and the others hear what it came to.
async fn rejections_judged_anew(subject: &Subject) {
    for round in 1..=ROUNDS {
        subject.set(serde_json::json!({ "coins": 0, "cap": 0, "mood": "well" })).await;
        let fill = action(saga(), 1);
        assert_eq!(subject.send(&fill).await.status, StatusCode::CONFLICT);
        subject.set(serde_json::json!({ "coins": 0, "cap": 100, "mood": "well" })).await;
        let later: Vec<_> = (2..=7).map(|attempt| fill.clone().attempt(attempt)).collect();
        let heard = at_once(subject, &later).await;
        assert!(
            heard.iter().all(|one| *one == heard[0] && one.status == StatusCode::CREATED),
            "round {round}: {heard:?}"
        );
        assert_eq!(subject.coins().await, 1, "round {round}: judged once");
    }
}

/// Each raises the fence, and none does so halfway: an action of a lower epoch is done before, or not at all.
async fn epochs(subject: &Subject) {
    for round in 1..=ROUNDS {
        let (before, saga) = (subject.coins().await, saga());
        let calls: Vec<_> = (1..=8u32).map(|number| action(saga, 1).index(number).epoch(number.into())).collect();
        let heard = at_once(subject, &calls).await;
        let done = heard.iter().filter(|one| one.status == StatusCode::CREATED).count();
        let stale = heard.iter().filter(|one| one.refused.as_deref() == Some("stale-epoch")).count();
        assert_eq!(done + stale, calls.len(), "round {round}: {heard:?}");
        assert_eq!(heard[7].status, StatusCode::CREATED, "the highest epoch is never stale");
        assert_eq!(subject.coins().await, before + done as i64, "round {round}");
    }
}

/// They meet at the saga's fence and at the pot, and get past both.
async fn steps_of_one_saga(subject: &Subject) {
    for round in 1..=ROUNDS {
        let (before, saga) = (subject.coins().await, saga());
        let calls: Vec<_> = (0..8).map(|item| action(saga, 1).index(item)).collect();
        let undo: Vec<_> = (0..8).map(|item| compensation(saga).index(item).epoch(2)).collect();
        let heard = at_once(subject, &calls).await;
        assert!(heard.iter().all(|one| one.status == StatusCode::CREATED), "round {round}: {heard:?}");
        assert_eq!(subject.coins().await, before + 8);
        let heard = at_once(subject, &undo).await;
        assert!(heard.iter().all(|one| one.status == StatusCode::OK), "round {round}: {heard:?}");
        assert_eq!(subject.coins().await, before, "round {round}");
    }
}

/// What is forgotten while its calls run is marked, and goes whole when its grace is over.
async fn forgetting(subject: &Subject) {
    for round in 1..=ROUNDS {
        let sagas: Vec<_> = (0..6).map(|_| saga()).collect();
        let calls: Vec<_> = sagas.iter().flat_map(|saga| [action(*saga, 1), compensation(*saga)]).collect();
        let named = sagas.clone();
        let forget = async { tokio::join!(subject.forget(&named), forget_beside(subject, &named)) };
        let (heard, forgot) = tokio::join!(at_once(subject, &calls), forget);
        assert!(heard.iter().all(|one| one.ack.is_some()), "round {round}: {heard:?}");
        assert!(forgot.0.status == 204 && forgot.1.status == 204, "round {round}: {forgot:?}");
        // Those that were not known yet.
        subject.forget(&sagas).await;
        subject.pass(crate::subject::GRACE).await;
        for saga in sagas {
            assert_eq!(subject.kept(saga).await, 0, "round {round}");
        }
    }
}

async fn forget_beside(subject: &Subject, sagas: &[uuid::Uuid]) -> Heard {
    amends_barrier::testing::forget(&subject.beside, sagas).await
}

/// A transaction that the database takes back is run again, five times at most. `lose` is a statement that has it taken back.
pub(crate) async fn taken_back(barrier: &Barrier, lose: &'static str) {
    for (loses, expected) in [(0, Some(1)), (2, Some(3)), (4, Some(5)), (5, None)] {
        let tries = Arc::new(AtomicU32::new(0));
        let seen = tries.clone();
        let ran = barrier.unguarded(move |tx| {
            Box::pin(async move {
                let now = tries.fetch_add(1, Ordering::SeqCst) + 1;
                if now <= loses {
                    say(tx, lose).await?;
                }
                Ok(now)
            })
        });
        assert_eq!(ran.await.ok(), expected, "taken back {loses} times");
        assert_eq!(seen.load(Ordering::SeqCst), expected.unwrap_or(5));
    }
}

async fn say(tx: &mut Tx, statement: &'static str) -> Result<(), Broken> {
    match tx {
        Tx::Postgres(tx) => tx.execute(statement).await.map(|_| ())?,
        Tx::Mysql(tx) => tx.execute(statement).await.map(|_| ())?,
        other => return Err(other.foreign()),
    }
    Ok(())
}
