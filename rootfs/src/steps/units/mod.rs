//! Enabling, disabling and masking of systemd units, with the links that `systemctl --root` makes.
//!
//! The parts: `name` (what a unit name is), `lookup` (where its file is), `install` (what the file says), `enable`
//! (which links that means), `links` (making and removing them), `preset` (what the distribution wants).

mod enable;
pub(super) mod error;
mod install;
mod links;
mod lookup;
mod name;
mod preset;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, VecDeque};

use amiforge_formats::path::PathError;
use amiforge_formats::plan::Sources;
use amiforge_formats::time::Time;
use amiforge_formats::tree::Tree;

use self::enable::InvalidEntry;
use self::install::expand;
use self::links::{Replaceable, UnitLink};
use self::lookup::{UnitLookup, UnitTarget};
use self::name::UnitName;
use self::preset::PresetDecision;
use super::error::StepError;

pub use self::error::UnitError;

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

/// Applies presets, then `disable`, `enable` and `mask`.
///
/// # Errors
/// [`StepError::Unit`] for the first unit that cannot be.
pub fn apply(tree: &mut Tree, sources: &dyn Sources, spec: &UnitsSpec, time: Time) -> Result<(), StepError> {
    let fault = |doing, unit: &str| {
        let unit = unit.to_owned();
        move |source| StepError::Unit { doing, unit, source }
    };
    if spec.presets == Presets::All {
        preset_all(tree, sources, time).map_err(fault("presetting", "*"))?;
    }
    for unit in &spec.disable {
        disable(tree, sources, unit).map_err(fault("disabling", unit))?;
    }
    for unit in &spec.enable {
        enable(tree, sources, unit, time).map_err(fault("enabling", unit))?;
    }
    for unit in &spec.mask {
        mask(tree, unit, time).map_err(fault("masking", unit))?;
    }
    Ok(())
}

fn parse(text: &str) -> Result<UnitName, UnitError> {
    UnitName::of_words(text).ok_or_else(|| UnitError::BadName { text: text.to_owned() })
}

/// As `systemctl enable`, but that a unit without anything to install is refused: a recipe means what it says.
fn enable(tree: &mut Tree, sources: &dyn Sources, unit: &str, time: Time) -> Result<(), UnitError> {
    let name = parse(unit)?;
    let links = enable::links(&UnitLookup::new(tree, sources)?, &name, InvalidEntry::Refuse)?;
    if links.is_empty() {
        return Err(UnitError::NoInstall { name: name.to_string() });
    }
    links.iter().try_for_each(|link| links::make(tree, link, time))
}

/// As `systemctl disable`: the unit and all that it names by `Also=`.
fn disable(tree: &mut Tree, sources: &dyn Sources, unit: &str) -> Result<(), UnitError> {
    let first = parse(unit)?;
    let units = UnitLookup::new(tree, sources)?;
    let mut seen = BTreeSet::from([first.clone()]);
    let mut pending = VecDeque::from([first]);
    let mut marked = BTreeSet::new();
    while let Some(name) = pending.pop_front() {
        let found = match units.find(&name) {
            Ok(UnitTarget::Unit(found)) => found,
            Ok(UnitTarget::Masked(_)) => continue,
            // Only the unit that the recipe names has to be there.
            Err(_) if seen.len() > 1 => continue,
            Err(error) => return Err(error),
        };
        marked.insert(found.name.to_string());
        for also in &found.install.also {
            let also = expand(also, &found.name, found.install.default_instance.as_deref())?;
            let also = UnitName::new(&also).ok_or(UnitError::BadValue { key: "Also", value: also })?;
            if seen.insert(also.clone()) {
                pending.push_back(also);
            }
            if seen.len() > enable::ALSO_MAX {
                return Err(UnitError::TooMany { limit: enable::ALSO_MAX });
            }
        }
    }
    links::remove(tree, marked)
}

/// As `systemctl mask`.
fn mask(tree: &mut Tree, unit: &str, time: Time) -> Result<(), UnitError> {
    let name = parse(unit)?.to_string();
    links::make(tree, &UnitLink { name, target: "/dev/null".into(), over: Replaceable::Broken }, time)
}

/// As `systemctl preset-all`: units that cannot be enabled are passed over.
fn preset_all(tree: &mut Tree, sources: &dyn Sources, time: Time) -> Result<(), UnitError> {
    let units = UnitLookup::new(tree, sources)?;
    let mut presets = preset::Presets::default();
    units.preset_files()?.iter().for_each(|file| presets.add(file));
    let (mut wanted, mut unwanted) = (Vec::new(), BTreeSet::new());
    for name in units.names()? {
        match units.find(&name) {
            // Aliases follow the unit that they are of.
            Ok(UnitTarget::Unit(unit)) if unit.name == name => {}
            Err(error) if is_grave(&error) => return Err(error),
            Ok(_) | Err(_) => continue,
        }
        match presets.verdict(&name) {
            PresetDecision::Ignore => {}
            PresetDecision::Disable => drop(unwanted.insert(name.to_string())),
            PresetDecision::Enable(names) => wanted.extend(names),
        }
    }
    let mut made = Vec::new();
    for name in wanted {
        match enable::links(&units, &name, InvalidEntry::PassOver) {
            Ok(links) => made.extend(links),
            Err(error) if is_grave(&error) => return Err(error),
            Err(_) => {}
        }
    }
    links::remove(tree, unwanted)?;
    for link in made {
        match links::make(tree, &link, time) {
            Err(UnitError::Taken { .. }) => {}
            other => other?,
        }
    }
    Ok(())
}

/// Whether an error is more than a unit that cannot be enabled.
fn is_grave(error: &UnitError) -> bool {
    matches!(
        error,
        UnitError::Path(PathError::Read { .. } | PathError::TooLarge { .. } | PathError::Tree { .. })
    )
}
