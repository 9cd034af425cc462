//! Unit names as systemd.unit(5) defines them: `prefix[@[instance]].type`. Knows no files.

use std::fmt;

/// Longest unit name, in bytes (`UNIT_NAME_MAX` less the NUL).
const UNIT_NAME_MAX: usize = 255;

const TYPES: [&str; 11] = [
    "service",
    "socket",
    "target",
    "device",
    "mount",
    "automount",
    "swap",
    "timer",
    "path",
    "slice",
    "scope",
];

/// A valid unit name: ASCII without `/`, so it is a file name too.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct UnitName {
    text: String,
    /// Index of the first `@`.
    at: Option<usize>,
    /// Index of the last `.`.
    dot: usize,
}

/// The form of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum UnitNameForm {
    /// `foo.service`
    Plain,
    /// `foo@bar.service`
    Instance,
    /// `foo@.service`
    Template,
}

impl UnitName {
    /// A name with its type; `None` if it is not valid.
    pub(super) fn new(text: &str) -> Option<Self> {
        let dot = text.rfind('.')?;
        let (stem, unit_type) = (text.get(..dot)?, text.get(dot + 1..)?);
        let at = stem.find('@');
        let valid = text.len() <= UNIT_NAME_MAX
            && TYPES.contains(&unit_type)
            && !stem.is_empty()
            && at != Some(0)
            && stem.bytes().all(|byte| byte.is_ascii_alphanumeric() || b":-_.\\@".contains(&byte));
        valid.then(|| Self { text: text.to_owned(), at, dot })
    }

    /// A name that may lack its type, which is then `.service`; `None` if it is not valid.
    pub(super) fn with_default_type(text: &str) -> Option<Self> {
        Self::new(text).or_else(|| Self::new(&format!("{text}.service")))
    }

    /// The whole name.
    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// The form of the name.
    pub(super) fn form(&self) -> UnitNameForm {
        match self.at {
            None => UnitNameForm::Plain,
            Some(at) if at + 1 == self.dot => UnitNameForm::Template,
            Some(_) => UnitNameForm::Instance,
        }
    }

    /// The part after the last dot.
    pub(super) fn unit_type(&self) -> &str {
        self.text.get(self.dot + 1..).unwrap_or_default()
    }

    /// The part before the `@`, or before the type.
    pub(super) fn prefix(&self) -> &str {
        self.text.get(..self.at.unwrap_or(self.dot)).unwrap_or_default()
    }

    /// The part between `@` and the type; empty except for instances.
    pub(super) fn instance(&self) -> &str {
        self.at.and_then(|at| self.text.get(at + 1..self.dot)).unwrap_or_default()
    }

    /// The name with another instance; `None` for plain names and where the instance is not valid.
    pub(super) fn with_instance(&self, instance: &str) -> Option<Self> {
        self.at?;
        Self::new(&format!("{}@{instance}.{}", self.prefix(), self.unit_type()))
    }

    /// The template of an instance.
    pub(super) fn template(&self) -> Option<Self> {
        if self.form() == UnitNameForm::Instance { self.with_instance("") } else { None }
    }

    /// Whether units of this type may have aliases.
    pub(super) fn may_alias(&self) -> bool {
        matches!(self.unit_type(), "service" | "socket" | "target" | "device" | "timer" | "path")
    }

    /// Whether units of this type may be templates.
    pub(super) fn may_template(&self) -> bool {
        matches!(self.unit_type(), "service" | "socket" | "target" | "timer" | "path")
    }

    /// The names of the drop-in folders of the unit, the most specific first.
    pub(super) fn drop_ins(&self) -> Vec<String> {
        std::iter::once(self.as_str().to_owned())
            .chain(self.template().map(|template| template.text))
            .map(|name| name + ".d")
            .collect()
    }
}

impl fmt::Display for UnitName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Why a name cannot be an alias of a unit; `None` if it can. Not for an alias that is the name of the unit.
pub(super) fn alias_problem(alias: &UnitName, unit: &UnitName) -> Option<&'static str> {
    let forms = (alias.form(), unit.form());
    if !alias.may_alias() {
        Some("units of its type have no aliases")
    } else if forms.0 != UnitNameForm::Plain && !alias.may_template() {
        Some("units of its type have no templates")
    } else if forms.0 != forms.1 && forms != (UnitNameForm::Instance, UnitNameForm::Template) {
        Some("one is a template or instance and the other is not")
    } else if forms == (UnitNameForm::Instance, UnitNameForm::Instance) && alias.instance() != unit.instance()
    {
        Some("the instances differ")
    } else if alias.unit_type() != unit.unit_type() {
        Some("the types differ")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_forms_are_distinguished() {
        for (text, form, prefix, instance) in [
            ("foo.service", UnitNameForm::Plain, "foo", ""),
            ("foo@.service", UnitNameForm::Template, "foo", ""),
            ("foo@a@b.c.service", UnitNameForm::Instance, "foo", "a@b.c"),
            ("dev-disk-by\\x2dlabel.swap", UnitNameForm::Plain, "dev-disk-by\\x2dlabel", ""),
        ] {
            let name = UnitName::new(text).unwrap();
            assert_eq!((name.form(), name.prefix(), name.instance()), (form, prefix, instance), "{text}");
        }
        assert_eq!(
            UnitName::with_default_type("getty@tty1").unwrap().template().unwrap().as_str(),
            "getty@.service"
        );
    }

    #[test]
    fn invalid_unit_names_are_refused() {
        let long = "x".repeat(248) + ".service";
        for text in
            ["", "foo", ".service", "@x.service", "../x.service", "a b.service", "x.conf", "é.service", &long]
        {
            assert_eq!(UnitName::new(text), None, "{text}");
        }
        assert_eq!(UnitName::with_default_type("../etc/passwd"), None);
        assert_eq!(UnitName::with_default_type("a\nb"), None);
    }
}
