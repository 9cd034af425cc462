//! The tags of a resource.

use std::collections::BTreeMap;

/// Tag values by key. Keys are case-sensitive, values may be empty.
pub(crate) type Tags = BTreeMap<String, String>;
