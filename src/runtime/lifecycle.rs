//! A broker's life with its controller: it registers, beats, is unfenced once it is ready, and leaves in order.

use crate::metadata::Image;
use crate::runtime::controller_channel::ControllerChannel;
use crate::runtime::observer::Published;
use crate::schema::broker_heartbeat_request::BrokerHeartbeatRequest;
use crate::schema::broker_heartbeat_response::BrokerHeartbeatResponse;
use crate::schema::broker_registration_request::BrokerRegistrationRequest;
use crate::types::ErrorCode;
use crate::types::Uuid;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio::time::sleep;
use tokio::time::timeout_at;
use tracing::info;

const FIRST_BACKOFF: Duration = Duration::from_millis(100);
const LONGEST_BACKOFF: Duration = Duration::from_secs(5);
/// A session of the incarnation before ends at some moment: it is to be noticed soon.
const LONGEST_REGISTRATION_BACKOFF: Duration = Duration::from_millis(250);
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

/// Why this broker is none of the cluster's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotRegistered {
    /// The cluster has finalised a feature that this broker cannot do.
    Unsupported,
    TooLate,
}

impl fmt::Display for NotRegistered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NotRegistered::Unsupported => "the cluster has finalized a feature level that this broker does not support",
            NotRegistered::TooLate => "Shutting down because we were unable to register with the controller quorum.",
        })
    }
}

impl std::error::Error for NotRegistered {}

/// When to speak, and when to give up.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    pub heartbeat_interval: Duration,
    /// The first registration must have come about by then.
    pub register_until: Instant,
}

/// What the broker says with its next heartbeat.
#[derive(Clone, Debug)]
struct Wishes {
    fence: bool,
    shut_down: bool,
    offline: Vec<Uuid>,
}

struct Beating {
    registration: BrokerRegistrationRequest,
    broker_epoch: Arc<AtomicI64>,
    interval: Duration,
    channel: Arc<dyn ControllerChannel>,
    published: Arc<Published>,
    wishes: watch::Receiver<Wishes>,
    state: watch::Sender<BrokerState>,
}

pub struct Lifecycle {
    broker_epoch: Arc<AtomicI64>,
    wishes: watch::Sender<Wishes>,
    state: watch::Receiver<BrokerState>,
    beating: JoinHandle<()>,
}

impl Lifecycle {
    /// Registers, as often as it takes until the controller is there and lets the broker in, and begins to beat.
    pub async fn start(
        registration: BrokerRegistrationRequest,
        timing: Timing,
        channel: Arc<dyn ControllerChannel>,
        published: Arc<Published>,
    ) -> Result<Lifecycle, NotRegistered> {
        let registered = timeout_at(timing.register_until, register(&*channel, &registration)).await;
        let broker_epoch = registered.unwrap_or(Err(NotRegistered::TooLate))?;
        let broker_epoch = Arc::new(AtomicI64::new(broker_epoch));
        let (wishes, heard) = watch::channel(Wishes {
            fence: true,
            shut_down: false,
            offline: Vec::new(),
        });
        let (told, state) = watch::channel(BrokerState::Starting);
        let beating = Beating {
            registration,
            broker_epoch: broker_epoch.clone(),
            interval: timing.heartbeat_interval,
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
        self.broker_epoch.load(Ordering::Relaxed)
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

async fn register(channel: &dyn ControllerChannel, request: &BrokerRegistrationRequest) -> Result<i64, NotRegistered> {
    let mut backoff = FIRST_BACKOFF;
    loop {
        if let Ok(response) = channel.register(request.clone()).await {
            match ErrorCode::from_code(response.error_code) {
                ErrorCode::None => return Ok(response.broker_epoch),
                ErrorCode::UnsupportedVersion => return Err(NotRegistered::Unsupported),
                // Most resolve themselves: the session of the incarnation before ends, a controller is found.
                error => info!(
                    "Unable to register broker {} because the controller returned error {}",
                    request.broker_id,
                    error.name()
                ),
            }
        }
        sleep(backoff).await;
        backoff = (backoff * 2).min(LONGEST_REGISTRATION_BACKOFF);
    }
}

impl Beating {
    async fn run(mut self) {
        // Before that every heartbeat would be answered with "not yet".
        let known = |image: &Image| self.is_registered(image).then_some(());
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
                refused => {
                    if refused.is_ok() && !self.is_registered(&self.published.image()) {
                        self.register_again().await;
                    }
                    backoff = (backoff * 2).min(LONGEST_BACKOFF);
                    backoff
                }
            };
            if *self.state.borrow() == BrokerState::ShuttingDown {
                return;
            }
            tokio::select! {
                () = sleep(pause) => {}
                changed = self.wishes.changed() => if changed.is_err() { return },
            }
        }
    }

    fn is_registered(&self, image: &Image) -> bool {
        let known = image.broker(self.registration.broker_id);
        known.is_some_and(|broker| broker.incarnation == self.registration.incarnation_id)
    }

    /// Somebody has unregistered this broker while it lives.
    async fn register_again(&self) {
        if let Ok(response) = self.channel.register(self.registration.clone()).await
            && response.error_code == 0
        {
            self.broker_epoch.store(response.broker_epoch, Ordering::Relaxed);
        }
    }

    fn request(&self, wishes: &Wishes) -> BrokerHeartbeatRequest {
        let starting = *self.state.borrow() == BrokerState::Starting;
        BrokerHeartbeatRequest {
            broker_id: self.registration.broker_id,
            broker_epoch: self.broker_epoch.load(Ordering::Relaxed),
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

    fn timing() -> Timing {
        Timing {
            heartbeat_interval: Duration::from_secs(2),
            register_until: Instant::now() + Duration::from_secs(60),
        }
    }

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
            let observer = Observer::new(Arc::new(quorum.handle()));
            let (listener, publishing) = (heard.clone(), published.clone());
            let following = tokio::spawn(async move { observer.run(listener, publishing).await.unwrap() });
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
            Lifecycle::start(request, timing(), channel, self.published.clone())
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
    async fn a_broker_of_another_cluster_tries_until_its_time_is_up() {
        let folder = Folder::formatted();
        let node = Node::start(&folder);
        let channel = Arc::new(LocalChannel::new(node.quorum.handle()));
        let request = BrokerRegistrationRequest {
            cluster_id: "other".into(),
            ..registration(1, -1)
        };
        let timing = Timing {
            register_until: Instant::now(),
            ..timing()
        };
        let started = Lifecycle::start(request, timing, channel, node.published.clone()).await;
        assert_eq!(started.err(), Some(NotRegistered::TooLate));
        node.stop().await;
    }

    #[tokio::test]
    async fn a_broker_that_lacks_a_finalized_feature_does_not_try_again() {
        let folder = Folder::formatted();
        let node = Node::start(&folder);
        let channel = Arc::new(LocalChannel::new(node.quorum.handle()));
        let mut request = registration(1, -1);
        request
            .features
            .iter_mut()
            .for_each(|feature| feature.max_supported_version = 29);
        let started = Lifecycle::start(request, timing(), channel, node.published.clone()).await;
        assert_eq!(started.err(), Some(NotRegistered::Unsupported));
        node.stop().await;
    }
}
