//! The parts of configuration that do not depend on the kind of package: account ids, shims for programs, the interpreter
//! of scripts, the caches of the loader and of kernel modules.

pub(crate) mod account_ids;
pub(crate) mod alternative_links;
pub(crate) mod base64;
pub(crate) mod depmod;
pub mod effects;
pub(crate) mod elf;
pub(crate) mod ldcache;
pub(crate) mod machine_id;
pub(crate) mod script;
pub(crate) mod shim;
#[cfg(test)]
pub(crate) mod testing;

pub use account_ids::AccountIds;
