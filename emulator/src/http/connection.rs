//! Connections: accepted, served within time limits, and closed. Responses come from a function of the
//! caller.

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

/// Time limits for the parts of a request. AWS clients wait for a minute; these limits are shorter, so that a
/// client receives an error response before it gives up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// From the opening of the connection, or the previous response, to the end of the request head.
    pub head: Duration,
    /// Between two parts of a request body.
    pub body: Duration,
    /// From the last part of a request to the beginning of its response.
    pub response: Duration,
    /// Between two writes of a response that the client accepts.
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

/// Accepts connections until `stop` completes, then gives the open ones two seconds to finish.
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
                // No file descriptor is free, or the client closed the connection: the next attempt may
                // succeed.
                Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
            },
        }
    }
    drop(closed);
    let _ = closing.send(());
    let _ = tokio::time::timeout(Duration::from_secs(2), closing.closed()).await;
}

/// Serves one connection until the client or the server closes it.
async fn connection<R, F>(stream: TcpStream, timeouts: Timeouts, respond: R, mut closing: watch::Receiver<()>)
where
    R: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<Response, NoResponse>> + Send + 'static,
{
    // Responses are small and the client waits for them, so Nagle's algorithm only adds latency.
    let _ = stream.set_nodelay(true);
    let service = service_fn(respond);
    let mut builder = http1::Builder::new();
    builder.keep_alive(true).timer(TokioTimer::new()).header_read_timeout(timeouts.head);
    let stream = TimedStream::new(stream, timeouts.write);
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    tokio::select! {
        // The client notices an error of the connection by itself.
        _ = connection.as_mut() => return,
        _ = closing.changed() => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

/// A reason why a connection is closed without a response.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoResponse {
    /// A scripted fault.
    #[error("a scripted fault closes the connection")]
    ScriptedFault,
    /// The request body is incomplete.
    #[error("reading the request")]
    Body(#[from] BodyError),
    /// The task that computes the response panicked: a bug.
    #[error("processing the request")]
    TaskFailed(#[source] tokio::task::JoinError),
}

impl From<Infallible> for NoResponse {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}
