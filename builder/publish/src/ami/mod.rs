//! The AMI side of publishing: registration, tags, deprecation, protection, sharing, copies, and taking all of it back.
//!
//! Every step looks before it writes and can be done again, because EC2 has a token for few of its calls: an AMI is
//! known by its name and compared field by field, a copy by its token and its source, a permission by its list. The
//! ledger says which of what is there was made by us. Speaks of the service through [`super::api`] alone.

mod abandon;
mod account;
mod compare;
mod controls;
mod copy;
mod error;
mod existing;
mod facts;
mod join;
pub mod ledger;
mod own;
mod publish;
mod region;
mod register;
mod removal;
mod verify;
mod wait;

pub use abandon::abandon;
pub use compare::{FieldDifference, differences};
pub use copy::{Copied, CopyOutcome};
pub use error::{AmiError, ErrorChain};
pub use facts::{digests, digests_of, subject};
pub use ledger::AmiOrigin;
pub use own::{Left, left};
pub use publish::{PublishJob, Published, WAIT, publish};
pub use region::AmiRegion;
pub use register::{register, register_snapshot};
pub use removal::Deleted;
pub use verify::{Examined, ExpectedAmi, PublishRequest, VolumeOf, examine, expected};
