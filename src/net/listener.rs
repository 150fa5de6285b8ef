//! A listening socket and the connections that it accepted.

use crate::api::context::Handles;
use crate::api::context::Peer;
use crate::net::buffers::Buffers;
use crate::net::connection::Connection;
use crate::net::connection::Limits;
use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::net::TcpSocket;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::warn;

/// After a failed accept (most often: no file descriptors left) the next try waits this long.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

pub struct Listener {
    pub name: Arc<str>,
    /// Whether this is the controller's listener, which serves other requests.
    pub controller: bool,
    pub limits: Limits,
    pub most_per_address: MostPerAddress,
}

/// `max.connections.per.ip` and its overrides.
#[derive(Clone, Default)]
pub struct MostPerAddress {
    pub usual: u32,
    pub overrides: HashMap<IpAddr, u32>,
}

/// Binds before anything is accepted, so that a taken port ends the start.
pub fn bind(address: SocketAddr, backlog: u32) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(backlog)
}

/// Accepts until `stop` changes, then ends all connections.
pub async fn serve(
    socket: TcpListener,
    listener: Arc<Listener>,
    handles: Arc<Handles>,
    buffers: Arc<Buffers>,
    mut stop: watch::Receiver<bool>,
) {
    let counts = Arc::new(Mutex::new(HashMap::new()));
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = socket.accept() => accepted,
            Some(_) = connections.join_next() => continue,
            _ = stop.wait_for(|stopping| *stopping) => break,
        };
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                warn!(listener = %listener.name, "a connection was not accepted: {error}");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Some(place) = Place::take(&counts, address.ip(), &listener.most_per_address) else {
            continue;
        };
        if let Ok(peer) = peer(&stream, address, &listener) {
            let (handles, buffers, limits) = (handles.clone(), buffers.clone(), listener.limits);
            let connection = Connection {
                stream,
                peer: Arc::new(peer),
                handles,
                buffers,
                limits,
            };
            connections.spawn(async move {
                let _place = place;
                connection.serve().await;
            });
        }
    }
    connections.shutdown().await;
}

fn peer(stream: &TcpStream, address: SocketAddr, listener: &Listener) -> io::Result<Peer> {
    stream.set_nodelay(true)?;
    let address = SocketAddr::new(address.ip().to_canonical(), address.port());
    Ok(Peer {
        address,
        local: stream.local_addr()?,
        listener: listener.name.clone(),
        principal: Peer::anonymous(),
        controller: listener.controller,
        forwarded: false,
    })
}

type Counts = Arc<Mutex<HashMap<IpAddr, u32>>>;

/// A connection's place among those of its address; given back when it ends.
struct Place {
    counts: Counts,
    address: IpAddr,
}

impl Place {
    fn take(counts: &Counts, address: IpAddr, most: &MostPerAddress) -> Option<Place> {
        let allowed = most.overrides.get(&address).copied().unwrap_or(most.usual);
        let mut held = counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = held.entry(address).or_insert(0);
        if *count >= allowed {
            warn!(%address, "too many connections: {count}, allowed are {allowed}");
            return None;
        }
        *count += 1;
        Some(Place {
            counts: counts.clone(),
            address,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut held = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = held.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                held.remove(&self.address);
            }
        }
    }
}
