//! A proxy in front of one participant, inside the test's process. It knows for each request which call and attempt it
//! is, does to it what the plan says, and keeps a log of everything.
//!
//! **What it must never know:** what should happen. It injects and writes down; the checker judges.

mod carry;
mod http;
mod plan;
mod trap;
mod wire;

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use anyhow::Result;
use tokio::{
    net::{TcpListener, TcpSocket},
    sync::watch,
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use self::{
    carry::Held,
    plan::Plan,
    wire::{Line, WireLog},
};
use crate::{audit::reader::Reader, port};

pub use self::{
    plan::{Action, Injected, Rule},
    trap::{Moment, Point, Traps},
    wire::{Answered, Copied, Sent, WireRequest},
};

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 1024;

/// Whether anybody gets in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    Open,
    /// Every connection is accepted and reset before a byte of it is read.
    Resetting,
    /// Nobody listens: a connect is refused. The port stays bound.
    Closed,
}

/// One proxy. Ends with its last clone.
#[derive(Debug)]
pub struct Proxy {
    shared: Arc<Shared>,
    door: watch::Sender<Door>,
    shut: watch::Receiver<Door>,
    end: CancellationToken,
    task: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    service: String,
    address: SocketAddr,
    upstream: SocketAddr,
    plan: Plan,
    traps: Mutex<Option<Traps>>,
    log: WireLog,
    /// Who was asked after, in order of arrival.
    probes: Mutex<Vec<(Uuid, String)>>,
    held: Mutex<Vec<Held>>,
    connections: AtomicU64,
    /// Late copies that have not been answered yet.
    late: AtomicU64,
    /// Requests that are being carried on, whether or not their sender still waits.
    under_way: AtomicU64,
    witness: Option<Reader>,
}

impl Proxy {
    /// Listens on a port of its own. `witness` is asked at each arrival whether the intent is durable.
    ///
    /// # Errors
    /// No port can be had.
    pub fn start(service: &str, upstream: SocketAddr, witness: Option<Reader>) -> Result<Self> {
        let socket = bind(port::free()?)?;
        let shared = Arc::new(Shared {
            service: service.to_owned(),
            address: socket.local_addr()?,
            upstream,
            plan: Plan::default(),
            traps: Mutex::default(),
            log: WireLog::default(),
            probes: Mutex::default(),
            held: Mutex::default(),
            connections: AtomicU64::new(0),
            late: AtomicU64::new(0),
            under_way: AtomicU64::new(0),
            witness,
        });
        let listener = socket.listen(BACKLOG)?;
        let (door, wanted) = watch::channel(Door::Open);
        let (is, shut) = watch::channel(Door::Open);
        let end = CancellationToken::new();
        let task = tokio::spawn(accept(shared.clone(), listener, wanted, is, end.clone()));
        Ok(Self { shared, door, shut, end, task: Some(task) })
    }

    pub fn address(&self) -> SocketAddr {
        self.shared.address
    }

    pub fn service(&self) -> &str {
        &self.shared.service
    }

    /// From now on this happens to requests that fit and that no earlier rule takes.
    pub fn inject(&self, rule: Rule) -> Injected {
        self.shared.plan.inject(rule)
    }

    /// From now on nothing happens to anything. What is held stays held.
    pub fn heal(&self) {
        self.shared.plan.heal();
    }

    /// From now on requests are counted, and held at their moments.
    ///
    /// # Panics
    /// Never.
    pub fn trap(&self, traps: Traps) {
        *self.shared.traps.lock().expect("invariant: nobody panics under this lock") = Some(traps);
    }

    /// Opens or closes; when it returns it has happened, and connections of the door before are gone.
    ///
    /// # Panics
    /// When the proxy's task is gone.
    pub async fn set_door(&self, door: Door) {
        self.door.send_replace(door);
        let mut shut = self.shut.clone();
        shut.wait_for(|is| *is == door).await.expect("the proxy's task lives as long as the proxy");
    }

    /// Sends everything that [`Action::Hold`] and [`Action::Keep`] hold, now, one after the other; answers what the participant said.
    ///
    /// # Errors
    /// The participant could not be asked.
    pub async fn release(&self) -> io::Result<Vec<Answered>> {
        let held = std::mem::take(&mut *self.shared.held.lock().expect("invariant: nobody panics under this lock"));
        let mut answers = Vec::new();
        for held in held {
            answers.push(carry::send(&self.shared, &held.request, &held.line).await.map(|r| Answered::of(&r))?);
        }
        Ok(answers)
    }

    /// How many requests are held.
    ///
    /// # Panics
    /// Never.
    pub fn held(&self) -> usize {
        self.shared.held.lock().expect("invariant: nobody panics under this lock").len()
    }

    /// Late copies that are still to come.
    pub fn late(&self) -> u64 {
        self.shared.late.load(Ordering::SeqCst)
    }

    /// Requests that are being carried on; the participant may still get them.
    pub fn under_way(&self) -> u64 {
        self.shared.under_way.load(Ordering::SeqCst)
    }

    /// Connections accepted so far.
    pub fn connections(&self) -> u64 {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// Everything that came by, in order of arrival.
    pub fn log(&self) -> Vec<WireRequest> {
        self.shared.log.requests()
    }

    /// How often it was asked after this step of this saga.
    ///
    /// # Panics
    /// Never.
    pub fn probes(&self, saga: Uuid, step: &str) -> usize {
        let probes = self.shared.probes.lock().expect("invariant: nobody panics under this lock");
        probes.iter().filter(|(of, asked)| *of == saga && asked == step).count()
    }

    /// Requests that name a saga but do not follow the contract: why each does not.
    pub fn unreadable(&self) -> Vec<String> {
        self.shared.log.unreadable()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.end.cancel();
        if let Some(task) = self.task.take() {
            task.abort();
        }
    }
}

impl Shared {
    fn traps(&self) -> Option<Traps> {
        self.traps.lock().expect("invariant: nobody panics under this lock").clone()
    }

    fn probed(&self, saga: Uuid, step: String) {
        self.probes.lock().expect("invariant: nobody panics under this lock").push((saga, step));
    }

    fn hold(&self, held: Held) {
        self.held.lock().expect("invariant: nobody panics under this lock").push(held);
    }
}

fn bind(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    // The port is taken again right after its listener closed, while old connections still linger.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

/// Accepts as the door says. A closed door is a bound socket that does not listen: the kernel refuses.
async fn accept(
    shared: Arc<Shared>,
    listener: TcpListener,
    mut wanted: watch::Receiver<Door>,
    is: watch::Sender<Door>,
    end: CancellationToken,
) {
    let mut listener = Some(listener);
    let mut bound = None;
    let mut connections = end.child_token();
    loop {
        let door = *wanted.borrow_and_update();
        if *is.borrow() != door {
            connections.cancel();
            connections = end.child_token();
            if door == Door::Closed {
                // The listener must be gone before its port can be bound again.
                drop(listener.take());
                bound = Some(bind(shared.address).expect("nobody else is given this port"));
            } else if let Some(socket) = bound.take() {
                listener = Some(TcpSocket::listen(socket, BACKLOG).expect("a bound socket can listen"));
            }
            is.send_replace(door);
        }
        let Some(accepting) = &listener else {
            if wanted.changed().await.is_err() {
                return;
            }
            continue;
        };
        let stream = tokio::select! {
            changed = wanted.changed() => match changed {
                Ok(()) => continue,
                Err(_) => return,
            },
            accepted = accepting.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(_) => continue,
            },
        };
        shared.connections.fetch_add(1, Ordering::SeqCst);
        if door == Door::Resetting {
            carry::reset(stream);
        } else {
            tokio::spawn(carry::connection(shared.clone(), stream, connections.clone()));
        }
    }
}
