//! Computes the links that enable a unit, from its `[Install]` sections and from those of the units in its `Also=`. Changes
//! nothing.

use std::collections::{BTreeSet, VecDeque};

use super::error::UnitError;
use super::install::expand;
use super::links::{Replaceable, UnitLink};
use super::lookup::{UnitFile, UnitLookup, UnitTarget};
use super::name::{UnitName, UnitNameForm, alias_problem};

/// Most units that one name enables: `Also=` with specifiers can generate names without end.
pub(super) const ALSO_MAX: usize = 1000;

/// What to do about a value of `[Install]` that is not valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum InvalidEntry {
    /// Refuse the unit, because the recipe names it.
    Fail,
    /// Skip the value, as presets do.
    Skip,
}

impl InvalidEntry {
    /// Adds a link; returns or drops its error.
    fn add_link(
        self,
        links: &mut Vec<UnitLink>,
        link: Result<Option<UnitLink>, UnitError>,
    ) -> Result<(), UnitError> {
        match link {
            Ok(link) => links.extend(link),
            Err(error) if self == Self::Fail => return Err(error),
            Err(_) => {}
        }
        Ok(())
    }
}

/// The links that enable a unit; empty if it has nothing to install.
pub(super) fn links(
    units: &UnitLookup<'_>,
    name: &UnitName,
    on_invalid: InvalidEntry,
) -> Result<Vec<UnitLink>, UnitError> {
    let first = unit_file(units, name)?;
    let mut links = Vec::new();
    let mut seen = BTreeSet::from([name.clone(), first.name.clone()]);
    let mut pending = VecDeque::from([first]);
    while let Some(unit) = pending.pop_front() {
        let default = default_instance(&unit)?;
        for also in &unit.install.also {
            let text = expand(also, &unit.name, default.as_deref())?;
            let also = UnitName::new(&text).ok_or(UnitError::BadValue { key: "Also", value: text })?;
            if !seen.insert(also.clone()) {
                continue;
            }
            if seen.len() > ALSO_MAX {
                return Err(UnitError::TooMany { limit: ALSO_MAX });
            }
            // systemctl skips units of Also= that the system does not have.
            pending.extend(unit_file(units, &also).ok());
        }
        links.extend(links_of_unit(units, &unit, default.as_deref(), on_invalid)?);
    }
    Ok(links)
}

/// The unit file of a name; a mask is an error.
fn unit_file(units: &UnitLookup<'_>, name: &UnitName) -> Result<UnitFile, UnitError> {
    match units.find(name)? {
        UnitTarget::Unit(unit) => Ok(unit),
        UnitTarget::Masked(path) => Err(UnitError::Masked { path }),
    }
}

/// The default instance of a template.
fn default_instance(unit: &UnitFile) -> Result<Option<String>, UnitError> {
    let Some(text) =
        unit.install.default_instance.as_ref().filter(|_| unit.name.form() != UnitNameForm::Instance)
    else {
        return Ok(None);
    };
    let instance = expand(text, &unit.name, None)?;
    let invalid = || UnitError::BadValue { key: "DefaultInstance", value: instance.clone() };
    match unit.name.form() {
        UnitNameForm::Template => {
            unit.name
                .with_instance(&instance)
                .filter(|name| name.form() == UnitNameForm::Instance)
                .ok_or_else(invalid)?;
            Ok(Some(instance))
        }
        _ => Ok(None),
    }
}

/// The links of one unit without those of its `Also=`, aliases first.
fn links_of_unit(
    units: &UnitLookup<'_>,
    unit: &UnitFile,
    default: Option<&str>,
    on_invalid: InvalidEntry,
) -> Result<Vec<UnitLink>, UnitError> {
    let mut links = Vec::new();
    let install = &unit.install;
    // systemd ignores Alias= of types that allow no aliases.
    for alias in install.aliases.iter().filter(|_| unit.name.may_alias()) {
        let link = expand(alias, &unit.name, default).and_then(|alias| alias_link(unit, &alias));
        on_invalid.add_link(&mut links, link)?;
    }
    let name = wanted_name(units, unit, default)?;
    for (key, list, suffix) in [
        ("WantedBy", &install.wanted_by, "wants"),
        ("RequiredBy", &install.required_by, "requires"),
        ("UpheldBy", &install.upheld_by, "upholds"),
    ] {
        for target in list {
            let target = expand(target, &unit.name, default);
            let link = target.and_then(|target| dependency_link(unit, &name, key, target, suffix));
            on_invalid.add_link(&mut links, link.map(Some))?;
        }
    }
    if !links.is_empty() && !units.is_in_search_path(&unit.path)? {
        let link = UnitLink {
            name: unit.name.to_string(),
            target: unit.path.clone(),
            replaces: Replaceable::BrokenLink,
        };
        links.push(link);
    }
    Ok(links)
}

/// The name that links are created for: of a template its default instance.
fn wanted_name(
    units: &UnitLookup<'_>,
    unit: &UnitFile,
    default: Option<&str>,
) -> Result<UnitName, UnitError> {
    let instance = default.and_then(|instance| unit.name.with_instance(instance));
    let Some(instance) = instance else { return Ok(unit.name.clone()) };
    if let Ok(UnitTarget::Masked(path)) = units.find(&instance) {
        return Err(UnitError::Masked { path });
    }
    Ok(instance)
}

/// The link for one value of `WantedBy=`, `RequiredBy=` or `UpheldBy=`.
fn dependency_link(
    unit: &UnitFile,
    name: &UnitName,
    key: &'static str,
    by: String,
    suffix: &str,
) -> Result<UnitLink, UnitError> {
    let by = UnitName::new(&by).ok_or(UnitError::BadValue { key, value: by })?;
    if name.form() == UnitNameForm::Template && by.form() != UnitNameForm::Template {
        return Err(UnitError::NoInstance { unit: name.to_string(), by: by.to_string() });
    }
    Ok(UnitLink {
        name: format!("{by}.{suffix}/{name}"),
        target: unit.path.clone(),
        replaces: Replaceable::AnyLink,
    })
}

/// The link for one value of `Alias=`; none for the name of the unit itself.
fn alias_link(unit: &UnitFile, text: &str) -> Result<Option<UnitLink>, UnitError> {
    let invalid = |why| UnitError::BadAlias { alias: text.to_owned(), why };
    let name = if let Some((dir, last)) = text.rsplit_once('/') {
        // An older syntax for WantedBy= and RequiredBy=.
        let by = dir.strip_suffix(".wants").or_else(|| dir.strip_suffix(".requires"));
        let by = by
            .and_then(UnitName::new)
            .ok_or_else(|| invalid("the only folders allowed are `UNIT.wants/` and `UNIT.requires/`"))?;
        if !may_link_to(last, &unit.name, by.form()) {
            return Err(invalid("it would want another unit"));
        }
        text.to_owned()
    } else {
        let alias = UnitName::new(text).ok_or_else(|| invalid("it is not a unit name"))?;
        let alias = match (alias.form(), unit.name.form()) {
            (UnitNameForm::Template, UnitNameForm::Instance) => {
                alias.with_instance(unit.name.instance()).unwrap_or(alias)
            }
            _ => alias,
        };
        if alias == unit.name {
            return Ok(None);
        }
        if let Some(why) = alias_problem(&alias, &unit.name) {
            return Err(invalid(why));
        }
        alias.to_string()
    };
    Ok(Some(UnitLink { name, target: unit.path.clone(), replaces: Replaceable::BrokenLink }))
}

/// Whether a link in a `.wants` folder may lead to a unit: it has the name of the unit, or is an instance of it.
fn may_link_to(link: &str, unit: &UnitName, by: UnitNameForm) -> bool {
    let Some(link) = UnitName::new(link) else { return false };
    match link.form() {
        UnitNameForm::Plain => link == *unit,
        UnitNameForm::Instance => link == *unit || link.template().as_ref() == Some(unit),
        UnitNameForm::Template => {
            by == UnitNameForm::Template && (link == *unit || unit.template() == Some(link))
        }
    }
}
