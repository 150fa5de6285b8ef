//! The sockets of a node, opened before anything else, so that a taken port ends the start at once.

use crate::broker::Failure;
use crate::config::BrokerConfig;
use crate::config::listener::Endpoint;
use crate::net::listener;
use std::io;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::net::SocketAddr;
use std::net::ToSocketAddrs;
use tokio::net::TcpListener;

/// A socket and the listener that it belongs to.
pub struct Bound {
    pub socket: TcpListener,
    pub endpoint: Endpoint,
    pub controller: bool,
}

pub fn bind(config: &BrokerConfig) -> Result<Vec<Bound>, Failure> {
    let controllers = config.controller_listeners().map(|endpoint| (endpoint, true));
    let all = config
        .broker_listeners()
        .map(|endpoint| (endpoint, false))
        .chain(controllers);
    let mut bound = Vec::new();
    for (endpoint, controller) in all {
        if endpoint.protocol.uses_tls() || endpoint.protocol.uses_sasl() {
            let protocol = endpoint.protocol.name();
            return Err(format!(
                "listeners: {endpoint}: {protocol} is not supported yet, only PLAINTEXT is"
            ));
        }
        let backlog = config.socket_listen_backlog_size().max(1) as u32;
        let socket = open(endpoint, backlog)?;
        bound.push(Bound {
            socket,
            endpoint: endpoint.clone(),
            controller,
        });
    }
    Ok(bound)
}

/// Where to listen, the best first: without a host on every address of both families, with one preferably on IPv4,
/// which every client tries.
fn addresses(endpoint: &Endpoint) -> Result<Vec<SocketAddr>, Failure> {
    let port = u16::try_from(endpoint.port).unwrap_or(0);
    let Some(host) = endpoint.host.as_deref() else {
        let all: [IpAddr; 2] = [Ipv6Addr::UNSPECIFIED.into(), Ipv4Addr::UNSPECIFIED.into()];
        return Ok(all.map(|address| SocketAddr::new(address, port)).to_vec());
    };
    let found = (host, port).to_socket_addrs();
    let mut found: Vec<SocketAddr> = found
        .map_err(|error| format!("listeners: {endpoint}: {error}"))?
        .collect();
    found.sort_by_key(|address| !address.is_ipv4());
    Ok(found)
}

/// Opens the first address that this machine has.
fn open(endpoint: &Endpoint, backlog: u32) -> Result<TcpListener, Failure> {
    let mut failure = format!("listeners: {endpoint}: the host has no address");
    for address in addresses(endpoint)? {
        match listener::bind(address, backlog) {
            Ok(socket) => return Ok(socket),
            Err(error) => {
                failure = format!("listeners: {endpoint}: {error}");
                // Only a machine without this family of addresses is given another try.
                let missing = [io::ErrorKind::AddrNotAvailable, io::ErrorKind::Unsupported];
                if !missing.contains(&error.kind()) && error.raw_os_error() != Some(NO_SUCH_FAMILY) {
                    break;
                }
            }
        }
    }
    Err(failure)
}

/// EAFNOSUPPORT of Linux.
const NO_SUCH_FAMILY: i32 = 97;
