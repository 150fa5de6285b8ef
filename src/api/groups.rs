//! What the requests of consumer groups have in common: each goes to the coordinator of its group.

use crate::api::context::Context;
use crate::group::Client;
use crate::group::Command;
use crate::group::Reply;
use crate::metadata::feature;
use crate::types::ErrorCode;

impl Context {
    /// Who asks, as groups remember and show it.
    pub fn client(&self) -> Client {
        Client {
            version: self.prefix.version,
            id: self.client_id.clone().unwrap_or_default(),
            host: format!("/{}", self.peer.address.ip()).into(),
        }
    }

    /// Whether the cluster has agreed on the groups of KIP-848.
    pub fn has_consumer_protocol(&self) -> bool {
        self.handles.image().feature(feature::GROUP_VERSION) >= 1
    }

    /// Lets a group's coordinator judge. `take` picks the reply that belongs to the command.
    pub async fn of_group<R>(
        &self,
        group: &str,
        command: Command,
        take: impl FnOnce(Reply) -> Option<R>,
    ) -> Result<R, ErrorCode> {
        let image = self.handles.image();
        let reply = self.handles.groups.run(&image, group, command).await?;
        take(reply).ok_or(ErrorCode::UnknownServerError)
    }
}

/// Picks one kind of reply.
macro_rules! only {
    ($kind:ident) => {
        |reply| match reply {
            $crate::group::Reply::$kind(answer) => Some(answer),
            _ => None,
        }
    };
}

pub(super) use only;
