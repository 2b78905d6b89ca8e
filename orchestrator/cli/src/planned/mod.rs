//! A planned run as it is shown: each request with all its headers, for people and for programs.
//!
//! The headers are made by the engine's own function: what is shown is what would be sent.

mod text;

use amends_core::{
    definition::{Definition, Side, write_duration},
    ids::{CallId, Op},
    plan::{self, ChildRun, Plan, Planned, PlannedCall, PlannedChild, PlannedChildren, PlannedUndo, What},
};
use amends_engine::{Catalogue, call_headers, request_headers};
use amends_protocol::participant::CallbackToken;
use serde::Serialize;

pub(crate) use self::text::text;

/// What `--json` prints.
#[derive(Debug, Serialize)]
pub(crate) struct View {
    pub(crate) saga: String,
    pub(crate) definition: String,
    pub(crate) version: u32,
    pub(crate) started_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) deadline_at: Option<String>,
    /// Taken before the first step, in this order, and held to the end.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) locks: Vec<String>,
    pub(crate) steps: Vec<StepView>,
    /// As JSON, with placeholders in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) output: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) output_error: Option<String>,
}

#[derive(Debug, Serialize)]
pub(crate) struct StepView {
    pub(crate) step: String,
    pub(crate) group: usize,
    pub(crate) needs: Vec<String>,
    pub(crate) pivot: bool,
    #[serde(rename = "if", skip_serializing_if = "Option::is_none")]
    pub(crate) condition: Option<ConditionView>,
    #[serde(flatten)]
    pub(crate) what: WhatView,
}

#[derive(Debug, Serialize)]
pub(crate) struct ConditionView {
    pub(crate) text: String,
    /// `null`: it hangs on a reply.
    pub(crate) holds: Option<bool>,
}

#[derive(Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[expect(clippy::large_enum_variant, reason = "one per step of a plan, and almost always the large one")]
pub(crate) enum WhatView {
    NotReached,
    Skipped,
    Refused {
        why: String,
    },
    Call {
        call: CallView,
    },
    ForEach {
        /// The list hangs on a reply: one call stands for all.
        #[serde(skip_serializing_if = "Option::is_none")]
        list: Option<String>,
        concurrency: u32,
        calls: Vec<CallView>,
    },
    Sleep {
        time: String,
    },
    Until {
        until: String,
    },
    Await {
        signal: String,
        timeout: String,
    },
    Saga {
        definition: String,
        /// The list hangs on a reply: one child stands for all.
        #[serde(skip_serializing_if = "Option::is_none")]
        list: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        concurrency: Option<u32>,
        children: Vec<ChildView>,
    },
}

#[derive(Debug, Serialize)]
pub(crate) struct ChildView {
    pub(crate) saga: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) index: Option<u32>,
    /// As JSON, with placeholders in it.
    pub(crate) input: String,
    /// What it would do itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) plan: Option<Box<View>>,
    /// Why that cannot be said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) no_plan: Option<&'static str>,
}

#[derive(Debug, Serialize)]
pub(crate) struct CallView {
    pub(crate) request: RequestView,
    pub(crate) undo: UndoView,
}

#[derive(Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[expect(clippy::large_enum_variant, reason = "one per call of a plan, and mostly the large one")]
pub(crate) enum UndoView {
    Never,
    Nothing {
        reason: String,
    },
    Call {
        after_lost_reply: RequestView,
        #[serde(skip_serializing_if = "Option::is_none")]
        after_success: Option<RequestView>,
        /// Why it could not be made after a success.
        #[serde(skip_serializing_if = "Option::is_none")]
        refused: Option<String>,
    },
}

#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct RequestView {
    pub(crate) service: String,
    pub(crate) method: &'static str,
    pub(crate) path: String,
    /// Where it would go, if the catalogue is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) url: Option<String>,
    /// Of the first attempt.
    pub(crate) headers: Vec<(String, String)>,
    /// The very bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) body: Option<String>,
    /// `None`: it hangs on what a reply has not told yet.
    pub(crate) digest: Option<String>,
}

/// # Errors
/// Headers that could not be sent.
pub(crate) fn view(definition: &Definition, plan: &Plan, catalogue: Option<&Catalogue>) -> Result<View, String> {
    let show = Show { definition, plan, catalogue };
    let (output, output_error) = match &plan.output {
        Some(Ok(output)) => (Some(plan.placeholders.shown(&output.to_string())), None),
        Some(Err(why)) => (None, Some(why.clone())),
        None => (None, None),
    };
    Ok(View {
        saga: plan.saga.to_string(),
        definition: plan.started.name.to_string(),
        version: plan.started.version,
        started_at: plan.started_at.to_rfc3339(),
        deadline_at: plan.started.deadline_at.map(amends_core::time::Time::to_rfc3339),
        locks: plan.started.locks.iter().map(ToString::to_string).collect(),
        steps: plan.steps.iter().map(|step| show.step(step)).collect::<Result<_, _>>()?,
        output,
        output_error,
    })
}

struct Show<'a> {
    definition: &'a Definition,
    plan: &'a Plan,
    catalogue: Option<&'a Catalogue>,
}

impl Show<'_> {
    fn step(&self, step: &Planned) -> Result<StepView, String> {
        let what = match &step.what {
            What::NotReached => WhatView::NotReached,
            What::Skipped => WhatView::Skipped,
            What::Refused { why } => WhatView::Refused { why: self.plan.placeholders.shown(why) },
            What::Call(call) => WhatView::Call { call: self.call(call)? },
            What::Each(each) => WhatView::ForEach {
                list: each.unknown.as_ref().map(|text| format!("‹{text}›")),
                concurrency: each.concurrency,
                calls: each.calls.iter().map(|call| self.call(call)).collect::<Result<_, _>>()?,
            },
            What::Sleep { time } => WhatView::Sleep { time: write_duration(*time) },
            What::Until { until: Ok(until) } => WhatView::Until { until: until.to_rfc3339() },
            What::Until { until: Err(text) } => WhatView::Until { until: format!("‹{text}›") },
            What::Await { signal, timeout } => {
                WhatView::Await { signal: signal.to_string(), timeout: write_duration(*timeout) }
            }
            What::Children(PlannedChildren { name, each, children }) => WhatView::Saga {
                definition: name.to_string(),
                list: each.as_ref().and_then(|each| each.unknown.as_ref()).map(|text| format!("‹{text}›")),
                concurrency: each.as_ref().map(|each| each.concurrency),
                children: children.iter().map(|child| self.child(child)).collect::<Result<_, _>>()?,
            },
        };
        Ok(StepView {
            step: step.name.to_string(),
            group: step.group,
            needs: step.needs.iter().map(ToString::to_string).collect(),
            pivot: step.side == Side::Pivot,
            condition: step
                .condition
                .as_ref()
                .map(|condition| ConditionView { text: condition.text.clone(), holds: condition.holds }),
            what,
        })
    }

    fn child(&self, child: &PlannedChild) -> Result<ChildView, String> {
        let (plan, no_plan) = match &child.run {
            ChildRun::Planned(plan, definition) => (Some(Box::new(view(definition, plan, self.catalogue)?)), None),
            ChildRun::NotHere => (None, Some("its definition is not here")),
            ChildRun::Hangs => (None, Some("its input hangs on what a reply has not told yet")),
        };
        let input = self.plan.placeholders.shown(&child.input.to_string());
        Ok(ChildView { saga: child.saga.to_string(), index: child.index, input, plan, no_plan })
    }

    fn call(&self, call: &PlannedCall) -> Result<CallView, String> {
        let undo = match &call.undo {
            PlannedUndo::Never => UndoView::Never,
            PlannedUndo::Nothing { reason } => UndoView::Nothing { reason: reason.clone() },
            PlannedUndo::Call { id, after_lost_reply, after_success } => {
                let (after_success, refused) = match after_success {
                    Ok(request) => (Some(self.request(id, request)?), None),
                    Err(why) => (None, Some(self.plan.placeholders.shown(why))),
                };
                UndoView::Call { after_lost_reply: self.request(id, after_lost_reply)?, after_success, refused }
            }
        };
        Ok(CallView { request: self.request(&call.id, &call.request)?, undo })
    }

    fn request(&self, id: &CallId, request: &plan::Request) -> Result<RequestView, String> {
        let shown = |text: &str| self.plan.placeholders.shown(text);
        let rendered = &request.rendered;
        let of = (self.plan.saga, &self.plan.started);
        // Only the server has the secret that it is made with.
        let token = || CallbackToken::new("<token>");
        let headers = request_headers(rendered, &call_headers(self.definition, of, id, (1, 1), token))?;
        let text = |value: &reqwest::header::HeaderValue| shown(&String::from_utf8_lossy(value.as_bytes()));
        let mut headers: Vec<(String, String)> =
            headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect();
        headers.sort();
        let path = shown(&rendered.path);
        let service = self.catalogue.and_then(|catalogue| catalogue.services.get(rendered.service.as_str()));
        Ok(RequestView {
            service: rendered.service.to_string(),
            method: rendered.method.as_str(),
            url: service.map(|service| format!("{}{path}", service.url.first().as_str().trim_end_matches('/'))),
            path,
            headers,
            body: rendered.body.as_deref().map(|body| shown(&String::from_utf8_lossy(body))),
            digest: request.digest.as_ref().map(ToString::to_string),
        })
    }
}

/// The word that stands before a request for people.
fn op_word(op: Op) -> &'static str {
    match op {
        Op::Action => "sends",
        Op::Compensate => "undone by",
    }
}
