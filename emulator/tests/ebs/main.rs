//! EBS direct over HTTP, tested with a client that shares no code with the server.
#![expect(clippy::unwrap_used, reason = "a test that cannot prepare its case fails")]

mod client;
mod completing;
mod connections;
mod faults;
mod killed;
mod listing;
mod putting;
mod reading;
mod refusals;
mod starting;
mod viewing;
