//! Several futures at once, on one task, so that they may borrow.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

/// A future and, once it is done, what it gave.
enum JoinSlot<'a, T> {
    Running(Pin<Box<dyn Future<Output = T> + Send + 'a>>),
    Done(Option<T>),
}

/// Runs all and gives what each gave, in their order. Every wake polls all: meant for dozens, not thousands.
pub(super) async fn all<'a, T>(futures: Vec<Pin<Box<dyn Future<Output = T> + Send + 'a>>>) -> Vec<T> {
    let mut slots: Vec<_> = futures.into_iter().map(JoinSlot::Running).collect();
    poll_fn(move |cx| {
        let mut running = false;
        for slot in &mut slots {
            if let JoinSlot::Running(future) = slot {
                match future.as_mut().poll(cx) {
                    Poll::Ready(done) => *slot = JoinSlot::Done(Some(done)),
                    Poll::Pending => running = true,
                }
            }
        }
        if running {
            return Poll::Pending;
        }
        let done = slots.iter_mut().filter_map(|slot| match slot {
            JoinSlot::Done(done) => done.take(),
            JoinSlot::Running(_) => None,
        });
        Poll::Ready(done.collect())
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::oneshot;

    #[test]
    fn all_run_at_once_and_answers_keep_their_order() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (send, receive) = oneshot::channel::<u8>();
        // The first can only end after the second ran.
        let first: Pin<Box<dyn Future<Output = u8> + Send>> = Box::pin(async { receive.await.unwrap() });
        let second: Pin<Box<dyn Future<Output = u8> + Send>> = Box::pin(async move {
            send.send(1).unwrap();
            2
        });
        assert_eq!(runtime.block_on(all(vec![first, second])), [1, 2]);
    }
}
