//! The variables that enrol Secure Boot, and the rule that a store for an image holds no others.

use std::collections::BTreeSet;

use super::{
    ENROLMENT_ATTRIBUTES, GLOBAL_VARIABLE, IMAGE_SECURITY_DATABASE, SignatureList, UefiVarsError, Variable,
};
use crate::guid::Guid;

/// What is enrolled: the lists of each variable. An empty `dbx` is no variable, which firmware measures as empty data.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Enrolment {
    /// The platform key: who may change `KEK`. With it firmware enforces signatures.
    pub pk: Vec<SignatureList>,
    /// Who may change `db` and `dbx`.
    pub kek: Vec<SignatureList>,
    /// Whose programs start.
    pub db: Vec<SignatureList>,
    /// What does not start although `db` allows it.
    pub dbx: Vec<SignatureList>,
}

impl Enrolment {
    /// The variables, sorted by name.
    pub fn variables(&self) -> Vec<Variable> {
        let all = [("KEK", &self.kek), ("PK", &self.pk), ("db", &self.db), ("dbx", &self.dbx)];
        let some = all.into_iter().filter(|(_, lists)| !lists.is_empty());
        some.filter_map(|(name, lists)| Variable::enrolment(name, lists)).collect()
    }

    /// Reads the variables of a store, which have to be those of an enrolment.
    ///
    /// # Errors
    /// As [`check_enrolment`], and where a signature list is damaged.
    pub fn of(variables: &[Variable]) -> Result<Self, UefiVarsError> {
        check_enrolment(variables)?;
        let lists = |name: &str| {
            let variable = variables.iter().find(|variable| variable.name == name);
            variable.map_or(Ok(Vec::new()), |variable| super::parse_signature_lists(&variable.data))
        };
        Ok(Self { pk: lists("PK")?, kek: lists("KEK")?, db: lists("db")?, dbx: lists("dbx")? })
    }
}

/// The vendor of a variable of enrolment.
pub(super) fn vendor(name: &str) -> Option<Guid> {
    match name {
        "PK" | "KEK" => Some(GLOBAL_VARIABLE),
        "db" | "dbx" => Some(IMAGE_SECURITY_DATABASE),
        _ => None,
    }
}

/// Whether a store holds `PK`, `KEK` and `db`, at most `dbx` besides, each once and protected as firmware protects them.
///
/// # Errors
/// [`UefiVarsError::BootOption`] for a variable by which another program would run before the image's; a policy on the
/// PCRs of programs and signatures does not see a driver that is started so. Another variant for anything else.
pub fn check_enrolment(variables: &[Variable]) -> Result<(), UefiVarsError> {
    let mut seen = BTreeSet::new();
    for Variable { name, guid, attributes, .. } in variables {
        let name = name.clone();
        if is_boot_option(&name) {
            return Err(UefiVarsError::BootOption { name });
        }
        if vendor(&name) != Some(*guid) {
            return Err(UefiVarsError::Unknown { name, guid: *guid });
        }
        if *attributes != ENROLMENT_ATTRIBUTES {
            return Err(UefiVarsError::Attributes {
                name,
                found: *attributes,
                expected: ENROLMENT_ATTRIBUTES,
            });
        }
        if !seen.insert(name.clone()) {
            return Err(UefiVarsError::Twice { name });
        }
    }
    let missing = ["PK", "KEK", "db"].into_iter().find(|name| !seen.contains(*name));
    missing.map_or(Ok(()), |name| Err(UefiVarsError::Missing { name }))
}

/// Whether firmware takes a program, or the order of programs, from a variable of this name, whatever its vendor
/// (UEFI 2.10, section 3.3).
pub(super) fn is_boot_option(name: &str) -> bool {
    ["Boot", "Driver", "SysPrep", "PlatformRecovery", "OsRecovery", "Key"].iter().any(|prefix| {
        name.strip_prefix(prefix).is_some_and(|rest| {
            matches!(rest, "Order" | "Next") || rest.len() == 4 && rest.bytes().all(|b| b.is_ascii_hexdigit())
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn enrolled() -> Vec<Variable> {
        let list = |text: &str| vec![SignatureList::certificate(Guid::from_u128(1), text.as_bytes())];
        Enrolment { pk: list("pk"), kek: list("kek"), db: list("db"), dbx: Vec::new() }.variables()
    }

    fn with(name: &str, guid: Guid) -> Result<(), UefiVarsError> {
        let mut variables = enrolled();
        let more = Variable { name: name.to_owned(), guid, ..variables[0].clone() };
        variables.push(more);
        check_enrolment(&variables)
    }

    #[test]
    fn the_variables_are_sorted_and_read_back() {
        let variables = enrolled();
        let names: Vec<_> = variables.iter().map(|variable| variable.name.as_str()).collect();
        assert_eq!(names, ["KEK", "PK", "db"]);
        let enrolment = Enrolment::of(&variables).unwrap();
        assert_eq!(enrolment.db[0].entries[0].1, b"db");
        assert_eq!(enrolment.variables(), variables);
    }

    #[test]
    fn other_variables_are_refused() {
        for name in
            ["Boot0000", "BootOrder", "BootNext", "Driver0000", "DriverOrder", "SysPrep00aF", "Key0001"]
        {
            let refused = with(name, GLOBAL_VARIABLE);
            assert!(matches!(refused, Err(UefiVarsError::BootOption { .. })), "{name}: {refused:?}");
        }
        for name in ["MokList", "SecureBoot", "Bootstrap", "dbt", ""] {
            assert!(matches!(with(name, GLOBAL_VARIABLE), Err(UefiVarsError::Unknown { .. })), "{name}");
        }
        assert!(matches!(with("db", IMAGE_SECURITY_DATABASE), Err(UefiVarsError::Twice { .. })));
        assert!(matches!(with("dbx", GLOBAL_VARIABLE), Err(UefiVarsError::Unknown { .. })));
        let mut unprotected = enrolled();
        unprotected[1].attributes = 7;
        assert!(matches!(check_enrolment(&unprotected), Err(UefiVarsError::Attributes { found: 7, .. })));
        let missing = check_enrolment(&enrolled()[..2]);
        assert_eq!(missing, Err(UefiVarsError::Missing { name: "db" }));
    }
}
