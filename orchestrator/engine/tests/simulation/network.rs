//! The participant's door of a node, and the network behind it: requests that never leave, are lost, come late, come twice;
//! answers that are lost. What is under way arrives whatever becomes of the node that sent it.

use std::{sync::Arc, time::Duration};

use amends_core::{
    Answer, Reply, Said,
    event::Event,
    ids::{CallId, Op as CallOp, SagaId, ServiceName},
};
use amends_engine::{CallbackError, Forgotten, Participant, Request};
use amends_protocol::participant::Op;
use amends_store::Store as _;
use async_trait::async_trait;
use serde_json::json;
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::{
    node::Node,
    services::{Arrival, Look},
    world::{Rule, Sent, Told, World},
};

/// A client's or participant's patience with a node.
pub(crate) const PATIENCE: Duration = Duration::from_millis(1_200);

/// The definitions' `attempts`, before the pivot.
const ATTEMPTS: u32 = 4;

pub(crate) struct Network(pub(crate) Arc<Node>);

#[async_trait]
impl Participant for Network {
    async fn call(&self, request: Request) -> Reply {
        let node = &self.0;
        let (arrival, call) = read(&request);
        let world = &node.world;
        owner_sends(node, &arrival).await;
        node.moment().await;
        if world.goes_wrong("a request is not sent", |weather| weather.not_sent) {
            world.wait(0, 5).await;
            node.gate().await;
            return Reply::NotSent { reason: "connection refused".to_owned() };
        }
        leaves(node, &arrival, call.as_ref(), &request).await;
        let reply = tokio::time::timeout(request.timeout, through(world, &arrival)).await;
        let reply = reply.unwrap_or_else(|_| Reply::Lost { reason: "timeout".to_owned() });
        node.moment().await;
        heard(world, &arrival, reply)
    }

    async fn forget(&self, _service: &ServiceName, _sagas: &[Uuid]) -> Forgotten {
        Forgotten::Told
    }
}

/// What a broken orchestrator would make of it.
fn heard(world: &World, arrival: &Arrival, reply: Reply) -> Reply {
    if !matches!(reply, Reply::Lost { .. }) || arrival.op == Op::Probe {
        return reply;
    }
    match world.off {
        Some(Rule::TimeoutIsUnknown) => Reply::Answered(Answer { status: 400, acked: true, ..Answer::default() }),
        Some(Rule::UnknownIsSticky) if arrival.attempt < ATTEMPTS => Reply::NotSent { reason: "forgotten".to_owned() },
        _ => reply,
    }
}

fn read(request: &Request) -> (Arrival, Option<CallId>) {
    let headers = &request.headers;
    let index = headers.index.map_or_else(String::new, |index| format!("[{index}]"));
    let arrival = Arrival {
        service: request.rendered.service.to_string(),
        saga: SagaId(headers.saga),
        unit: format!("{}{index}", headers.step),
        step: headers.step.clone(),
        op: headers.op,
        epoch: headers.epoch,
        attempt: headers.attempt,
        digest: request.rendered.digest.to_string(),
        token: headers.callback.clone(),
    };
    let op = match headers.op {
        Op::Action => Some(CallOp::Action),
        Op::Compensate => Some(CallOp::Compensate),
        // Asking has no effect and no intent.
        Op::Probe => None,
    };
    let call = op.map(|op| CallId { step: headers.step.as_str().into(), index: headers.index, op });
    (arrival, call)
}

/// Right before each send the node has looked at its lease. If it runs, nobody else can have adopted the saga by then: that
/// the fence would catch its call is no excuse. A node that stood still between that look and the send cannot know.
async fn owner_sends(node: &Node, arrival: &Arrival) {
    if !node.runs() {
        return;
    }
    let head = node.world.store.head(arrival.saga).await.expect("readable").expect("there");
    if head.epoch > arrival.epoch {
        node.world.wrong(format!(
            "node {} sends {} {} of {} under epoch {} and is not its owner any more, that is {}",
            node.slot,
            arrival.unit,
            arrival.op.as_str(),
            arrival.saga,
            arrival.epoch,
            head.epoch
        ));
    }
}

/// Its first byte leaves: the intent must be durable by now (invariant 4).
async fn leaves(node: &Node, arrival: &Arrival, call: Option<&CallId>, request: &Request) {
    let world = &node.world;
    if let Some(sent) = call {
        let journal = world.store.journal(arrival.saga, 1..u64::MAX, u32::MAX).await.expect("readable");
        let intended = journal.iter().any(|row| match &row.event {
            Event::CallIntended { call, attempt, request: digest, .. } => {
                call == sent && *attempt == arrival.attempt && *digest == request.rendered.digest
            }
            _ => false,
        });
        if !intended {
            world.wrong(format!("{sent} {} of {} is sent before its intent is durable", arrival.attempt, arrival.saga));
        }
        let stale = journal.last().is_some_and(|row| row.epoch > arrival.epoch);
        if stale {
            world.count("a call of a stale owner leaves");
        }
    }
    let sent = Sent {
        at_us: world.us(),
        slot: node.slot,
        saga: arrival.saga,
        unit: arrival.unit.clone(),
        op: arrival.op.as_str(),
        attempt: arrival.attempt,
        epoch: arrival.epoch,
        digest: arrival.digest.clone(),
    };
    world.seen().wire.push(sent);
}

/// To the service and back. Never comes back what is lost.
async fn through(world: &Arc<World>, arrival: &Arrival) -> Reply {
    if world.goes_wrong("a service is overloaded", |weather| weather.overloaded) {
        world.wait(1, 20).await;
        return Reply::Answered(Answer { status: 503, ..Answer::default() });
    }
    let (answers, mut answered) = mpsc::channel(2);
    if !world.goes_wrong("a request is lost", |weather| weather.request_lost) {
        let late = world.goes_wrong("a request comes late", |weather| weather.late);
        let delay = if late { world.dice.between(200, 4_000) } else { world.dice.between(1, 25) };
        deliver(world, arrival, delay, Some(answers.clone()));
    }
    if world.goes_wrong("a request comes twice", |weather| weather.twice) {
        let delay = if world.dice.happens(400) { world.dice.between(100, 5_000) } else { world.dice.between(1, 30) };
        deliver(world, arrival, delay, None);
    }
    // Its own sender is kept until then: of what is lost nobody hears that it is.
    let reply = answered.recv().await;
    drop(answers);
    reply.expect("a sender is kept")
}

fn deliver(world: &Arc<World>, arrival: &Arrival, delay_ms: u64, answer: Option<mpsc::Sender<Reply>>) {
    let (within, arrival) = (world.clone(), arrival.clone());
    world.later(async move {
        let world = within;
        tokio::time::sleep(Duration::from_millis(delay_ms)).await;
        let reply = arrives(&world, &arrival).await;
        if matches!(&reply, Reply::Answered(Answer { status: 202, .. })) && arrival.op == Op::Action {
            accepted(&world, &arrival);
        }
        let Some(answer) = answer else { return };
        if !world.goes_wrong("an answer is lost", |weather| weather.reply_lost) {
            world.wait(0, 20).await;
            // Whoever asked may have stopped waiting.
            drop(answer.try_send(reply));
        }
    });
}

async fn arrives(world: &Arc<World>, arrival: &Arrival) -> Reply {
    if world.off != Some(Rule::InsertAsLock) {
        return world.seen().services.deal_with(arrival);
    }
    let look = world.seen().services.look(arrival);
    match look {
        Look::Answer(reply) => reply,
        Look::Free => {
            world.wait(5, 40).await;
            world.seen().services.act(arrival)
        }
    }
}

/// The participant finishes it later and calls back, until somebody has heard it or nobody will any more.
fn accepted(world: &Arc<World>, arrival: &Arrival) {
    let (within, arrival) = (world.clone(), arrival.clone());
    world.later(async move {
        let world = within;
        let slow = world.dice.happens(150);
        if slow {
            world.wait(1_000, 4_000).await
        } else {
            world.wait(10, 600).await
        }
        let Some(good) = world.seen().services.complete(&arrival) else { return };
        let token = arrival.token.as_ref().expect("only what has a token is accepted");
        let said = if good {
            Said::Succeeded { body: Arc::new(json!({ "id": arrival.unit })) }
        } else {
            Said::Rejected { reason: "not in the end".to_owned() }
        };
        for turn in world.dice.next().. {
            let asked = world.engine(turn).map(|engine| {
                let (token, said) = (token.clone(), said.clone());
                async move { tokio::time::timeout(PATIENCE, engine.call_back(&token, said)).await }
            });
            let Some(asked) = asked else {
                world.wait(50, 300).await;
                continue;
            };
            match asked.await {
                Ok(Ok(_)) => {
                    let (saga, unit) = (arrival.saga, arrival.unit.clone());
                    world.seen().told.push(Told::CalledBack { saga, unit, succeeded: good });
                    return;
                }
                Ok(Err(CallbackError::CallOver | CallbackError::Ended | CallbackError::OtherVerdict)) => return,
                Ok(Err(CallbackError::BadToken)) => {
                    world.wrong(format!("the token of {} is not known", arrival.unit));
                    return;
                }
                Ok(Err(CallbackError::NotUnderstood | CallbackError::Store(_))) | Err(_) => {}
            }
            world.wait(50, 300).await;
        }
    });
}
