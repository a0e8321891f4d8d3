//! Ports for servers that must be told theirs before they start.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::net::TcpListener;
use std::ops::Range;

/// Below those that the system gives to clients: one of these may be a client's before its server listens at it, or
/// while the server is stopped.
const PORTS: Range<u16> = 15_000..32_000;
const ATTEMPTS: usize = 100;

pub fn free_port() -> Result<u16, String> {
    free_ports::<1>().map(|[port]| port)
}

/// So many that differ.
pub fn free_ports<const N: usize>() -> Result<[u16; N], String> {
    // Each is held until all are found.
    let found = (0..N).map(|_| held()).collect::<Result<Vec<_>, _>>()?;
    let ports: Vec<u16> = found.iter().map(|(port, _)| *port).collect();
    ports.try_into().map_err(|_| "no ports are free".to_owned())
}

/// One at which nobody listens but we; at random, as other processes look for theirs.
fn held() -> Result<(u16, TcpListener), String> {
    let mut last = String::new();
    for _ in 0..ATTEMPTS {
        let random = RandomState::new().hash_one(()) % u64::from(PORTS.end - PORTS.start);
        let port = PORTS.start + random as u16;
        match TcpListener::bind(("127.0.0.1", port)) {
            Ok(listener) => return Ok((port, listener)),
            Err(error) => last = error.to_string(),
        }
    }
    Err(format!("no port is free: {last}"))
}
