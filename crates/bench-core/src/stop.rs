use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio::sync::Notify;

const RUNNING: u8 = 0;
const DRAINING: u8 = 1;
const CANCELLED: u8 = 2;

/// Stops a run from outside: clone it, give one clone to the run and keep the other.
///
/// After [`StopHandle::stop`] no further request is sent; those under way may finish within
/// the run's grace period and are then cancelled. The run returns what was measured.
#[derive(Clone, Debug, Default)]
pub struct StopHandle(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    state: AtomicU8,
    changed: Notify,
    parent: Option<StopHandle>,
}

impl StopHandle {
    /// A handle that has not been used.
    pub fn new() -> StopHandle {
        StopHandle::default()
    }

    /// A handle that is stopped with this one, and can be stopped alone: for one run of several.
    pub fn child(&self) -> StopHandle {
        StopHandle(Arc::new(Inner {
            parent: Some(self.clone()),
            ..Inner::default()
        }))
    }

    /// Stops sending; requests under way may finish within the grace period.
    pub fn stop(&self) {
        self.raise(DRAINING);
    }

    /// Stops sending and cancels the requests under way.
    pub fn cancel(&self) {
        self.raise(CANCELLED);
    }

    /// Whether the run was asked to stop.
    pub fn is_stopped(&self) -> bool {
        self.state() >= DRAINING
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.state() >= CANCELLED
    }

    /// Completes once the run was asked to stop.
    pub async fn stopped(&self) {
        self.reached(DRAINING).await;
    }

    pub(crate) async fn cancelled(&self) {
        self.reached(CANCELLED).await;
    }

    fn state(&self) -> u8 {
        let own = self.0.state.load(Ordering::Acquire);
        let above = self.0.parent.as_ref().map_or(RUNNING, StopHandle::state);
        own.max(above)
    }

    fn raise(&self, state: u8) {
        self.0.state.fetch_max(state, Ordering::AcqRel);
        self.0.changed.notify_waiters();
    }

    async fn reached(&self, state: u8) {
        debug_assert_ne!(state, RUNNING);
        loop {
            // Registered before the state is read, so that no change is missed.
            let mut changed = std::pin::pin!(self.0.changed.notified());
            changed.as_mut().enable();
            if self.state() >= state {
                return;
            }
            match &self.0.parent {
                None => changed.await,
                Some(parent) => tokio::select! {
                    () = changed => {}
                    () = Box::pin(parent.reached(state)) => {}
                },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn waiters_see_each_stage() {
        let stop = StopHandle::new();
        assert!(!stop.is_stopped());
        let waiter = tokio::spawn({
            let stop = stop.clone();
            async move {
                stop.stopped().await;
                stop.cancelled().await;
            }
        });
        tokio::task::yield_now().await;
        stop.stop();
        assert!(stop.is_stopped() && !stop.is_cancelled());
        stop.cancel();
        waiter.await.unwrap();
        stop.stop();
        assert!(stop.is_cancelled(), "stages only go up");
    }

    #[tokio::test]
    async fn a_child_is_stopped_with_its_parent_and_alone() {
        let parent = StopHandle::new();
        let (one, other) = (parent.child(), parent.child());
        one.stop();
        one.stopped().await;
        assert!(one.is_stopped() && !other.is_stopped() && !parent.is_stopped());
        let waiter = tokio::spawn({
            let other = other.clone();
            async move {
                other.stopped().await;
                other.cancelled().await;
            }
        });
        tokio::task::yield_now().await;
        parent.stop();
        assert!(other.is_stopped() && !other.is_cancelled());
        other.cancel();
        waiter.await.unwrap();
        assert!(!parent.is_cancelled());
    }
}
