//! A wire between one node and its database that can be cut without a word: what is under way arrives nowhere, nobody is told, and
//! new connections hang. Unlike a server that stops, which resets and refuses.
//!
//! **What it must never know:** what is said on it.

use std::{net::SocketAddr, time::Duration};

use anyhow::Result;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};

use crate::port;

const BUFFER_BYTES: usize = 16 * 1024;
/// After accepting failed.
const PAUSE: Duration = Duration::from_millis(20);

/// One relay. Ends, with its connections, when it is dropped.
#[derive(Debug)]
pub struct Relay {
    address: SocketAddr,
    whole: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Relay {
    /// Listens on a port of its own, for whoever listens at `upstream`.
    ///
    /// # Errors
    /// No port can be had.
    pub async fn start(upstream: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind(port::free()?).await?;
        let address = listener.local_addr()?;
        let whole = watch::Sender::new(true);
        let task = tokio::spawn(accept(listener, upstream, whole.subscribe()));
        Ok(Self { address, whole, task })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on nothing arrives on either side.
    pub fn cut(&self) {
        self.whole.send_replace(false);
    }

    /// It is whole again. What was on its way arrives now, as TCP promises.
    pub fn mend(&self) {
        self.whole.send_replace(true);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, upstream: SocketAddr, whole: watch::Receiver<bool>) {
    // Those of a relay that is gone are gone with it.
    let mut connections = tokio::task::JoinSet::new();
    loop {
        match listener.accept().await {
            Ok((near, _)) => drop(connections.spawn(carry(near, upstream, whole.clone()))),
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
        while connections.try_join_next().is_some() {}
    }
}

/// Until one of the two hangs up, as far as the other can be told.
async fn carry(near: TcpStream, upstream: SocketAddr, mut whole: watch::Receiver<bool>) {
    if !is_whole(&mut whole).await {
        return;
    }
    let Ok(far) = TcpStream::connect(upstream).await else { return };
    let ((near_in, near_out), (far_in, far_out)) = (tokio::io::split(near), tokio::io::split(far));
    tokio::select! {
        () = one_way(near_in, far_out, whole.clone()) => {}
        () = one_way(far_in, near_out, whole) => {}
    }
}

async fn one_way(mut from: ReadHalf<TcpStream>, mut to: WriteHalf<TcpStream>, mut whole: watch::Receiver<bool>) {
    let mut buffer = vec![0; BUFFER_BYTES];
    while let Ok(bytes @ 1..) = from.read(&mut buffer).await {
        if !is_whole(&mut whole).await || to.write_all(&buffer[..bytes]).await.is_err() {
            return;
        }
    }
    // A goodbye is lost, too.
    is_whole(&mut whole).await;
}

/// Waits until it is; `false`: the relay is gone.
async fn is_whole(whole: &mut watch::Receiver<bool>) -> bool {
    whole.wait_for(|whole| *whole).await.is_ok()
}
