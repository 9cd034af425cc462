//! AMIs: registration, tags, deprecation, protection, sharing, copies, and the deletion of all of these.
//!
//! Every step reads before it writes and can be repeated, because few calls of EC2 take a client token: an AMI is
//! identified by its name and compared field by field, a copy by its token and its source, a permission by its list.
//! The ledger records which resources this program created. Calls the service through [`super::api`] only.

mod abandon;
mod account;
mod attributes;
mod compare;
mod copy;
mod delete;
mod error;
mod existing;
mod facts;
pub mod join;
pub mod ledger;
mod publish;
mod region;
mod register;
mod timeouts;
mod uploads;
mod verify;
mod watermark;

pub use abandon::abandon;
pub use compare::{FieldDifference, differences};
pub use copy::{Copied, CopyOutcome};
pub use delete::Deleted;
pub use error::{AmiError, ErrorChain};
pub use facts::{digests, digests_of, image_facts};
pub use ledger::AmiOrigin;
pub use publish::{COPY_TIMEOUT, PublishJob, Published, Route, publish};
pub use region::{AmiRegion, service_error};
pub use register::{register, register_snapshot};
pub use uploads::{Unfinished, unfinished};
pub use verify::{AmiVolume, Examined, ExpectedAmi, PublishRequest, examine, expected};
