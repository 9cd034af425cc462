//! Joins futures that borrow, on one task.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

/// A future, or its output once it is ready.
enum JoinSlot<'a, T> {
    Running(Pin<Box<dyn Future<Output = T> + Send + 'a>>),
    Done(Option<T>),
}

/// Polls all futures to completion and returns their outputs in order. Every wake polls all of them: meant for dozens,
/// not for thousands.
pub async fn all<'a, T>(futures: Vec<Pin<Box<dyn Future<Output = T> + Send + 'a>>>) -> Vec<T> {
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
    fn futures_run_concurrently_and_outputs_keep_their_order() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (send, receive) = oneshot::channel::<u8>();
        // The first can only complete after the second has run.
        let first: Pin<Box<dyn Future<Output = u8> + Send>> = Box::pin(async { receive.await.unwrap() });
        let second: Pin<Box<dyn Future<Output = u8> + Send>> = Box::pin(async move {
            send.send(1).unwrap();
            2
        });
        assert_eq!(runtime.block_on(all(vec![first, second])), [1, 2]);
    }
}
