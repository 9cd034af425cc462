//! The server: takes each request from the transport, checks where it comes from and who signed it, and routes it to its
//! service.

mod handle_request;
mod local_region;
mod router;

use std::future::Future;
use std::sync::Arc;

use http::{HeaderValue, Request};
use hyper::body::Incoming;
use tokio::net::TcpListener;

use crate::http::body::{Arriving, Pulse};
use crate::http::connection::{self, Dropped};
use crate::http::origin;
use crate::http::response::Response;
use crate::state::World;

use self::handle_request as exchange;
pub use self::local_region::{LocalRegion, Running};

/// Serves connections until `stop` is done.
async fn serve(world: Arc<World>, listener: TcpListener, stop: impl Future<Output = ()>) {
    let timeouts = world.config.timeouts;
    let respond = move |request| dated(Arc::clone(&world), request);
    connection::serve(listener, timeouts, stop, respond).await;
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
