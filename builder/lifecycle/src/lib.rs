//! The life of an AMI after its publication: channels that name a version, fleets that follow a channel, inventory,
//! clean-up, sharing, backup.
//!
//! Calls the services through the traits of [`api`], which the crate `amiforge-aws` implements for AWS, and retries with
//! [`amiforge_publish::retry`] alone. Each capability is a module of its own. `prune` builds on `inventory`; no other
//! module knows another: what several need (names and tags of our images) comes from `amiforge-publish`.

pub mod api;
pub mod call_plan;
pub mod channel;
pub mod follow;
pub mod image_choice;
pub mod inventory;
pub mod ledger;
pub mod prune;
pub mod sharing;
pub mod source_plan;
pub mod storage;
