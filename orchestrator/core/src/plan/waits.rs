//! Steps that wait: until when, and what they give.

use serde_json::Value;

use super::{
    Pretend, What, pretended,
    world::{Seen, World},
};
use crate::{
    definition::{Step, Wait},
    render, signals,
};

pub(super) fn plan(step: &Step, wait: &Wait, world: &mut World<'_>, pretend: &Pretend) -> Result<What, String> {
    let (what, output) = match wait {
        Wait::Sleep(time) => (What::Sleep { time: *time }, Seen::Known(Value::Null)),
        Wait::Until(template) => {
            let expressions = template.expressions();
            let hangs = expressions.iter().any(|expression| world.hangs(None, expression));
            let what = if hangs {
                let text: Vec<&str> = expressions.iter().map(|expression| expression.text()).collect();
                What::Until { until: Err(text.join(", ")) }
            } else {
                match render::until_by(
                    template,
                    &|expression, budget| world.evaluate(None, expression, budget),
                    world.at,
                ) {
                    Ok(until) => What::Until { until: Ok(until) },
                    Err(why) => What::Refused { why },
                }
            };
            (what, Seen::Known(Value::Null))
        }
        Wait::Signal(awaited) => {
            let output = match (pretended(step, pretend), pretend.replies.get(&step.name)) {
                (Some(output), _) => output,
                (None, Some(payload)) => Seen::Known(
                    signals::output(awaited, payload)
                        .map_err(|why| format!("from this signal its output cannot be taken: {why}"))?,
                ),
                (None, None) if awaited.output.is_none() => Seen::Known(Value::Null),
                (None, None) => Seen::Unknown,
            };
            (What::Await { signal: awaited.signal.clone(), timeout: awaited.timeout }, output)
        }
    };
    world.done(step.name.as_str(), output);
    Ok(what)
}
