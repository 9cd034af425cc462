//! The server: receives each request from the transport, checks its origin and its signature, and routes it
//! to its service.

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
use crate::page::Page;
use crate::state::State;

use self::handle_request::{TimeoutResponse, handle_request};
pub use self::local_region::{LocalRegion, RegionServer};

/// What a server serves: a region and, if it has one, its page.
#[derive(Debug, Clone)]
struct Served {
    state: Arc<State>,
    page: Option<Arc<Page>>,
}

/// Serves connections until `stop` completes.
async fn serve(served: Served, listener: TcpListener, stop: impl Future<Output = ()>) {
    let timeouts = served.state.config.timeouts;
    let respond = move |request| with_date(served.clone(), request);
    connection::serve(listener, timeouts, stop, respond).await;
}

/// Adds the header `Date` from the region's clock instead of the system clock: clients correct their clocks
/// by it.
async fn with_date(served: Served, request: Request<Incoming>) -> Result<Response, NoResponse> {
    let now = served.state.now();
    let mut response = respond(served, request).await?;
    if let Ok(date) = HeaderValue::from_str(&now.http()) {
        response.headers_mut().insert(http::header::DATE, date);
    }
    Ok(response)
}

/// Responds to a request within the time limits, if its origin is allowed.
///
/// The work runs in its own task: if it is blocked, for example by a disk that does not respond, the
/// connection is not, and the client receives an error response.
async fn respond(served: Served, request: Request<Incoming>) -> Result<Response, NoResponse> {
    let Served { state, page } = served;
    let (parts, body) = request.into_parts();
    if let Err(forbidden) = origin::check(&parts) {
        return Ok(forbidden.response());
    }
    let timeouts = state.config.timeouts;
    let timer = ActivityTimer::new();
    let timeout_response = TimeoutResponse::for_request(&parts);
    let body = RequestBody::new(body, Arc::clone(&timer), timeouts.body);
    let work_timer = Arc::clone(&timer);
    let work = tokio::spawn(async move {
        match page.filter(|_| Page::is_for(&parts)) {
            Some(page) => Ok(page.respond(&state, &parts, body).await?),
            None => handle_request(&state, parts, body, &work_timer).await,
        }
    });
    tokio::select! {
        biased;
        response = work => response.unwrap_or_else(|failed| Err(NoResponse::TaskFailed(failed))),
        () = timer.expired(timeouts.response) => Ok(timeout_response.build(timeouts.response)),
    }
}
