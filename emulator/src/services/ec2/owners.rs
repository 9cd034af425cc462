//! Owners of images and snapshots: in requests an account, `self` or an alias; in responses the alias, and the product code of
//! what a seller of the Marketplace owns.

use super::errors::Ec2Error;
use crate::digest::Sha256Digest;
use crate::services::xml::Xml;
use crate::state::{OwnerAlias, State};

/// Characters of a product code.
const CODE: usize = 25;

/// Checks owners, or accounts that may use something, in a request. The code is of the EC2 API Reference, "Error codes"
/// (`InvalidUserID.Malformed`); the message was not tried on AWS.
pub(super) fn check(names: &[&str], also: &[&str]) -> Result<(), Ec2Error> {
    let account = |text: &str| text.len() == 12 && text.bytes().all(|digit| digit.is_ascii_digit());
    let known = |name: &&&str| **name == "self" || also.contains(*name) || account(name);
    match names.iter().find(|name| !known(name)) {
        None => Ok(()),
        Some(name) => Err(Ec2Error::new("InvalidUserID.Malformed", format!("Invalid user id: \"{name}\""))),
    }
}

/// The aliases that may be named as owners.
pub(super) fn aliases() -> [&'static str; 3] {
    [OwnerAlias::Amazon, OwnerAlias::AwsBackupVault, OwnerAlias::AwsMarketplace].map(OwnerAlias::name)
}

/// Whether an owner that a request of an account names is another account, or itself.
pub(super) fn names((state, caller): (&State, &str), owner: &str, account: &str) -> bool {
    match (owner, OwnerAlias::by_name(owner)) {
        ("self", _) => account == caller,
        (_, Some(alias)) => state.accounts.alias(account) == Some(alias),
        (owner, None) => owner == account,
    }
}

/// The alias of an account.
pub(super) fn alias(state: &State, account: &str) -> Option<&'static str> {
    state.accounts.alias(account).map(OwnerAlias::name)
}

/// Whether what an account owns is of the Marketplace.
pub(super) fn is_seller(state: &State, account: &str) -> bool {
    state.accounts.alias(account) == Some(OwnerAlias::AwsMarketplace)
}

/// Writes the product codes of what an account owns, if it has any.
pub(super) fn write_product_codes(xml: &mut Xml, state: &State, account: &str) {
    if let Some(code) = product_code(state, account) {
        xml.items("productCodes", [code], |xml, code| {
            xml.value("productCode", code);
            xml.value("type", "marketplace");
        });
    }
}

/// The product code of what a seller owns: one for all that it sells.
pub(super) fn product_code(state: &State, account: &str) -> Option<String> {
    let digest = is_seller(state, account).then(|| Sha256Digest::of(account.as_bytes()).hex())?;
    Some(digest.chars().take(CODE).collect())
}
