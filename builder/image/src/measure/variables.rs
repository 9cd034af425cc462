//! The variables of Secure Boot that a user names: `UefiData` of EC2, or the JSON of virt-fw-vars.

use std::io::{self, Read as _};
use std::path::Path;

use amiforge_formats::guid::Guid;
use amiforge_formats::pcr::Variables;
use amiforge_formats::tree::Printable;
use amiforge_formats::uefi_vars::{UefiVarsError, Variable, check_enrolment, decode_ec2};
use serde::Deserialize;

use super::error::{MeasureError, VARIABLES_MAX, VariablesError};
use crate::bundle::UEFI_DATA;

#[derive(Deserialize)]
struct StoreJson {
    variables: Vec<VariableJson>,
}

#[derive(Deserialize)]
struct VariableJson {
    name: String,
    guid: String,
    attr: u32,
    data: String,
}

/// The variables of a text. Those by which a program would run before the image are refused, since they change registers.
///
/// # Errors
/// [`VariablesError`].
pub fn parse_variables(text: &[u8]) -> Result<Variables, VariablesError> {
    if text.len() as u64 > VARIABLES_MAX {
        return Err(VariablesError::TooLong { len: text.len() as u64 });
    }
    let text = std::str::from_utf8(text).map_err(|_| VariablesError::NotText)?;
    let store = if text.trim_start().starts_with('{') { of_json(text)? } else { decode_ec2(text)? };
    Ok(of_store(&store)?)
}

/// The variables of a store.
///
/// # Errors
/// As [`check_enrolment`].
pub fn of_store(store: &[Variable]) -> Result<Variables, UefiVarsError> {
    check_enrolment(store)?;
    let value = |name: &str| {
        let variable = store.iter().find(|variable| variable.name == name);
        variable.map(|variable| variable.data.clone()).unwrap_or_default()
    };
    Ok(Variables { pk: value("PK"), kek: value("KEK"), db: value("db"), dbx: value("dbx") })
}

/// The variables of a bundle; none where it has no Secure Boot.
///
/// # Errors
/// [`MeasureError::File`], [`MeasureError::Variables`].
pub fn bundle_variables(directory: &Path) -> Result<Option<Variables>, MeasureError> {
    let path = directory.join(UEFI_DATA);
    if matches!(path.symlink_metadata(), Err(error) if error.kind() == io::ErrorKind::NotFound) {
        return Ok(None);
    }
    read_variables(&path).map(Some)
}

/// The variables in a file.
///
/// # Errors
/// [`MeasureError::File`], [`MeasureError::Variables`].
pub fn read_variables(path: &Path) -> Result<Variables, MeasureError> {
    let read = || -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        amiforge_progress::regular::open(path)?.take(VARIABLES_MAX + 1).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = read().map_err(|source| MeasureError::File { path: path.to_owned(), source })?;
    parse_variables(&bytes).map_err(|source| MeasureError::Variables { path: path.to_owned(), source })
}

fn of_json(text: &str) -> Result<Vec<Variable>, VariablesError> {
    let store: StoreJson = serde_json::from_str(text).map_err(VariablesError::Json)?;
    let variable = |variable: VariableJson| {
        let shown = Printable(variable.name.as_bytes()).to_string();
        let field = |field| VariablesError::Field { name: shown.clone(), field };
        let guid: Guid = variable.guid.parse().map_err(|_| field("vendor"))?;
        let data = bytes(&variable.data).ok_or_else(|| field("value"))?;
        Ok(Variable { name: variable.name, guid, attributes: variable.attr, data, timestamp: [0; 16] })
    };
    store.variables.into_iter().map(variable).collect()
}

/// Bytes of hexadecimal digits.
fn bytes(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    let pair = |pair: &[u8]| match pair {
        [high, low] => Some((digit(high)? << 4 | digit(low)?) as u8),
        _ => None,
    };
    text.as_bytes().chunks(2).map(pair).collect()
}

#[cfg(test)]
mod tests {
    use amiforge_formats::uefi_vars::{Enrolment, SignatureList, encode_ec2};

    use super::*;

    fn store() -> Vec<Variable> {
        let list = |text: &str| vec![SignatureList::certificate(Guid::from_u128(1), text.as_bytes())];
        Enrolment { pk: list("pk"), kek: list("kek"), db: list("db"), dbx: Vec::new() }.variables()
    }

    fn json(store: &[Variable]) -> String {
        let variables: Vec<_> = store
            .iter()
            .map(|one| serde_json::json!({"name": one.name, "guid": one.guid.to_string(), "attr": one.attributes, "data": amiforge_formats::digest::hex(&one.data)}))
            .collect();
        serde_json::json!({"version": 2, "variables": variables}).to_string()
    }

    #[test]
    fn both_forms_give_the_same_variables() {
        let from_json = parse_variables(json(&store()).as_bytes()).unwrap();
        let from_ec2 = parse_variables(encode_ec2(&store()).unwrap().as_bytes()).unwrap();
        assert_eq!(from_json, from_ec2);
        assert!(from_json.dbx.is_empty() && from_json.db.ends_with(b"db"));
    }

    #[test]
    fn a_store_that_starts_something_else_is_refused() {
        let mut more = store();
        more.push(Variable { name: "Driver0000".to_owned(), ..more[0].clone() });
        let refused = parse_variables(json(&more).as_bytes());
        assert!(matches!(refused, Err(VariablesError::Store(UefiVarsError::BootOption { .. }))));
        for wrong in ["", "{}", "{\"variables\":[{}]}", "AAAA", "\u{feff}"] {
            assert!(parse_variables(wrong.as_bytes()).is_err(), "{wrong}");
        }
        let odd = json(&store()).replacen("\"data\":\"", "\"data\":\"f", 1);
        assert!(matches!(parse_variables(odd.as_bytes()), Err(VariablesError::Field { field: "value", .. })));
        assert!(matches!(parse_variables(b"\xff"), Err(VariablesError::NotText)));
        let long = vec![b' '; VARIABLES_MAX as usize + 1];
        assert!(matches!(parse_variables(&long), Err(VariablesError::TooLong { .. })));
    }
}
