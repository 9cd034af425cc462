//! Deterministic fault runs of `follow`: an in-memory Auto Scaling and EC2 on a simulated clock; every call may fail,
//! lose its answer or be the last one before the process is killed, and another operator may work on the same fleet.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod calls;
mod cases;
mod runs;
mod service;
mod world;
