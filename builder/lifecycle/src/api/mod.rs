//! The services that the life of an AMI needs, as traits with plain values, in addition to [`amiforge_publish::api`].
//! One module per group of calls; values of enumerations are kept as strings, because the services add new ones.

pub mod groups;
pub mod images;
pub mod parameters;
pub mod sharing;
pub mod storage;
pub mod templates;
