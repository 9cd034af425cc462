//! The AMI side of publishing: registration, tags, deprecation, protection, sharing, copies, and taking all of it back.
//!
//! Every step looks before it writes and can be done again, because EC2 has a token for few of its calls: an AMI is
//! known by its name and compared field by field, a copy by its token and its source, a permission by its list. The
//! ledger says which of what is there was made by us. Speaks of the service through [`super::api`] alone.

mod abandon;
mod account;
mod attributes;
mod compare;
mod copy;
mod delete;
mod error;
mod existing;
mod facts;
mod join;
pub mod ledger;
mod publish;
mod region;
mod register;
mod timeouts;
mod uploads;
mod verify;

pub use abandon::abandon;
pub use compare::{FieldDifference, differences};
pub use copy::{Copied, CopyOutcome};
pub use delete::Deleted;
pub use error::{AmiError, ErrorChain};
pub use facts::{digests, digests_of, image_facts};
pub use ledger::AmiOrigin;
pub use publish::{COPY_TIMEOUT, PublishJob, Published, publish};
pub use region::AmiRegion;
pub use register::{register, register_snapshot};
pub use uploads::{Unfinished, unfinished};
pub use verify::{AmiVolume, Examined, ExpectedAmi, PublishRequest, examine, expected};
