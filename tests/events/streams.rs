//! `/v1/events` over real connections, while the orchestrator is killed.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use amends_client::{Client, ClientError, Events, Message};
use amends_tests::{
    town::{Plan, Town},
    wait::until_true,
};
use anyhow::Result;
use tokio::time::sleep;

use crate::judge::{Told, owed, wrong};

const SOON: Duration = Duration::from_secs(30);

/// Follows, and goes on behind the last place whenever the connection breaks.
pub(crate) async fn follow(client: Client, heard: Arc<Mutex<Vec<Told>>>) -> Result<()> {
    let mut asked = Events { from_beginning: true, follow: true, ..Events::default() };
    loop {
        let mut stream = match client.events(&asked).await {
            Ok(stream) => stream,
            Err(ClientError::Transport(_)) => {
                sleep(Duration::from_millis(20)).await;
                continue;
            }
            Err(other) => return Err(other.into()),
        };
        while let Ok(Some(message)) = stream.next().await {
            let Message::Event(event) = message else { anyhow::bail!("{message:?}") };
            let told = Told { saga: event.data.saga, id: event.id, kind: event.kind.as_str().to_owned() };
            heard.lock().expect("nothing panics while it holds what was heard").push(told);
        }
        if let Some(cursor) = stream.cursor() {
            (asked.cursor, asked.from_beginning) = (Some(cursor.to_owned()), false);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_goes_on_where_it_was_when_the_orchestrator_is_killed() -> Result<()> {
    let mut town = Town::start(Plan::orders().patient()).await?;
    let heard = Arc::new(Mutex::new(Vec::new()));
    let following = tokio::spawn(follow(town.client()?, Arc::clone(&heard)));
    let number = || heard.lock().expect("nothing panics while it holds what was heard").len();
    for round in 0..3 {
        let mut begun = Vec::new();
        for n in 0..15 {
            begun.push(town.begin(Town::order(1, if n % 5 == 4 { 2_000_000 } else { 100 })).await?);
        }
        let before = number();
        until_true("it hears of them", SOON, || number() > before + round).await?;
        town.crash().await?;
        for saga in begun {
            town.ended(saga).await?;
        }
    }
    let owed = owed(&town).await?;
    until_true("everything is told", SOON, || {
        wrong(&owed, &heard.lock().expect("nothing panics while it holds what was heard")).is_empty()
    })
    .await?;
    following.abort();
    // A stop does not wait for whoever follows.
    let client = town.client()?;
    let mut open = client.events(&Events { follow: true, ..Events::default() }).await?;
    assert!(town.orchestrator.stop(Duration::from_secs(8)).await?.success());
    assert!(matches!(open.next().await, Ok(None)));
    Ok(())
}
