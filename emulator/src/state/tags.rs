//! Tags of a resource.

use std::collections::BTreeMap;

/// Values by key; keys are case-sensitive, values may be empty.
pub(crate) type Tags = BTreeMap<String, String>;
