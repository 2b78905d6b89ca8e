//! What was accepted is finished and told, until it is heard.

use std::time::Duration;

use amends_protocol::v1::CallbackRequest;
use uuid::Uuid;

use super::Rule;
use crate::verify::bench::{Bench, Checked, broken, not_tested, promise};

pub(super) const RULE: Rule = Rule {
    name: "called-back",
    title: "the verdict is told with the call's token, again until it is heard, and then no more",
    promise: "again and again until the answer is 2xx or one of the three noes; then delete the token",
    hint: "finish first, then tell, from a table of what is still to be told; the first telling is answered with 503 here, as by an \
           orchestrator that is down. Does the service know the address of `async.listen` as its orchestrator?",
    after: &["accepted"],
    check: |bench| Box::pin(check(bench)),
};

/// Who has been heard says nothing more; this is time enough to do so all the same.
const QUIET: Duration = Duration::from_secs(1);

async fn check(bench: &Bench) -> Checked {
    let (Some(later), Some(orchestrator)) = (&bench.profile.later, &bench.orchestrator) else {
        return not_tested("the profile has no `async`");
    };
    let case = bench.case().await?;
    let token = Uuid::new_v4().to_string();
    let action = case.action()?.later(&token);
    promise("status of a call that may be called back", &case.send(&action).await?.status, &202)?;
    let said = orchestrator.said_times(&token, 2, later.within).await;
    if said.len() < 2 {
        let expected = format!("two callbacks within {:?}: the first was answered with 503", later.within);
        return Err(broken("callbacks with the call's token", expected, said.len().to_string()));
    }
    for said in said {
        match said.verdict {
            Ok(CallbackRequest::Succeeded { .. }) => {}
            Ok(other) => return Err(broken("verdict", "succeeded", format!("{other:?}"))),
            Err(why) => return Err(broken("body of a callback", "{\"outcome\": \"succeeded\", …}", why)),
        }
    }
    tokio::time::sleep(QUIET).await;
    promise("callbacks in all, once one was answered with 204", &orchestrator.said(&token).len(), &2)?;
    let stored = case.send(&action.number(2)).await?;
    stored.succeeded("a copy of what was finished")?;
    if stored.status == 202 {
        return Err(broken("answer to a copy of what was finished", "the final answer", stored.told()));
    }
    case.send(&case.compensation()?).await?.succeeded("the compensation of what was finished")
}
