//! The connection to whichever controller is asked for metadata just now.

use crate::config::voters::Address;
use crate::peers::connection::Connection;
use crate::raft::questions::Versions;
use crate::schema::Message;
use crate::schema::fetch_request::FetchRequest;
use crate::schema::fetch_response::FetchResponse;
use crate::schema::fetch_snapshot_request::FetchSnapshotRequest;
use crate::schema::fetch_snapshot_response::FetchSnapshotResponse;
use std::io;
use std::time::Duration;

pub struct ControllerPeer {
    client_id: String,
    patience: Duration,
    open: Option<Open>,
}

struct Open {
    address: Address,
    connection: Connection,
    versions: Versions,
}

impl ControllerPeer {
    pub fn new(client_id: String, patience: Duration) -> ControllerPeer {
        ControllerPeer {
            client_id,
            patience,
            open: None,
        }
    }

    pub async fn fetch(&mut self, address: &Address, request: &FetchRequest) -> io::Result<FetchResponse> {
        self.ask(address, request, |versions| versions.fetch).await
    }

    pub async fn fetch_snapshot(
        &mut self,
        address: &Address,
        request: &FetchSnapshotRequest,
    ) -> io::Result<FetchSnapshotResponse> {
        self.ask(address, request, |versions| versions.snapshot).await
    }

    async fn ask<Q: Message, A: Message>(
        &mut self,
        address: &Address,
        request: &Q,
        version: impl FnOnce(Versions) -> i16,
    ) -> io::Result<A> {
        // Taken out: a connection that was given up in the middle must not be used again.
        let open = self.open.take().filter(|open| open.address == *address);
        let mut open = match open {
            Some(open) => open,
            None => self.connect(address).await?,
        };
        let version = version(open.versions);
        let answer = open.connection.call(request, version, self.patience).await?;
        self.open = Some(open);
        Ok(answer)
    }

    async fn connect(&self, address: &Address) -> io::Result<Open> {
        let mut connection = Connection::open(address, &self.client_id, self.patience).await?;
        let offered = connection.versions(self.patience).await?;
        let versions = Versions::common(&offered).ok_or_else(|| {
            let why = "it does not serve the metadata log as controllers do from Kafka 3.9 on";
            io::Error::new(io::ErrorKind::Unsupported, why)
        })?;
        Ok(Open {
            address: address.clone(),
            connection,
            versions,
        })
    }
}
