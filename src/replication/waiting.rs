//! Readers that wait until a partition has more for them. A waiter is woken at most once and then asks again.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use tokio::sync::Notify;

#[derive(Default)]
pub struct Waiters {
    list: Mutex<Vec<Arc<Notify>>>,
    /// Length of the list, so that an append without waiters takes no lock.
    count: AtomicUsize,
}

impl Waiters {
    pub fn add(&self, waiter: &Arc<Notify>) {
        let mut list = self.list.lock().unwrap_or_else(PoisonError::into_inner);
        list.push(waiter.clone());
        self.count.store(list.len(), Ordering::SeqCst);
    }

    /// For a waiter that stops waiting without having been woken here.
    pub fn remove(&self, waiter: &Arc<Notify>) {
        let mut list = self.list.lock().unwrap_or_else(PoisonError::into_inner);
        list.retain(|held| !Arc::ptr_eq(held, waiter));
        self.count.store(list.len(), Ordering::SeqCst);
    }

    pub fn wake(&self) {
        if self.count.load(Ordering::SeqCst) == 0 {
            return;
        }
        let woken = {
            let mut list = self.list.lock().unwrap_or_else(PoisonError::into_inner);
            self.count.store(0, Ordering::SeqCst);
            std::mem::take(&mut *list)
        };
        woken.iter().for_each(|waiter| waiter.notify_one());
    }
}
