//! What is done to one request. Reads it to its end, asks the plan, carries it on.

use std::{
    io,
    sync::{Arc, atomic::Ordering},
};

use amends_protocol::participant::{self, CallHeaders};
use tokio::{io::AsyncWriteExt, net::TcpStream};
use tokio_util::sync::CancellationToken;

use super::{
    Action, Answered, Line, Shared, WireRequest,
    http::{self, Request, Response},
    trap::Caught,
    wire,
};
use crate::words::{Call, Op, SagaCall};

/// A request that waits for its release.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) request: Request,
    pub(super) line: Line,
}

/// What the sender gets.
enum Back {
    Whole(Response),
    FirstBytes(Response, usize),
    Closed,
    Reset,
    Nothing,
}

/// Serves one connection until its sender leaves or the door closes. A request that has been read is always carried to
/// its end: bytes that have left are on the wire, whoever dies or hangs up.
pub(super) async fn connection(shared: Arc<Shared>, mut stream: TcpStream, closed: CancellationToken) {
    let mut buffer = Vec::new();
    // Latency of small writes would be measured as that of the orchestrator.
    let _no_matter = stream.set_nodelay(true);
    loop {
        let request = tokio::select! {
            () = closed.cancelled() => return,
            request = http::read_request(&mut stream, &mut buffer) => request,
        };
        let request = match request {
            Ok(Some(request)) => request,
            // Whoever was killed while it wrote leaves half a request; that is its right.
            Ok(None) | Err(_) => return,
        };
        shared.under_way.fetch_add(1, Ordering::SeqCst);
        let back = answer(&shared, request).await;
        shared.under_way.fetch_sub(1, Ordering::SeqCst);
        match back {
            Back::Whole(response) => {
                if stream.write_all(&response.bytes).await.is_err() || !response.framed {
                    return;
                }
            }
            Back::FirstBytes(response, bytes) => {
                let bytes = bytes.min(response.bytes.len());
                let _gone = stream.write_all(&response.bytes[..bytes]).await;
                let _gone = stream.shutdown().await;
                return;
            }
            Back::Closed => return,
            Back::Reset => return reset(stream),
            Back::Nothing => {
                // Ends when the sender gives up.
                let _gone = http::read_request(&mut stream, &mut buffer).await;
                return;
            }
        }
    }
}

/// Closes with a reset instead of a goodbye.
pub(super) fn reset(stream: TcpStream) {
    let _gone = stream.set_zero_linger();
    drop(stream);
}

async fn answer(shared: &Arc<Shared>, request: Request) -> Back {
    let wire = read(shared, &request).await;
    let caught = caught(shared, &request);
    let Some(wire) = wire else {
        let passing = other(shared, &request);
        return match caught {
            Some(caught) => held(caught, passing).await,
            None => passing.await,
        };
    };
    let suffers = shared.plan.verdict(&wire);
    let line = shared.log.push(WireRequest { suffered: suffers.as_ref().map(|action| format!("{action:?}")), ..wire });
    let suffering = suffer(shared, request, &line, suffers);
    let back = match caught {
        Some(caught) => held(caught, suffering).await,
        None => suffering.await,
    };
    if let Back::Whole(response) = &back {
        line.answered(response.status);
    }
    back
}

/// No action and no compensation; if it is a probe, something may befall it.
async fn other(shared: &Shared, request: &Request) -> Back {
    let pass = async || http::exchange(shared.upstream, request).await.map_or(Back::Closed, Back::Whole);
    let suffers = match CallHeaders::read(&request.headers) {
        Ok(headers) if headers.op == participant::Op::Probe => {
            let suffers = shared.plan.of_probe(&headers.step);
            shared.probed(headers.saga, headers.step);
            suffers
        }
        _ => None,
    };
    match suffers {
        Some(Action::Delay(wait)) => {
            tokio::time::sleep(wait).await;
            pass().await
        }
        Some(Action::CutBeforeRequest) => Back::Reset,
        Some(Action::CutAfterRequest) => {
            let _lost = pass().await;
            Back::Reset
        }
        Some(Action::Acked(status)) => acked(request, status),
        Some(Action::Status(status, body)) => Back::Whole(Response::made_up(status, &body)),
        Some(other) => unreachable!("a probe changes nothing, so that this is no fault of it: {other:?}"),
        None => pass().await,
    }
}

/// With the ack that makes it the participant's definite word.
fn acked(request: &Request, status: u16) -> Back {
    let key = request.headers.get("idempotency-key").and_then(|key| key.to_str().ok()).unwrap_or_default();
    Back::Whole(Response::acked(status, key.trim_matches('"')))
}

/// In a trap; whoever sent it is dead when this returns.
async fn held(mut caught: Caught, pass: impl Future<Output = Back>) -> Back {
    if caught.before().await {
        let _nobody_hears_it = pass.await;
        caught.after().await;
    }
    Back::Reset
}

/// Whether this is the moment of its saga.
fn caught(shared: &Shared, request: &Request) -> Option<Caught> {
    let header = |name: &str| request.headers.get(name).and_then(|value| value.to_str().ok());
    let saga = header("saga-id")?.parse().ok()?;
    shared.traps()?.meet(saga, header("saga-step").unwrap_or_default())
}

async fn suffer(shared: &Arc<Shared>, request: Request, line: &Line, action: Option<Action>) -> Back {
    let pass = async |request: &Request| send(shared, request, line).await;
    match action {
        None => pass(&request).await.map_or(Back::Closed, Back::Whole),
        Some(Action::Delay(wait)) => {
            tokio::time::sleep(wait).await;
            pass(&request).await.map_or(Back::Closed, Back::Whole)
        }
        Some(Action::Gated) => {
            // Whoever dropped the proxy wants nobody to be stopped.
            let mut gate = shared.gate.subscribe();
            drop(gate.wait_for(|open| *open).await);
            pass(&request).await.map_or(Back::Closed, Back::Whole)
        }
        Some(Action::CutBeforeRequest) => Back::Reset,
        Some(Action::CutWithinRequest(bytes)) => {
            let _participant_gone = http::send_part(shared.upstream, &request, bytes).await;
            Back::Closed
        }
        Some(Action::CutAfterRequest) => {
            let _lost = pass(&request).await;
            Back::Reset
        }
        Some(Action::CutWithinResponse(bytes)) => {
            pass(&request).await.map_or(Back::Closed, |response| Back::FirstBytes(response, bytes))
        }
        Some(Action::Duplicate { copies, at_once }) => duplicate(shared, &request, line, copies, at_once).await,
        Some(Action::ReplayLate { after, lost }) => {
            let back = first(shared, &request, line, lost).await;
            let (shared, line) = (shared.clone(), line.clone());
            shared.late.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(async move {
                tokio::time::sleep(after).await;
                let _nobody_listens = send(&shared, &request, &line).await;
                shared.late.fetch_sub(1, Ordering::SeqCst);
            });
            back
        }
        Some(Action::Hold { lost }) => {
            let back = first(shared, &request, line, lost).await;
            shared.hold(Held { request, line: line.clone() });
            back
        }
        Some(Action::Keep) => {
            shared.hold(Held { request, line: line.clone() });
            Back::Nothing
        }
        Some(Action::Acked(status)) => acked(&request, status),
        Some(Action::Status(status, body)) => Back::Whole(Response::made_up(status, &body)),
        Some(Action::NotNow(status, retry_after)) => Back::Whole(Response::not_now(status, &retry_after)),
        Some(Action::Refused(status, word)) => Back::Whole(Response::refused(status, word)),
        Some(Action::StatusInstead(status, body)) => {
            let _lost = pass(&request).await;
            Back::Whole(Response::made_up(status, &body))
        }
        Some(Action::Blackhole) => Back::Nothing,
    }
}

/// The original of a request of which a copy will come later.
async fn first(shared: &Shared, request: &Request, line: &Line, lost: bool) -> Back {
    if lost {
        return Back::Reset;
    }
    send(shared, request, line).await.map_or(Back::Closed, Back::Whole)
}

async fn duplicate(shared: &Arc<Shared>, request: &Request, line: &Line, copies: u32, at_once: bool) -> Back {
    let mut answers: Vec<io::Result<Response>> = Vec::new();
    if at_once {
        let mut sends = tokio::task::JoinSet::new();
        for _ in 0..copies {
            let (shared, request, line) = (shared.clone(), request.clone(), line.clone());
            sends.spawn(async move { send(&shared, &request, &line).await });
        }
        answers = sends.join_all().await;
    } else {
        for _ in 0..copies {
            answers.push(send(shared, request, line).await);
        }
    }
    answers.into_iter().find_map(Result::ok).map_or(Back::Closed, Back::Whole)
}

/// One copy to the participant, logged.
pub(super) async fn send(shared: &Shared, request: &Request, line: &Line) -> io::Result<Response> {
    let copy = line.sent();
    let response = http::exchange(shared.upstream, request).await?;
    line.copy_answered(copy, Answered::of(&response));
    Ok(response)
}

/// Which call and attempt a request is; `None` for requests that are no action and no compensation.
async fn read(shared: &Shared, request: &Request) -> Option<WireRequest> {
    let headers = match CallHeaders::read(&request.headers) {
        Ok(headers) => headers,
        Err(why) => {
            if request.headers.contains_key("saga-id") || request.headers.contains_key("idempotency-key") {
                shared.log.push_unreadable(format!("{} {}: {why}", request.method, request.path));
            }
            return None;
        }
    };
    let op = Op::of(headers.op)?;
    let call = SagaCall { saga: headers.saga, call: Call { step: headers.step, index: headers.index, op } };
    let intent_seen = match &shared.witness {
        Some(reader) => reader.has_intent(&call, headers.attempt).await,
        None => None,
    };
    Some(WireRequest {
        service: shared.service.clone(),
        call,
        attempt: headers.attempt,
        epoch: headers.epoch,
        digest: wire::digest(request),
        sent: wire::Sent::of(request),
        arrived_at: request.arrived_at,
        intent_seen,
        suffered: None,
        copies: Vec::new(),
        answered: None,
    })
}
