//! The HTTP door: connections, requests as they come in, and who sent them. Decides nothing about a service's answers.

pub(crate) mod body;
pub(crate) mod exchange;
pub(crate) mod reply;
pub(crate) mod signed;

use std::convert::Infallible;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::world::World;

/// Accepts connections until `stop` is done; then those under way get a moment to finish.
pub(crate) async fn serve(world: Arc<World>, listener: TcpListener, stop: impl Future<Output = ()>) {
    let (closing, closed) = watch::channel(());
    let mut stop = pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    tokio::spawn(connection(Arc::clone(&world), stream, closed.clone()));
                }
                // No file descriptor is free, or the client went away: the next one may do better.
                Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
            },
        }
    }
    drop(closed);
    let _ = closing.send(());
    let _ = tokio::time::timeout(Duration::from_secs(2), closing.closed()).await;
}

/// Serves one connection until the client closes it, or everything ends.
async fn connection(world: Arc<World>, stream: TcpStream, mut closing: watch::Receiver<()>) {
    // An answer is small and somebody waits for it.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| {
        let world = Arc::clone(&world);
        async move { exchange::exchange(&world, request).await }
    });
    let connection = http1::Builder::new().keep_alive(true).serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    tokio::select! {
        // Whatever broke the connection, its client knows.
        _ = connection.as_mut() => return,
        _ = closing.changed() => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

/// Why a connection is closed without an answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Dropped {
    /// A scripted fault.
    #[error("the connection is dropped on purpose")]
    OnPurpose,
    /// The client went away while it sent its request.
    #[error("the request did not arrive whole")]
    Torn(#[source] hyper::Error),
}

impl From<Infallible> for Dropped {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}
