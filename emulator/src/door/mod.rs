//! The HTTP door: connections, requests as they come in, and who sent them. Decides nothing about a service's answers.

pub(crate) mod body;
pub(crate) mod exchange;
mod origin;
pub(crate) mod reply;
pub(crate) mod signed;
mod stream;

use std::convert::Infallible;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, Request};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use self::body::{Arriving, Lost, Pulse};
use self::reply::Response;
use self::stream::TimedStream;
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
    let timeouts = world.config.timeouts;
    let service = service_fn(move |request| dated(Arc::clone(&world), request));
    let mut builder = http1::Builder::new();
    builder.keep_alive(true).timer(TokioTimer::new()).header_read_timeout(timeouts.head);
    let stream = TimedStream::new(stream, timeouts.taken);
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    tokio::select! {
        // Whatever broke the connection, its client knows.
        _ = connection.as_mut() => return,
        _ = closing.changed() => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

/// An answer with the time by the region's clock, not the machine's: clients set theirs by it.
async fn dated(world: Arc<World>, request: Request<Incoming>) -> Result<Response, Dropped> {
    let mut answer = answer(Arc::clone(&world), request).await?;
    if let Ok(date) = HeaderValue::from_str(&world.now().http()) {
        answer.headers_mut().insert(http::header::DATE, date);
    }
    Ok(answer)
}

/// Answers a request within the limits of time, if it comes from where it may.
///
/// The work is a task of its own: where it is held up, by a disk that does not answer say, the connection is not, and its
/// client is told.
async fn answer(world: Arc<World>, request: Request<Incoming>) -> Result<Response, Dropped> {
    let (parts, body) = request.into_parts();
    if let Err(foreign) = origin::check(&parts) {
        return Ok(foreign.answer());
    }
    let timeouts = world.config.timeouts;
    let pulse = Pulse::new();
    let late = exchange::Late::of(&parts);
    let body = Arriving::new(body, Arc::clone(&pulse), timeouts.body);
    let own = Arc::clone(&pulse);
    let work = tokio::spawn(async move { exchange::exchange(&world, parts, body, &own).await });
    tokio::select! {
        biased;
        answer = work => answer.unwrap_or_else(|failed| Err(Dropped::Failed(failed))),
        () = pulse.stopped(timeouts.answer) => Ok(late.answer(timeouts.answer)),
    }
}

/// Why a connection is closed without an answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Dropped {
    /// A scripted fault.
    #[error("the connection is dropped on purpose")]
    OnPurpose,
    /// The request did not come to its end.
    #[error("reading the request")]
    Lost(#[from] Lost),
    /// The work failed: a mistake of this program.
    #[error("answering the request")]
    Failed(#[source] tokio::task::JoinError),
}

impl From<Infallible> for Dropped {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}
