//! The HTTP transport: connections, requests and their bodies, responses and their bodies. Knows no service
//! and no state.

pub(crate) mod body;
pub(crate) mod connection;
pub(crate) mod origin;
pub(crate) mod request;
pub(crate) mod response;
mod timed_stream;
