//! Channels: names such as `stable` under which launches find the newest good AMI of an image, one SSM parameter in each
//! region (type `String`, data type `aws:ec2:image`).
//!
//! A change sets the parameters of all regions, or sets back those that it has set. A ledger ([`entry`]) records each
//! step before its call, so a run that was killed is continued or set back by the next one. SSM has no condition on the
//! version that a write replaces: each write is read back, and a version of others in between is put back and
//! reported. What must outlive this machine (the regions of a channel, what a roll back went back to) is in the
//! description of each version ([`Note`]).

mod back;
mod check;
pub mod entry;
mod error;
mod find;
mod history;
pub mod label;
mod list;
mod name;
mod note;
mod outcome;
mod plan;
mod promote;
mod region;
mod rollback;
mod set;
mod work;

pub use check::{ChannelAudience, now};
pub use entry::{Change, ChangeKind, Held, Target};
pub use error::{ChannelError, ChannelRefusal, Kept, RefusalReason};
pub use find::{BundleImages, PromotedImage};
pub use list::{Agreement, ChannelListOptions, ChannelListing, HeldImage, ListedChannel, UnreadRegion, list};
pub use name::{DEFAULT_TEMPLATE, NameError, PathTemplate, Words};
pub use note::{Note, NoteKind};
pub use outcome::{Moved, Outcome};
pub use plan::{PlannedChange, list_plan, plan};
pub use promote::{ChannelOptions, DEFAULT_WAIT, PromoteOptions, promote};
pub use rollback::{abandon, rollback};
pub use work::ChannelServices;
