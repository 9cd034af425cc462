//! Suites of publishing: our client of AWS, uploads and AMIs against the local region, and the local region itself
//! against clients that others wrote.

mod aws;
mod local_region;
mod local_serve;
mod publish;
mod register;
