//! An example that does not do what its page claims is noticed.

use anyhow::Result;

use crate::{example::Example, pages::blocks_of, run, town};

const PAGE: &str = "# A page

```yaml
saga: right
input: { type: object, properties: { amount: { type: integer, minimum: 7 } }, required: [amount] }
steps:
  pay:
    call: bank POST /payments
    body: { amount: \"${{ input.amount }}\" }
    output: { id: \"${{ response.body.payment.id }}\" }
    compensate: { call: bank DELETE /payments }
output: { id: \"${{ steps.pay.output.id }}\" }
```

<!-- example: {\"end\": \"compensated\", \"others\": {\"child\": {\"id\": 1}}} -->
```yaml
  other-end:
    call: bank POST /payments
    compensate: { call: bank DELETE /payments }
```

<!-- example: {\"input\": {\"amount\": \"much\"}} -->
```yaml
saga: input-that-does-not-fit
input: { type: object, properties: { amount: { type: integer } } }
steps: { pay: { call: bank POST /payments, compensate: none, reason: nothing to undo } }
```

<!-- example: {\"input\": {\"gift\": true}, \"skipped\": [\"wrap\"]} -->
```yaml
  wrap:
    if: \"${{ input.gift }}\"
    call: bank POST /payments
    compensate: none
    reason: nothing to undo
```

```yaml
  no-input:
    call: bank POST /payments/${{ input.gone }}
    compensate: none
    reason: nothing to undo
```
";

#[tokio::test]
async fn an_example_that_does_something_else_than_its_page_says_is_noticed() -> Result<()> {
    let examples: Vec<Vec<Example>> = blocks_of("page.md", PAGE).iter().map(Example::of).collect::<Result<_>>()?;
    let examples = examples.concat();
    let town = town(&examples).await?;
    run(&town, &examples[0]).await?;
    town.heal();
    for (example, said) in examples[1..].iter().zip([
        "it is completed, not compensated",
        "the input does not fit the definition's schema",
        "skipped: [], not [\"wrap\"]",
        "it is compensated, not completed",
    ]) {
        let failed = run(&town, example).await;
        town.heal();
        let Err(why) = failed else { panic!("{} was not noticed", example.place) };
        assert!(format!("{why:#}").contains(said), "{}: {why:#}", example.place);
    }
    let neither = blocks_of("page.md", "```yaml\nservices: {}\n```\n");
    assert!(Example::of(&neither[0]).is_err(), "a block that is no saga");
    Ok(())
}
