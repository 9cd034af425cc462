//! Connections: accepted, served within limits of time, and closed. Decides nothing about responses.

use std::convert::Infallible;
use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::body::BodyError;
use super::response::Response;
use super::timed_stream::TimedStream;

/// How long each part of a request may take. Clients of AWS wait for a minute; these limits are below that, so that a client
/// is told rather than left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// From the opening of a connection, or the answer before, until the whole head of a request is there.
    pub head: Duration,
    /// Between two parts of a body.
    pub body: Duration,
    /// From the last part of a request until its answer begins.
    pub response: Duration,
    /// Between two parts of an answer that the client takes.
    pub write: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(50),
            body: Duration::from_secs(20),
            response: Duration::from_secs(45),
            write: Duration::from_mins(1),
        }
    }
}

/// Accepts connections until `stop` is done; then those under way get a moment to finish.
pub(crate) async fn serve<R, F>(
    listener: TcpListener,
    timeouts: Timeouts,
    stop: impl Future<Output = ()>,
    respond: R,
) where
    R: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<Response, NoResponse>> + Send + 'static,
{
    let (closing, closed) = watch::channel(());
    let mut stop = pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    tokio::spawn(connection(stream, timeouts, respond.clone(), closed.clone()));
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
async fn connection<R, F>(stream: TcpStream, timeouts: Timeouts, respond: R, mut closing: watch::Receiver<()>)
where
    R: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<Response, NoResponse>> + Send + 'static,
{
    // An answer is small and somebody waits for it.
    let _ = stream.set_nodelay(true);
    let service = service_fn(respond);
    let mut builder = http1::Builder::new();
    builder.keep_alive(true).timer(TokioTimer::new()).header_read_timeout(timeouts.head);
    let stream = TimedStream::new(stream, timeouts.write);
    let connection = builder.serve_connection(TokioIo::new(stream), service);
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
pub(crate) enum NoResponse {
    /// A scripted fault.
    #[error("the connection is dropped on purpose")]
    ScriptedFault,
    /// The request did not come to its end.
    #[error("reading the request")]
    Body(#[from] BodyError),
    /// The work failed: a mistake of this program.
    #[error("answering the request")]
    TaskFailed(#[source] tokio::task::JoinError),
}

impl From<Infallible> for NoResponse {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}
