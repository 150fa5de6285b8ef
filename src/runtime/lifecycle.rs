//! A broker's life with its controller: it registers, beats, is unfenced once it is ready, and leaves in order.

use crate::runtime::controller_channel::ControllerChannel;
use crate::runtime::observer::Published;
use crate::schema::broker_heartbeat_request::BrokerHeartbeatRequest;
use crate::schema::broker_heartbeat_response::BrokerHeartbeatResponse;
use crate::schema::broker_registration_request::BrokerRegistrationRequest;
use crate::types::ErrorCode;
use crate::types::NodeId;
use crate::types::Uuid;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;

const FIRST_BACKOFF: Duration = Duration::from_millis(100);
const LONGEST_BACKOFF: Duration = Duration::from_secs(5);
/// While others still lead nothing of what this broker leaves behind.
const SHUTDOWN_PAUSE: Duration = Duration::from_millis(50);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BrokerState {
    /// Registered, not yet caught up with its own registration.
    Starting,
    /// Caught up; logs and listeners are being made ready.
    Recovery,
    /// Unfenced.
    Running,
    PendingControlledShutdown,
    /// The controller has let it go.
    ShuttingDown,
}

/// The controller will not have this broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused(pub ErrorCode);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the controller refused the registration of this broker: {:?}: {}",
            self.0,
            self.0.text()
        )
    }
}

impl std::error::Error for Refused {}

/// What the broker says with its next heartbeat.
#[derive(Clone, Debug)]
struct Wishes {
    fence: bool,
    shut_down: bool,
    offline: Vec<Uuid>,
}

struct Beating {
    broker_id: NodeId,
    broker_epoch: i64,
    incarnation: Uuid,
    interval: Duration,
    channel: Arc<dyn ControllerChannel>,
    published: Arc<Published>,
    wishes: watch::Receiver<Wishes>,
    state: watch::Sender<BrokerState>,
}

pub struct Lifecycle {
    broker_epoch: i64,
    wishes: watch::Sender<Wishes>,
    state: watch::Receiver<BrokerState>,
    beating: JoinHandle<()>,
}

impl Lifecycle {
    /// Registers, for as long as the controller cannot be reached or takes the broker for alive, and begins to beat.
    pub async fn start(
        request: BrokerRegistrationRequest,
        interval: Duration,
        channel: Arc<dyn ControllerChannel>,
        published: Arc<Published>,
    ) -> Result<Lifecycle, Refused> {
        let broker_epoch = register(&*channel, &request).await?;
        let (wishes, heard) = watch::channel(Wishes {
            fence: true,
            shut_down: false,
            offline: Vec::new(),
        });
        let (told, state) = watch::channel(BrokerState::Starting);
        let beating = Beating {
            broker_id: request.broker_id,
            broker_epoch,
            incarnation: request.incarnation_id,
            interval,
            channel,
            published,
            wishes: heard,
            state: told,
        };
        let beating = tokio::spawn(beating.run());
        Ok(Lifecycle {
            broker_epoch,
            wishes,
            state,
            beating,
        })
    }

    /// Goes into every request of this incarnation, and into the marker of a clean stop.
    pub fn broker_epoch(&self) -> i64 {
        self.broker_epoch
    }

    pub fn state(&self) -> BrokerState {
        *self.state.borrow()
    }

    /// Logs and listeners are ready. Resolves once the broker is unfenced; `false` if it never will be.
    pub async fn ready(&self) -> bool {
        self.wishes.send_modify(|wishes| wishes.fence = false);
        self.state
            .clone()
            .wait_for(|state| *state == BrokerState::Running)
            .await
            .is_ok()
    }

    /// Directories that failed; they stay so until the broker starts again.
    pub fn directories_failed(&self, directories: &[Uuid]) {
        self.wishes
            .send_modify(|wishes| wishes.offline.extend_from_slice(directories));
    }

    /// Hands over what the broker leads. Resolves once the controller lets it go or `patience` ends.
    pub async fn shut_down(self, patience: Duration) {
        self.wishes.send_modify(|wishes| wishes.shut_down = true);
        let mut state = self.state.clone();
        let released = state.wait_for(|state| *state == BrokerState::ShuttingDown);
        if tokio::time::timeout(patience, released).await.is_err() {
            tracing::warn!("The controller did not let this broker go in time; it stops all the same.");
        }
        self.beating.abort();
        // Aborted, or done: it has said its last word.
        let _ = self.beating.await;
    }
}

async fn register(channel: &dyn ControllerChannel, request: &BrokerRegistrationRequest) -> Result<i64, Refused> {
    let mut backoff = FIRST_BACKOFF;
    loop {
        if let Ok(response) = channel.register(request.clone()).await {
            match ErrorCode::from_code(response.error_code) {
                ErrorCode::None => return Ok(response.broker_epoch),
                // Resolves itself when the session of the incarnation before ends, or a controller is found.
                ErrorCode::DuplicateBrokerRegistration | ErrorCode::NotController => {}
                error => return Err(Refused(error)),
            }
        }
        tokio::time::sleep(backoff).await;
        backoff = (backoff * 2).min(LONGEST_BACKOFF);
    }
}

impl Beating {
    async fn run(mut self) {
        let known = |image: &crate::metadata::Image| {
            image
                .broker(self.broker_id)
                .filter(|broker| broker.incarnation == self.incarnation)
                .map(|_| ())
        };
        // Before that every heartbeat would be answered with "not yet".
        if self.published.wait_until(known).await.is_none() {
            return;
        }
        let mut backoff = FIRST_BACKOFF;
        loop {
            let wishes = self.wishes.borrow_and_update().clone();
            let answer = self.channel.heartbeat(self.request(&wishes)).await;
            let pause = match answer {
                Ok(response) if response.error_code == 0 => {
                    backoff = FIRST_BACKOFF;
                    self.advance(&wishes, &response)
                }
                _ => {
                    backoff = (backoff * 2).min(LONGEST_BACKOFF);
                    backoff
                }
            };
            if *self.state.borrow() == BrokerState::ShuttingDown {
                return;
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                changed = self.wishes.changed() => if changed.is_err() { return },
            }
        }
    }

    fn request(&self, wishes: &Wishes) -> BrokerHeartbeatRequest {
        let starting = *self.state.borrow() == BrokerState::Starting;
        BrokerHeartbeatRequest {
            broker_id: self.broker_id,
            broker_epoch: self.broker_epoch,
            current_metadata_offset: self.published.applied(),
            want_fence: wishes.fence,
            want_shut_down: wishes.shut_down,
            offline_log_dirs: wishes.offline.clone(),
            cordoned_log_dirs: (!starting || !wishes.fence).then(Vec::new),
        }
    }

    /// Takes the next step that the controller allows; returns how long to wait before the next word.
    fn advance(&self, wishes: &Wishes, response: &BrokerHeartbeatResponse) -> Duration {
        let before = *self.state.borrow();
        let after = match before {
            _ if response.should_shut_down => BrokerState::ShuttingDown,
            _ if wishes.shut_down => BrokerState::PendingControlledShutdown,
            BrokerState::Starting | BrokerState::Recovery if !response.is_fenced => BrokerState::Running,
            BrokerState::Starting if response.is_caught_up => BrokerState::Recovery,
            same => same,
        };
        self.state
            .send_if_modified(|state| std::mem::replace(state, after) != after);
        match after {
            // The first word hands leaderships over, the second finds out whether that was all.
            BrokerState::PendingControlledShutdown if before != after => Duration::ZERO,
            BrokerState::PendingControlledShutdown => SHUTDOWN_PAUSE,
            _ => self.interval,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controller::Caller;
    use crate::runtime::controller_channel::LocalChannel;
    use crate::runtime::observer::Observer;
    use crate::runtime::quorum::Quorum;
    use crate::runtime::testing::Folder;
    use crate::runtime::testing::Heard;
    use crate::runtime::testing::registration;
    use crate::schema::create_topics_request::CreatableTopic;
    use crate::schema::create_topics_request::CreateTopicsRequest;

    struct Node {
        quorum: Quorum,
        published: Arc<Published>,
        heard: Arc<Heard>,
        following: JoinHandle<()>,
    }

    impl Node {
        fn start(folder: &Folder) -> Node {
            let quorum = folder.start(&[]);
            let (published, heard) = (Arc::new(Published::default()), Arc::new(Heard::default()));
            let observer = Observer::new(Arc::new(quorum.handle()), heard.clone(), published.clone());
            let following = tokio::spawn(async move { observer.run().await.unwrap() });
            Node {
                quorum,
                published,
                heard,
                following,
            }
        }

        async fn register(&self, incarnation: u8, previous: i64) -> Lifecycle {
            let channel = Arc::new(LocalChannel::new(self.quorum.handle()));
            let request = registration(incarnation, previous);
            Lifecycle::start(request, Duration::from_secs(2), channel, self.published.clone())
                .await
                .unwrap()
        }

        async fn stop(self) {
            self.quorum.stop().await.unwrap();
            self.following.abort();
        }
    }

    #[tokio::test]
    async fn a_broker_starts_serves_and_leaves_and_its_topic_is_there_when_it_comes_back() {
        let folder = Folder::formatted();
        let node = Node::start(&folder);
        let broker = node.register(1, -1).await;
        assert!(broker.ready().await);
        let topic = CreatableTopic {
            name: "a".into(),
            num_partitions: 3,
            replication_factor: 1,
            ..Default::default()
        };
        let request = CreateTopicsRequest {
            topics: vec![topic],
            ..Default::default()
        };
        let handle = node.quorum.handle();
        let created = handle.submit(|controller, moment| controller.create_topics(moment, &Caller::any(7), &request));
        assert!(node.published.wait_for(created.await.unwrap().offset).await);
        let image = node.published.image();
        assert!(
            image
                .topic("a")
                .unwrap()
                .partitions()
                .iter()
                .all(|partition| partition.leader == 1)
        );
        let told = node
            .heard
            .0
            .lock()
            .unwrap()
            .iter()
            .any(|(_, changes)| changes.partitions.len() == 3);
        assert!(told, "the listener was told before the image was published");
        let epoch = broker.broker_epoch();
        broker.shut_down(Duration::from_secs(10)).await;
        node.stop().await;

        let node = Node::start(&folder);
        let broker = node.register(2, epoch).await;
        assert!(broker.ready().await);
        let back = node.published.wait_until(|image| {
            image
                .topic("a")
                .filter(|topic| topic.partitions()[0].leader == 1)
                .cloned()
        });
        let back = back.await.unwrap();
        assert_eq!(back.partitions()[0].leader_epoch, 2);
        node.stop().await;
    }

    #[tokio::test]
    async fn a_node_that_was_killed_comes_back_at_once() {
        let folder = Folder::formatted();
        let node = Node::start(&folder);
        assert!(node.register(1, -1).await.ready().await);
        drop(node);
        let node = Node::start(&folder);
        assert!(
            node.register(2, -1).await.ready().await,
            "the session of the dead incarnation does not count"
        );
        node.stop().await;
    }

    #[tokio::test]
    async fn a_broker_of_another_cluster_is_refused_for_good() {
        let folder = Folder::formatted();
        let node = Node::start(&folder);
        let channel = Arc::new(LocalChannel::new(node.quorum.handle()));
        let request = BrokerRegistrationRequest {
            cluster_id: "other".into(),
            ..registration(1, -1)
        };
        let started = Lifecycle::start(request, Duration::from_secs(2), channel, node.published.clone()).await;
        assert_eq!(started.err(), Some(Refused(ErrorCode::InconsistentClusterId)));
        node.stop().await;
    }
}
