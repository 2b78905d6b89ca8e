//! Ports below those that the kernel gives to clients: nobody is given one by accident while it is closed for a moment,
//! be it by a kill -9 or by a door that is shut.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    sync::atomic::{AtomicU32, Ordering},
};

use anyhow::{Result, bail};

/// The first port that is ever handed out; above it, below those that the kernel gives to clients.
const FIRST_PORT: u16 = 15_000;

/// One that is free now.
///
/// # Errors
/// None is.
pub fn free() -> Result<SocketAddr> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let range = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let end: u16 = range.split_whitespace().next().and_then(|low| low.parse().ok()).unwrap_or(32_768);
    let ports = u32::from(end.saturating_sub(FIRST_PORT).max(1_000));
    // Tests are processes that run side by side: each begins somewhere else.
    let begin = std::process::id().wrapping_mul(61);
    for _ in 0..ports {
        let offset = begin.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % ports;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, FIRST_PORT + u16::try_from(offset)?));
        if TcpListener::bind(address).is_ok() {
            return Ok(address);
        }
    }
    bail!("there is no free port below {end}")
}
