//! A new version of an image: what the steps of `amiforge update` share. The steps themselves are those of the commands
//! that they are named after.
//!
//! Everything is made in a folder beside the bundle, and the new lock beside the old one ([`StagedUpdate`]); both take
//! their final names when the last step has succeeded. Until then the old lock and the old bundle are as they were.

mod error;
mod files;
mod name;
mod published;
mod report;
mod staged;
mod summary;

pub use error::StagedError;
pub use name::{NameTemplate, NameValues, TemplateError};
pub use published::{has_content, images_named_like};
pub use report::{BootResult, CopiedImage, FileChanges, PublishedVersion, UpdateOutcome, UpdateReport};
pub use staged::{BegunPublish, StagedUpdate};
pub use summary::{failure_summary, markdown};
