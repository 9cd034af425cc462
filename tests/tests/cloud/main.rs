//! Suites of publishing: our client of AWS, uploads and AMIs in the local region, and the local region with clients of
//! others.

mod airgap;
mod attestation;
mod aws;
mod channels;
mod follow;
mod import;
mod inside;
mod kept;
mod local_region;
mod local_serve;
mod moto;
mod page;
mod policy;
mod prune;
mod publish;
mod register;
mod secure_boot;
mod sharing;
mod signed;
mod snapshot_source;
mod snapshot_source_named;
mod snapshot_source_public;
mod storage;
mod story;
mod update;
