//! Enables, disables and masks systemd units with the symlinks that `systemctl --root` creates.
//!
//! Modules: `name` (syntax of unit names), `lookup` (finds unit files), `install` (parses `[Install]` sections), `enable`
//! (computes the links of a unit), `links` (creates and removes links), `preset` (parses preset files).

mod enable;
pub(super) mod error;
mod install;
mod links;
mod lookup;
mod name;
mod preset;
#[cfg(test)]
mod preset_tests;
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
pub use self::lookup::UnitScope;

/// Whether the distribution's presets are applied first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Presets {
    /// Units are left as in the sources.
    #[default]
    Keep,
    /// As `systemctl preset-all`.
    All,
}

/// The units of `[system]`, applied in the order of the fields.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UnitsSpec {
    /// Whether presets are applied.
    pub presets: Presets,
    /// Units to disable; a name without a type means `.service`.
    pub disable: Vec<String>,
    /// Units to enable.
    pub enable: Vec<String>,
    /// Units to mask.
    pub mask: Vec<String>,
}

/// Applies presets, then `disable`, `enable` and `mask`.
///
/// # Errors
/// [`StepError::Unit`] for the first unit that fails.
pub fn apply(tree: &mut Tree, sources: &dyn Sources, spec: &UnitsSpec, time: Time) -> Result<(), StepError> {
    let failed = |doing, unit: &str| {
        let unit = unit.to_owned();
        move |source| StepError::Unit { doing, unit, source }
    };
    if spec.presets == Presets::All {
        preset_all(tree, sources, UnitScope::System, time)?;
    }
    for unit in &spec.disable {
        disable(tree, sources, unit).map_err(failed("disabling", unit))?;
    }
    for unit in &spec.enable {
        enable(tree, sources, unit, time).map_err(failed("enabling", unit))?;
    }
    for unit in &spec.mask {
        mask(tree, unit, time).map_err(failed("masking", unit))?;
    }
    Ok(())
}

/// Whether systemd could start a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum UnitState {
    /// It has a file.
    Startable,
    /// It is masked.
    Masked,
    /// There is no such unit, or nothing that is one.
    Missing,
}

/// Finds out whether a unit could be started, through aliases and templates.
pub(super) fn state(tree: &Tree, sources: &dyn Sources, unit: &str) -> Result<UnitState, UnitError> {
    match UnitLookup::new(tree, sources, UnitScope::System)?.find(&parse(unit)?) {
        Ok(UnitTarget::Unit(_)) => Ok(UnitState::Startable),
        Ok(UnitTarget::Masked(_)) => Ok(UnitState::Masked),
        Err(error) if is_fatal(&error) => Err(error),
        Err(_) => Ok(UnitState::Missing),
    }
}

/// Parses the name of a unit in a recipe.
fn parse(text: &str) -> Result<UnitName, UnitError> {
    UnitName::with_default_type(text).ok_or_else(|| UnitError::BadName { text: text.to_owned() })
}

/// As `systemctl enable`, except that a unit without anything to install is refused, because the recipe would have no effect.
fn enable(tree: &mut Tree, sources: &dyn Sources, unit: &str, time: Time) -> Result<(), UnitError> {
    let name = parse(unit)?;
    let links =
        enable::links(&UnitLookup::new(tree, sources, UnitScope::System)?, &name, InvalidEntry::Fail)?;
    if links.is_empty() {
        return Err(UnitError::NoInstall { name: name.to_string() });
    }
    links.iter().try_for_each(|link| links::create(tree, UnitScope::System, link, time))
}

/// As `systemctl disable`: the unit and all units of its `Also=`.
fn disable(tree: &mut Tree, sources: &dyn Sources, unit: &str) -> Result<(), UnitError> {
    let first = parse(unit)?;
    let units = UnitLookup::new(tree, sources, UnitScope::System)?;
    let mut seen = BTreeSet::from([first.clone()]);
    let mut pending = VecDeque::from([first]);
    let mut names = BTreeSet::new();
    while let Some(name) = pending.pop_front() {
        let unit = match units.find(&name) {
            Ok(UnitTarget::Unit(unit)) => unit,
            Ok(UnitTarget::Masked(_)) => continue,
            // Only the unit that the recipe names must exist.
            Err(_) if seen.len() > 1 => continue,
            Err(error) => return Err(error),
        };
        names.insert(unit.name.to_string());
        for also in &unit.install.also {
            let also = expand(also, &unit.name, unit.install.default_instance.as_deref())?;
            let also = UnitName::new(&also).ok_or(UnitError::BadValue { key: "Also", value: also })?;
            if seen.insert(also.clone()) {
                pending.push_back(also);
            }
            if seen.len() > enable::ALSO_MAX {
                return Err(UnitError::TooMany { limit: enable::ALSO_MAX });
            }
        }
    }
    links::remove(tree, UnitScope::System, names)
}

/// As `systemctl mask`.
fn mask(tree: &mut Tree, unit: &str, time: Time) -> Result<(), UnitError> {
    let name = parse(unit)?.to_string();
    links::create(
        tree,
        UnitScope::System,
        &UnitLink { name, target: "/dev/null".into(), replaces: Replaceable::BrokenLink },
        time,
    )
}

/// As `systemctl preset-all`: enables or disables every unit as the first rule says that matches it in the preset files of
/// the tree. Units that cannot be enabled are skipped.
///
/// # Errors
/// [`StepError::Unit`] when the tree cannot be read or changed.
pub fn preset_all(
    tree: &mut Tree,
    sources: &dyn Sources,
    scope: UnitScope,
    time: Time,
) -> Result<(), StepError> {
    let units = || -> Result<Vec<UnitName>, UnitError> {
        let units = UnitLookup::new(tree, sources, scope)?;
        let mut own = Vec::new();
        for name in units.names()? {
            match units.find(&name) {
                // An alias follows its unit.
                Ok(UnitTarget::Unit(unit)) if unit.name == name => own.push(name),
                Err(error) if is_fatal(&error) => return Err(error),
                Ok(_) | Err(_) => {}
            }
        }
        Ok(own)
    };
    let preset = units().and_then(|names| preset_names(tree, sources, scope, &names, time));
    preset.map_err(|source| StepError::Unit { doing: "presetting", unit: "*".to_owned(), source })
}

/// As `systemctl preset`: enables or disables the units of a package that is installed for the first time, as the presets
/// say. A masked unit is left alone; a name without a type means `.service`.
///
/// # Errors
/// [`StepError::Unit`] for the first unit that does not exist, whose name is not one, or that cannot be changed.
pub fn preset(
    tree: &mut Tree,
    sources: &dyn Sources,
    scope: UnitScope,
    units: &[&str],
    time: Time,
) -> Result<(), StepError> {
    let mut names = Vec::new();
    for unit in units {
        let failed = |source| StepError::Unit { doing: "presetting", unit: (*unit).to_owned(), source };
        let lookup = UnitLookup::new(tree, sources, scope).map_err(failed)?;
        let name = parse(unit).map_err(failed)?;
        match lookup.find(&name).map_err(failed)? {
            UnitTarget::Unit(_) => names.push(name),
            UnitTarget::Masked(_) => {}
        }
    }
    let preset = preset_names(tree, sources, scope, &names, time);
    preset.map_err(|source| StepError::Unit { doing: "presetting", unit: units.join(" "), source })
}

/// Applies the presets to units: first removes the links of those that are disabled, then creates those of the others.
fn preset_names(
    tree: &mut Tree,
    sources: &dyn Sources,
    scope: UnitScope,
    names: &[UnitName],
    time: Time,
) -> Result<(), UnitError> {
    let units = UnitLookup::new(tree, sources, scope)?;
    let mut presets = preset::Presets::default();
    units.preset_files()?.iter().for_each(|file| presets.add(file));
    let (mut enabled, mut disabled) = (Vec::new(), BTreeSet::new());
    for name in names {
        match presets.decision(name) {
            PresetDecision::Ignore => {}
            PresetDecision::Disable => drop(disabled.insert(name.to_string())),
            PresetDecision::Enable(names) => enabled.extend(names),
        }
    }
    let mut links = Vec::new();
    for name in enabled {
        match enable::links(&units, &name, InvalidEntry::Skip) {
            Ok(unit_links) => links.extend(unit_links),
            Err(error) if is_fatal(&error) => return Err(error),
            Err(_) => {}
        }
    }
    links::remove(tree, scope, disabled)?;
    for link in links {
        match links::create(tree, scope, &link, time) {
            Err(UnitError::Taken { .. }) => {}
            other => other?,
        }
    }
    Ok(())
}

/// Whether an error is one of reading the tree, not of a unit that cannot be enabled.
fn is_fatal(error: &UnitError) -> bool {
    matches!(
        error,
        UnitError::Path(PathError::Read { .. } | PathError::TooLarge { .. } | PathError::Tree { .. })
    )
}
