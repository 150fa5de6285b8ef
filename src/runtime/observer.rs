//! Follows a metadata log and keeps the broker's image of the cluster.
//!
//! Who acts on changes is told before the image is published: a partition takes writes before anybody can read from the
//! image that it is led here.

use crate::metadata::Changes;
use crate::metadata::Image;
use crate::metadata::Replay;
use crate::metadata::ReplayError;
use crate::runtime::metadata_log::MetadataLog;
use crate::runtime::metadata_log::MetadataRead;
use crate::types::Offset;
use arc_swap::ArcSwap;
use std::sync::Arc;
use tokio::sync::watch;

/// Acts on changes of the cluster. May block on the disk if topics or partitions changed.
pub trait ImageListener: Send + Sync {
    fn on_change(&self, image: &Arc<Image>, changes: &Changes);
}

/// The image that everybody reads.
pub struct Published {
    image: ArcSwap<Image>,
    applied: watch::Sender<Offset>,
}

impl Default for Published {
    fn default() -> Published {
        Published {
            image: ArcSwap::default(),
            applied: watch::Sender::new(-1),
        }
    }
}

impl Published {
    pub fn image(&self) -> Arc<Image> {
        self.image.load_full()
    }

    /// The last offset in the image.
    pub fn applied(&self) -> Offset {
        *self.applied.borrow()
    }

    /// Resolves once the image holds this offset; `false` if it never will.
    pub async fn wait_for(&self, offset: Offset) -> bool {
        let mut applied = self.applied.subscribe();
        applied.wait_for(|applied| *applied >= offset).await.is_ok()
    }

    /// Resolves with the first image for which `found` finds something.
    pub async fn wait_until<T>(&self, found: impl Fn(&Image) -> Option<T>) -> Option<T> {
        let mut applied = self.applied.subscribe();
        loop {
            applied.borrow_and_update();
            if let Some(result) = found(&self.image()) {
                return Some(result);
            }
            applied.changed().await.ok()?;
        }
    }

    fn publish(&self, image: Arc<Image>) {
        let offset = image.offset;
        self.image.store(image);
        self.applied.send_replace(offset);
    }
}

pub struct Observer {
    log: Arc<dyn MetadataLog>,
    replay: Replay,
}

impl Observer {
    pub fn new(log: Arc<dyn MetadataLog>) -> Observer {
        let replay = Replay::new(Image::default());
        Observer { log, replay }
    }

    /// Takes in what is committed when it is called, or soon after. `None` if the log closes before.
    pub async fn catch_up(&mut self) -> Result<Option<Arc<Image>>, ReplayError> {
        let mut high_watermark = self.log.high_watermark();
        let Ok(target) = high_watermark.wait_for(|end| *end > 0).await.map(|end| *end) else {
            return Ok(None);
        };
        loop {
            high_watermark.borrow_and_update();
            while self.take_in()?.is_some() {}
            let image = self.replay.publish().0;
            if image.offset + 1 >= target {
                return Ok(Some(image));
            }
            if high_watermark.changed().await.is_err() {
                return Ok(None);
            }
        }
    }

    /// Follows until the log closes. An error means that this broker and its controller do not understand each other.
    pub async fn run(mut self, listener: Arc<dyn ImageListener>, published: Arc<Published>) -> Result<(), ReplayError> {
        let mut high_watermark = self.log.high_watermark();
        let image = self.replay.publish().0;
        let changes = Changes::between(&published.image(), &image);
        act(&listener, &published, image, changes).await;
        loop {
            high_watermark.borrow_and_update();
            while let Some((image, changes)) = self.take_in()? {
                act(&listener, &published, image, changes).await;
            }
            if high_watermark.changed().await.is_err() {
                return Ok(());
            }
        }
    }

    /// Takes in what there is now; `None` if there is nothing.
    fn take_in(&mut self) -> Result<Option<(Arc<Image>, Changes)>, ReplayError> {
        let known = self.replay.image().offset;
        match self.log.read(known + 1) {
            MetadataRead::Batches(batches) if batches.is_empty() => Ok(None),
            MetadataRead::Batches(batches) => {
                for batch in batches {
                    for (offset, record) in (batch.base_offset..).zip(&batch.records) {
                        if offset > known {
                            self.replay.apply(offset, batch.epoch, record)?;
                        }
                    }
                    self.replay.passed(batch.last_offset, batch.epoch);
                }
                Ok(Some(self.replay.publish()))
            }
            MetadataRead::Snapshot(image) => {
                let changes = Changes::between(self.replay.image(), &image);
                self.replay = Replay::new((*image).clone());
                Ok(Some((image, changes)))
            }
        }
    }
}

async fn act(listener: &Arc<dyn ImageListener>, published: &Published, image: Arc<Image>, changes: Changes) {
    let touches_disk = !changes.partitions.is_empty() || !changes.topics_deleted.is_empty();
    if touches_disk {
        let (listener, seen) = (listener.clone(), image.clone());
        let acted = tokio::task::spawn_blocking(move || listener.on_change(&seen, &changes)).await;
        if let Err(error) = acted {
            tracing::error!("Acting on changed metadata failed: {error}");
        }
    } else if !changes.is_empty() {
        listener.on_change(&image, &changes);
    }
    published.publish(image);
}
