//! The statements that carry the load touch the rows they are about and no others, however many there are.

use amends_core::{ids::SagaId, summary::Status, time::Time};
use sqlx::{AssertSqlSafe, Row};
use uuid::Uuid;

use super::{created, file, open, tamper};
use crate::{
    Cursor, Filter,
    sqlite::{
        SqliteStore,
        adopt::{ADOPT_SAGA, ORPHANS, OWNED},
        asleep::DUE,
        inbox::{GIVE_VERDICT, MAY_SETTLE, NOTES, TIDY_NOTES},
        list::select,
        locks::{IS_FIRST, LEAVE_QUEUE, LOCK_QUEUE, PLACE_IN_QUEUE, TIDY_LOCKS, TIDY_PLACES},
        nodes::ADD_UNKNOWN_OWNERS,
        read::JOURNALS,
        retention::{DELETE_JOURNAL, DELETE_NOTES, DELETE_SAGA, ENDED, LEAVE_STUB, PURGEABLE},
        scan::SCAN,
        write::{ADVANCE_SAGA, CREATE_SAGA, INSERT_EVENT, LEAVE_SAGA, STANDING},
    },
};

async fn plan(store: &SqliteStore, sql: &str) -> Vec<String> {
    let sql = AssertSqlSafe(format!("explain query plan {sql}"));
    let rows = sqlx::query(sql).fetch_all(&store.readers).await.unwrap();
    rows.iter().map(|row| row.get("detail")).collect()
}

#[tokio::test]
async fn writes_find_their_rows_by_the_primary_key() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&file(&folder)).await;
    created(&store, 3).await;
    assert_by_primary_key(&store).await;
    // Statistics of a store that was small when they were taken: a scan would look cheap for ever.
    tamper(&store, "analyze").await;
    store.close().await;
    assert_by_primary_key(&open(&file(&folder)).await).await;
}

#[tokio::test]
async fn sweeps_walk_the_index_of_what_they_are_about() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&file(&folder)).await;
    created(&store, 3).await;
    assert_sweeps(&store).await;
    tamper(&store, "analyze").await;
    store.close().await;
    assert_sweeps(&open(&file(&folder)).await).await;
}

async fn assert_sweeps(store: &SqliteStore) {
    for (sql, expected) in [
        (DUE, &["SEARCH sagas USING INDEX sagas_asleep ((asleep_until,id)>(?,?) AND asleep_until<?)"][..]),
        (OWNED, &["SEARCH sagas USING INDEX sagas_live (owner=? AND id>?)"]),
        (ORPHANS, &["SEARCH nodes USING PRIMARY KEY (id>?)", "SEARCH sagas USING INDEX sagas_live (owner=? AND id>?)"]),
        (
            NOTES,
            &[
                "SEARCH inbox USING INDEX inbox_open ((at,saga,id)>(?,?,?))",
                "SEARCH sagas USING PRIMARY KEY (id=?) LEFT-JOIN",
            ],
        ),
        (ENDED, &["SEARCH sagas USING INDEX sagas_started ((started_at,id)>(?,?) AND started_at<?)"]),
        (
            LOCK_QUEUE,
            &[
                "SEARCH lock_queue USING COVERING INDEX lock_queue_order (lock=? AND arrived_at>?)",
                "SEARCH sagas USING PRIMARY KEY (id=?)",
            ],
        ),
        (SCAN, &["SEARCH sagas USING PRIMARY KEY (id>?)"]),
    ] {
        assert_eq!(plan(store, sql).await, expected, "{sql}");
    }
    for (sql, _) in JOURNALS.chunks(&[0; 64 + 16 + 4 + 1]) {
        let plan = plan(store, &sql.0).await;
        assert!(plan.iter().any(|line| line == "SEARCH journal USING PRIMARY KEY (saga=? AND seq<?)"), "{plan:?}");
        assert!(!plan.iter().any(|line| line.starts_with("SCAN journal")), "{plan:?}");
    }
    let owners = plan(store, ADD_UNKNOWN_OWNERS).await;
    let by_owner = owners.iter().filter(|line| line.contains("INDEX sagas_live (owner>?)"));
    assert_eq!(by_owner.count(), 2, "{owners:?}");
    for (sql, index) in [
        (IS_FIRST, "lock_queue_order (lock=? AND arrived_at<?)"),
        (LEAVE_QUEUE, "lock_queue USING PRIMARY KEY (lock=? AND saga=?)"),
        (TIDY_PLACES, "lock_queue_old (arrived_at<?)"),
        (TIDY_LOCKS, "locks_old (last_arrival<?)"),
    ] {
        let plan = plan(store, sql).await;
        assert!(plan.iter().any(|line| line.contains(index)), "{sql}: {plan:?}");
        assert!(!plan.iter().any(|line| line.starts_with("SCAN ") && !line.contains("CONSTANT")), "{sql}: {plan:?}");
    }
    let notes = plan(store, TIDY_NOTES).await;
    assert!(notes.iter().any(|line| line.contains("INDEX inbox_done (at<?)")), "{notes:?}");
    assert!(!notes.iter().any(|line| line.starts_with("SCAN inbox")), "{notes:?}");
}

async fn assert_by_primary_key(store: &SqliteStore) {
    for (sql, expected) in [
        (ADVANCE_SAGA, "SEARCH sagas USING PRIMARY KEY (id=?)"),
        (LEAVE_SAGA, "SEARCH sagas USING PRIMARY KEY (id=?)"),
        (STANDING, "SEARCH sagas USING PRIMARY KEY (id=?)"),
        (ADOPT_SAGA, "SEARCH sagas USING PRIMARY KEY (id=?)"),
        (MAY_SETTLE, "SEARCH sagas USING PRIMARY KEY (id=?)"),
        (DELETE_SAGA, "SEARCH sagas USING PRIMARY KEY (id=?)"),
        (LEAVE_STUB, "SEARCH sagas USING PRIMARY KEY (id=?)"),
        (DELETE_JOURNAL, "SEARCH journal USING PRIMARY KEY (saga=?)"),
        (DELETE_NOTES, "SEARCH inbox USING PRIMARY KEY (saga=?)"),
        (PLACE_IN_QUEUE, "SEARCH lock_queue USING PRIMARY KEY (lock=? AND saga=?)"),
        (GIVE_VERDICT, "SEARCH inbox USING PRIMARY KEY (saga=? AND id=?)"),
    ] {
        assert_eq!(plan(store, sql).await, [expected], "{sql}");
    }
    // Its parent, too.
    let purgeable = plan(store, PURGEABLE).await;
    let of = |table: &str| format!("SEARCH {table} USING PRIMARY KEY (id=?)");
    assert!(purgeable.contains(&of("sagas")) && purgeable.contains(&of("above")), "{purgeable:?}");
    assert!(!purgeable.iter().any(|line| line.starts_with("SCAN")), "{purgeable:?}");
}

/// `in (…)` over more than two words, also in a condition of the schema, makes a table for every row that is written.
#[tokio::test]
async fn what_every_append_runs_makes_no_table_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&file(&folder)).await;
    for sql in [CREATE_SAGA, ADVANCE_SAGA, LEAVE_SAGA, INSERT_EVENT] {
        let program = sqlx::query(AssertSqlSafe(format!("explain {sql}"))).fetch_all(&store.readers).await.unwrap();
        let steps: Vec<String> = program.iter().map(|row| row.get("opcode")).collect();
        assert!(steps.iter().any(|step| step == "OpenWrite"), "{sql}: {steps:?}");
        assert!(!steps.iter().any(|step| step == "OpenEphemeral"), "{sql}: {steps:?}");
    }
}

#[tokio::test]
async fn lists_walk_an_index_in_their_order() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&file(&folder)).await;
    let filter = |statuses: &[Status], name: Option<&str>, attention| Filter {
        statuses: statuses.to_vec(),
        name: name.map(str::to_owned),
        parent: None,
        attention,
        started_from: Some(Time(1)),
        started_before: Some(Time(2)),
    };
    let undone = [Status::Compensated, Status::Abandoned];
    for (filter, index) in [
        (filter(&[], None, None), "sagas_started"),
        (filter(&[Status::Completed], None, Some(false)), "sagas_started"),
        (filter(&[], Some("a"), None), "sagas_named"),
        (filter(&[Status::Completed], Some("a"), None), "sagas_named"),
        (filter(&undone, Some("a"), None), "sagas_undone"),
        (Filter { parent: Some(SagaId(Uuid::nil())), ..filter(&undone, None, None) }, "sagas_children"),
        (filter(&[Status::Running], Some("a"), Some(true)), "sagas_attention"),
    ] {
        for below in [None, Some(Cursor { started_at: Time(9), saga: SagaId(Uuid::nil()) })] {
            let plan = plan(&store, select(&filter, below, 10).sql().as_str()).await;
            assert!(plan[0].starts_with("SEARCH sagas USING"), "{filter:?}: {plan:?}");
            assert!(plan[0].contains(index) && plan.len() == 1, "{filter:?}: {plan:?}");
        }
    }
    let live = filter(&[Status::Running, Status::Compensating], None, None);
    let plan = plan(&store, select(&live, None, 10).sql().as_str()).await;
    assert_eq!(plan, ["SCAN sagas USING INDEX sagas_live", "USE TEMP B-TREE FOR ORDER BY"]);
}
