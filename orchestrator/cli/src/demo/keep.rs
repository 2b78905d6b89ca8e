//! `--keep`: everything stays, with what there is to try.

use super::{stage::Stage, talk::Talk};
use crate::signals::Signals;

pub(super) async fn until_told(stage: &Stage, talk: &Talk, signals: &mut Signals) -> anyhow::Result<()> {
    let url = &stage.orchestrator.url;
    talk.headline(
        "It all keeps running",
        "Until ctrl-c; then everything is stopped and the folder is removed. To try:",
    )?;
    let order = r#"{"customer": "ada", "sku": "lamp", "quantity": 2, "amount": 9900}"#;
    let lines = [
        "# with curl".to_owned(),
        format!(
            "curl -s -X POST '{url}/v1/sagas' -H 'content-type: application/json' -H 'prefer: wait=10' \\\n    -d '{{\"definition\": \"place-order\", \"input\": {order}}}'"
        ),
        format!("curl -s '{url}/v1/sagas?status=compensated&limit=3'"),
        format!("curl -s '{url}/v1/sagas/ID'            # ID: from one of the answers above"),
        format!("curl -s '{url}/v1/sagas/ID/history'"),
        format!("curl -s '{}/ledger?limit=5'      # what payments itself says it did", stage.payments.url),
        format!("curl -s '{}/accounts'", stage.payments.url),
        String::new(),
        "# with this program".to_owned(),
        format!("export AMENDS_URL={url}"),
        format!("amends start place-order --input '{order}' --wait 10s"),
        "amends list --status compensated --limit 3".to_owned(),
        "amends get ID".to_owned(),
        "amends history ID".to_owned(),
        String::new(),
        format!("# stores, configuration and the orchestrator's log: {}", stage.folder.path().display()),
    ];
    for line in lines {
        talk.plain(&format!("  {line}"))?;
    }
    signals.next().await;
    talk.plain("\nstopping")
}
