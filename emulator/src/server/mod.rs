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

use crate::http::body::{ActivityTimer, RequestBody};
use crate::http::connection::{self, NoResponse};
use crate::http::origin;
use crate::http::response::Response;
use crate::state::State;

use self::handle_request::{TimeoutResponse, handle_request};
pub use self::local_region::{LocalRegion, RegionServer};

/// Serves connections until `stop` is done.
async fn serve(state: Arc<State>, listener: TcpListener, stop: impl Future<Output = ()>) {
    let timeouts = state.config.timeouts;
    let respond = move |request| with_date(Arc::clone(&state), request);
    connection::serve(listener, timeouts, stop, respond).await;
}

/// An answer with the time by the region's clock, not the machine's: clients set theirs by it.
async fn with_date(state: Arc<State>, request: Request<Incoming>) -> Result<Response, NoResponse> {
    let mut response = respond(Arc::clone(&state), request).await?;
    if let Ok(date) = HeaderValue::from_str(&state.now().http()) {
        response.headers_mut().insert(http::header::DATE, date);
    }
    Ok(response)
}

/// Answers a request within the limits of time, if it comes from where it may.
///
/// The work is a task of its own: where it is held up, by a disk that does not answer say, the connection is not, and its
/// client is told.
async fn respond(state: Arc<State>, request: Request<Incoming>) -> Result<Response, NoResponse> {
    let (parts, body) = request.into_parts();
    if let Err(forbidden) = origin::check(&parts) {
        return Ok(forbidden.response());
    }
    let timeouts = state.config.timeouts;
    let timer = ActivityTimer::new();
    let timeout_response = TimeoutResponse::for_request(&parts);
    let body = RequestBody::new(body, Arc::clone(&timer), timeouts.body);
    let work_timer = Arc::clone(&timer);
    let work = tokio::spawn(async move { handle_request(&state, parts, body, &work_timer).await });
    tokio::select! {
        biased;
        response = work => response.unwrap_or_else(|failed| Err(NoResponse::TaskFailed(failed))),
        () = timer.expired(timeouts.response) => Ok(timeout_response.build(timeouts.response)),
    }
}
