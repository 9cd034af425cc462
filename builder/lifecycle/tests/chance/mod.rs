//! What the fault suites share: a random source, turns of several operators on one thread, and the death of one at a moment
//! that a seed decides. Compiled into each suite that names it.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

/// A random source (`SplitMix64`).
#[derive(Debug)]
pub(crate) struct Rng(pub(crate) u64);

impl Rng {
    /// The next number in `0..end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end
    }

    /// Whether something that happens in `percent` of cases does.
    pub(crate) fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

/// Lets others have a turn once.
pub(crate) struct Yield(pub(crate) bool);

impl Future for Yield {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.0, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// The life of an operator, which may end at each of its moments.
#[derive(Debug, Default)]
pub(crate) struct Life {
    kill_at: Option<u64>,
    moments: AtomicU64,
    dead: AtomicBool,
    /// Wakes the work: its end may come in a task of its own.
    waker: Mutex<Option<Waker>>,
}

impl Life {
    /// A life that ends at a moment, counted from 0, or by itself.
    pub(crate) fn until(kill_at: Option<u64>) -> Self {
        Self { kill_at, ..Self::default() }
    }

    /// Runs work until it ends; `None` if the operator dies first: its future is dropped where it is.
    pub(crate) async fn live<F: Future>(&self, work: F) -> Option<F::Output> {
        let mut work = Box::pin(work);
        std::future::poll_fn(|cx| {
            *self.waker.lock().unwrap_or_else(PoisonError::into_inner) = Some(cx.waker().clone());
            match work.as_mut().poll(cx) {
                Poll::Ready(output) => Poll::Ready(Some(output)),
                Poll::Pending if self.dead.load(Ordering::Relaxed) => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            }
        })
        .await
    }

    /// A moment at which the operator may die.
    pub(crate) async fn moment(&self) {
        if self.kill_at == Some(self.moments.fetch_add(1, Ordering::Relaxed)) {
            self.dead.store(true, Ordering::Relaxed);
            self.waker.lock().unwrap_or_else(PoisonError::into_inner).iter().for_each(Waker::wake_by_ref);
            std::future::pending::<()>().await;
        }
    }
}
