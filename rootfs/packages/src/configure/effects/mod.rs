//! What scripts of packages certainly do, done to a tree without running anything. `system` is the tree as scripts see it,
//! `commands` does what the commands in them do, the rest are the things that those make. What belongs to one kind of package
//! is with that kind.

#![expect(
    clippy::format_push_string,
    clippy::format_collect,
    reason = "texts of a few lines, each written once per package"
)]
#![expect(clippy::unnecessary_wraps, reason = "commands have one signature")]
#![expect(clippy::match_same_arms, reason = "arms are sorted by what they are about")]
#![expect(clippy::single_match_else, reason = "what is there, and else what is made")]

pub(crate) mod accounts;
pub(crate) mod caches;
pub(crate) mod commands;
pub(crate) mod mode;
pub mod report;
pub(crate) mod system;
pub(crate) mod sysusers;
pub(crate) mod tmpfiles;
