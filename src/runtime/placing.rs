//! Makes the logs of new partitions in the background, and tells the controller where they were put if it did not say.

use crate::metadata::Image;
use crate::replication::hosting::Hosting;
use crate::replication::hosting::Placed;
use crate::runtime::controller_channel::ControllerChannel;
use crate::runtime::observer::Published;
use crate::schema::assign_replicas_to_dirs_request::AssignReplicasToDirsRequest;
use crate::schema::assign_replicas_to_dirs_request::DirectoryData;
use crate::schema::assign_replicas_to_dirs_request::PartitionData;
use crate::schema::assign_replicas_to_dirs_request::TopicData;
use crate::types::ErrorCode;
use crate::types::Uuid;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::sleep;
use tracing::warn;

/// At most so many replicas in one AssignReplicasToDirs.
const PLACED_AT_ONCE: usize = 2250;

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// How long a broker that stops goes on telling.
const LAST_WORD: Duration = Duration::from_secs(1);

/// Runs until `stop` changes.
pub async fn run(
    hosting: Arc<Hosting>,
    published: Arc<Published>,
    channel: Arc<dyn ControllerChannel>,
    mut stop: watch::Receiver<bool>,
) {
    loop {
        tokio::select! {
            () = hosting.planned.notified() => {}
            _ = stop.wait_for(|stopping| *stopping) => break,
        }
        let (replicas, stopping) = (hosting.replicas.clone(), stop.clone());
        let make = spawn_blocking(move || replicas.make_planned(|| !*stopping.borrow()));
        if make.await.is_err() {
            warn!("logs could not be made in the background; they are made when they are used");
        }
        tell_all(&hosting, &published, &*channel, &mut stop).await;
    }
    // A replica whose place nobody knows would be made anew elsewhere if its folder failed meanwhile.
    tell_all(&hosting, &published, &*channel, &mut stop).await;
}

/// All that was placed; once the broker stops, in a limited time.
async fn tell_all(
    hosting: &Hosting,
    published: &Published,
    channel: &dyn ControllerChannel,
    stop: &mut watch::Receiver<bool>,
) {
    let placed = hosting.take_placed();
    for some in placed.chunks(PLACED_AT_ONCE) {
        let stopped = async {
            // Without a sender nobody can stop it, or all is over.
            let _ = stop.wait_for(|stopping| *stopping).await;
            sleep(LAST_WORD).await;
        };
        tokio::select! {
            () = tell(hosting, published, channel, some) => {}
            () = stopped => return,
        }
    }
}

/// Until a controller has taken it in: without it the replicas would count as lying nowhere.
async fn tell(hosting: &Hosting, published: &Published, channel: &dyn ControllerChannel, placed: &[Placed]) {
    let mut pause = FIRST_PAUSE;
    loop {
        let Some(request) = request(hosting, &published.image(), placed) else {
            return;
        };
        match channel.assign_replicas(request).await {
            Ok(response) if response.error_code == 0 => return,
            Ok(response) => {
                let error = ErrorCode::from_code(response.error_code).name();
                warn!("the controller was not told where new replicas lie: {error}");
            }
            Err(_) => warn!("the controller was not told where new replicas lie: it cannot be reached"),
        }
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

fn request(hosting: &Hosting, image: &Image, placed: &[Placed]) -> Option<AssignReplicasToDirsRequest> {
    let broker_epoch = image.broker(hosting.node_id)?.epoch;
    let mut directories: BTreeMap<Uuid, BTreeMap<Uuid, Vec<PartitionData>>> = BTreeMap::new();
    for replica in placed {
        let topics = directories.entry(replica.directory).or_default();
        let partition = PartitionData {
            partition_index: replica.partition,
        };
        topics.entry(replica.topic_id).or_default().push(partition);
    }
    let topics = |topics: BTreeMap<Uuid, Vec<PartitionData>>| {
        let told = topics
            .into_iter()
            .map(|(topic_id, partitions)| TopicData { topic_id, partitions });
        told.collect()
    };
    let directories = directories
        .into_iter()
        .map(|(id, of)| DirectoryData { id, topics: topics(of) });
    Some(AssignReplicasToDirsRequest {
        broker_id: hosting.node_id,
        broker_epoch,
        directories: directories.collect(),
    })
}
