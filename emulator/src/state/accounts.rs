//! The accounts of the local region and their access keys. Knows nothing of signatures.
//!
//! Additional accounts come from `accounts.json` in the state folder: `[{"account": "222222222222",
//! "access_key_id": "...", "secret_access_key": "..."}]`.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;

use serde::Deserialize;

use crate::error::Error;

/// The account of the demo key.
pub const ACCOUNT: &str = "123456789012";
/// The id of the demo key, which belongs to [`ACCOUNT`] and is not secret.
pub const ACCESS_KEY_ID: &str = "AKIALOCALREGION00000";
/// The demo key, which is not secret.
pub const SECRET_ACCESS_KEY: &str = "local-region-secret-key";

/// An access key.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AccessKey {
    /// The account that it belongs to: twelve digits.
    pub(crate) account: String,
    /// The public id.
    #[serde(rename = "access_key_id")]
    pub(crate) id: String,
    /// The secret key.
    #[serde(rename = "secret_access_key")]
    pub(crate) secret: String,
}

/// All access keys by their ids.
#[derive(Debug)]
pub(crate) struct Accounts(BTreeMap<String, AccessKey>);

impl Accounts {
    /// Loads the demo keys and those of `accounts.json` in the folder.
    pub(crate) fn load(folder: &Path) -> Result<Self, Error> {
        let built_in = [(ACCESS_KEY_ID, SECRET_ACCESS_KEY), ("testing", "testing")];
        let built_in = built_in.map(|(id, secret)| AccessKey {
            account: ACCOUNT.to_owned(),
            id: id.to_owned(),
            secret: secret.to_owned(),
        });
        let path = folder.join("accounts.json");
        let configured: Vec<AccessKey> = match std::fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text)
                .map_err(|error| Error::Damaged { path: path.clone(), reason: error.to_string() })?,
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(Error::io("read", path)(error)),
        };
        for key in &configured {
            if key.account.len() != 12 || !key.account.bytes().all(|byte| byte.is_ascii_digit()) {
                let reason = format!("account `{}` is not twelve digits", key.account);
                return Err(Error::Damaged { path, reason });
            }
        }
        let all = built_in.into_iter().chain(configured).map(|key| (key.id.clone(), key));
        Ok(Self(all.collect()))
    }

    /// The access key with this id.
    pub(crate) fn key(&self, id: &str) -> Option<&AccessKey> {
        self.0.get(id)
    }
}
