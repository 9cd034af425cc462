//! What enabling means: the links that the `[Install]` sections of a unit, and of those it names in `Also=`, ask for.
//! Changes nothing.

use std::collections::{BTreeSet, VecDeque};

use super::error::UnitError;
use super::install::expand;
use super::links::{Replaceable, UnitLink};
use super::lookup::{UnitFile, UnitLookup, UnitTarget};
use super::name::{UnitName, UnitNameForm, alias_fault};

/// Units enabled by one name, at most: `Also=` with specifiers could name ever longer ones.
pub(super) const ALSO_MAX: usize = 1000;

/// What to do about a word of `[Install]` that makes no link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum InvalidEntry {
    /// Refuse the unit: somebody asked for it by name.
    Refuse,
    /// Pass over the word, as presets do.
    PassOver,
}

impl InvalidEntry {
    /// Adds a link, or keeps or drops its fault.
    fn judge(
        self,
        links: &mut Vec<UnitLink>,
        link: Result<Option<UnitLink>, UnitError>,
    ) -> Result<(), UnitError> {
        match link {
            Ok(link) => links.extend(link),
            Err(error) if self == Self::Refuse => return Err(error),
            Err(_) => {}
        }
        Ok(())
    }
}

/// The links that enable a unit. None at all means that it has nothing to install.
pub(super) fn links(
    units: &UnitLookup<'_>,
    name: &UnitName,
    faults: InvalidEntry,
) -> Result<Vec<UnitLink>, UnitError> {
    let first = unit(units, name)?;
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
            // systemctl passes over what Also= names and the system does not have.
            pending.extend(self::unit(units, &also).ok());
        }
        links.extend(links_of(units, &unit, default.as_deref(), faults)?);
    }
    Ok(links)
}

/// The unit of a name; a mask is an error.
fn unit(units: &UnitLookup<'_>, name: &UnitName) -> Result<UnitFile, UnitError> {
    match units.find(name)? {
        UnitTarget::Unit(unit) => Ok(unit),
        UnitTarget::Masked(path) => Err(UnitError::Masked { path }),
    }
}

/// The instance that a template stands for without one of its own.
fn default_instance(unit: &UnitFile) -> Result<Option<String>, UnitError> {
    let Some(text) =
        unit.install.default_instance.as_ref().filter(|_| unit.name.form() != UnitNameForm::Instance)
    else {
        return Ok(None);
    };
    let instance = expand(text, &unit.name, None)?;
    let bad = || UnitError::BadValue { key: "DefaultInstance", value: instance.clone() };
    match unit.name.form() {
        UnitNameForm::Template => {
            unit.name
                .with_instance(&instance)
                .filter(|name| name.form() == UnitNameForm::Instance)
                .ok_or_else(bad)?;
            Ok(Some(instance))
        }
        _ => Ok(None),
    }
}

/// The links of one unit, aliases first.
fn links_of(
    units: &UnitLookup<'_>,
    unit: &UnitFile,
    default: Option<&str>,
    faults: InvalidEntry,
) -> Result<Vec<UnitLink>, UnitError> {
    let mut links = Vec::new();
    let install = &unit.install;
    // systemd ignores Alias= where the type allows none.
    for alias in install.aliases.iter().filter(|_| unit.name.may_alias()) {
        let link = expand(alias, &unit.name, default).and_then(|alias| alias_link(unit, &alias));
        faults.judge(&mut links, link)?;
    }
    let name = wanted(units, unit, default)?;
    for (key, list, suffix) in [
        ("WantedBy", &install.wanted_by, "wants"),
        ("RequiredBy", &install.required_by, "requires"),
        ("UpheldBy", &install.upheld_by, "upholds"),
    ] {
        for target in list {
            let target = expand(target, &unit.name, default);
            let link = target.and_then(|target| wanted_link(unit, &name, key, target, suffix));
            faults.judge(&mut links, link.map(Some))?;
        }
    }
    if !links.is_empty() && !units.covers(&unit.path)? {
        let link =
            UnitLink { name: unit.name.to_string(), target: unit.path.clone(), over: Replaceable::Broken };
        links.push(link);
    }
    Ok(links)
}

/// The name that is wanted: of a template its default instance.
fn wanted(units: &UnitLookup<'_>, unit: &UnitFile, default: Option<&str>) -> Result<UnitName, UnitError> {
    let instance = default.and_then(|instance| unit.name.with_instance(instance));
    let Some(instance) = instance else { return Ok(unit.name.clone()) };
    if let Ok(UnitTarget::Masked(path)) = units.find(&instance) {
        return Err(UnitError::Masked { path });
    }
    Ok(instance)
}

/// The link for one word of `WantedBy=` and its like.
fn wanted_link(
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
        over: Replaceable::Links,
    })
}

/// The link for one word of `Alias=`; none for the unit's own name.
fn alias_link(unit: &UnitFile, text: &str) -> Result<Option<UnitLink>, UnitError> {
    let bad = |why| UnitError::BadAlias { alias: text.to_owned(), why };
    let name = if let Some((dir, last)) = text.rsplit_once('/') {
        // The old way to say WantedBy= and RequiredBy=.
        let by = dir.strip_suffix(".wants").or_else(|| dir.strip_suffix(".requires"));
        let by = by
            .and_then(UnitName::new)
            .ok_or_else(|| bad("only `UNIT.wants/` and `UNIT.requires/` may be"))?;
        if !compatible(last, &unit.name, by.form()) {
            return Err(bad("it would want another unit"));
        }
        text.to_owned()
    } else {
        let alias = UnitName::new(text).ok_or_else(|| bad("it is no unit name"))?;
        let alias = match (alias.form(), unit.name.form()) {
            (UnitNameForm::Template, UnitNameForm::Instance) => {
                alias.with_instance(unit.name.instance()).unwrap_or(alias)
            }
            _ => alias,
        };
        if alias == unit.name {
            return Ok(None);
        }
        if let Some(why) = alias_fault(&alias, &unit.name) {
            return Err(bad(why));
        }
        alias.to_string()
    };
    Ok(Some(UnitLink { name, target: unit.path.clone(), over: Replaceable::Broken }))
}

/// Whether a link in a `.wants` directory may lead to a unit: it has its name, or is an instance of it.
fn compatible(link: &str, unit: &UnitName, by: UnitNameForm) -> bool {
    let Some(link) = UnitName::new(link) else { return false };
    match link.form() {
        UnitNameForm::Plain => link == *unit,
        UnitNameForm::Instance => link == *unit || link.template().as_ref() == Some(unit),
        UnitNameForm::Template => {
            by == UnitNameForm::Template && (link == *unit || unit.template() == Some(link))
        }
    }
}
