//! One key, one saga, wherever it is asked for.

use std::{collections::BTreeMap, time::Duration};

use amends_tests::{
    cluster::Cluster,
    dice::Dice,
    town::{Plan, Town},
};
use anyhow::Result;
use tokio::task::JoinSet;

const KEYS: usize = 50;
const TIMES: usize = 6;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_key_at_all_nodes_at_once_makes_one_saga() -> Result<()> {
    let mut dice = Dice::asked();
    let cluster = Cluster::start(Plan::orders().patient(), "").await?;
    let clients = (0..3).map(|node| cluster.client(node)).collect::<Result<Vec<_>>>()?;
    // Of one key all are under way at once, of the others some.
    let mut answers = BTreeMap::<usize, Vec<_>>::new();
    for batch in (0..KEYS).collect::<Vec<_>>().chunks(5) {
        let mut asked = JoinSet::new();
        for key in batch {
            let turn = usize::try_from(dice.below(3))?;
            for time in 0..TIMES {
                let (key, client) = (*key, clients[(time + turn) % 3].clone());
                let start = cluster.keyed(&format!("key-{key}"), Town::order(1, 100));
                asked.spawn(async move { (key, client.start(&start).await) });
            }
        }
        while let Some(answer) = asked.join_next().await {
            let (key, answer) = answer?;
            answers.entry(key).or_default().push(answer?);
        }
    }
    for (key, answers) in &answers {
        assert_eq!(answers.len(), TIMES);
        assert!(answers.iter().all(|answer| answer.saga.id == answers[0].saga.id), "key {key}: one id");
        assert_eq!(answers.iter().filter(|answer| !answer.replayed).count(), 1, "key {key}: one of them made it");
    }
    for key in 0..6 {
        let other = cluster.keyed(&format!("key-{key}"), Town::order(2, 100));
        let error = clients[key % 3].start(&other).await.expect_err("the key is taken");
        assert_eq!(error.problem().map(|problem| problem.status), Some(422), "{error}");
    }
    cluster.at_rest().await?;
    assert_eq!(cluster.sagas().await?.len(), KEYS);
    let after = clients[1].start(&cluster.keyed("key-0", Town::order(1, 100))).await?;
    assert!(after.replayed && after.saga.id == answers[&0][0].saga.id, "also after the end");
    let waited = clients[2].saga(after.saga.id, Some(Duration::from_secs(1))).await?;
    assert!(waited.status.is_terminal());
    Ok(())
}
