//! One request of a service that takes JSON: who asks, when, and what was sent. Owns what all calls begin with.

use std::sync::MutexGuard;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::errors::JsonError;
use crate::clock::Timestamp;
use crate::state::{Region, State};
use crate::sync;

/// One request on its way.
pub(crate) struct JsonCall<'c> {
    /// The account that asks.
    pub(crate) account: &'c str,
    /// The region that is asked.
    pub(crate) region: &'c Region,
    /// All regions.
    pub(crate) state: &'c State,
    /// The time.
    pub(crate) now: Timestamp,
    /// JSON.
    pub(crate) body: &'c [u8],
}

impl JsonCall<'_> {
    /// Reads what was sent. Members that the call does not have are passed over, as the services do.
    pub(crate) fn read<T: DeserializeOwned>(&self) -> Result<T, JsonError> {
        serde_json::from_slice(self.body).map_err(|error| match error.classify() {
            serde_json::error::Category::Data if error.to_string().starts_with("missing field") => {
                let name = error.to_string().split('`').nth(1).unwrap_or_default().to_owned();
                JsonError::validation(format!(
                    "1 validation error detected: Value null at '{name}' failed to satisfy constraint: Member must \
                     not be null"
                ))
            }
            _ => JsonError::new("SerializationException", error.to_string()),
        })
    }

    /// Reads a list of one to ten names, none twice.
    pub(crate) fn read_names(&self) -> Result<Vec<String>, JsonError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Input {
            names: Vec<String>,
        }
        let Input { names } = self.read()?;
        if !(1..=10).contains(&names.len()) {
            return Err(JsonError::validation(format!(
                "1 validation error detected: Value '{names:?}' at 'names' failed to satisfy constraint: Member must \
                 have length between 1 and 10"
            )));
        }
        let mut sorted = names.clone();
        sorted.sort();
        sorted.dedup();
        if sorted.len() < names.len() {
            return Err(JsonError::validation("Names must not be repeated"));
        }
        Ok(names)
    }

    /// Lets nobody else change the region until the result is dropped.
    pub(crate) fn lock_region(&self) -> MutexGuard<'_, ()> {
        sync::lock(&self.region.write_lock)
    }
}

/// The part of a sorted list that a page shows, and the token of the next.
pub(crate) fn paginate<T>(
    all: Vec<T>,
    (size, token): (Option<u64>, Option<&str>),
    max: u64,
    key: impl Fn(&T) -> String,
) -> Result<(Vec<T>, Option<String>), JsonError> {
    let size = size.unwrap_or(max);
    if size == 0 || size > max {
        return Err(JsonError::validation(format!(
            "1 validation error detected: Value '{size}' at 'maxResults' failed to satisfy constraint: Member must \
             have value between 1 and {max}"
        )));
    }
    let after = token.map(decode).transpose()?;
    let mut rest =
        all.into_iter().filter(|one| after.as_ref().is_none_or(|after| key(one) > *after)).peekable();
    let mut page = Vec::new();
    while rest.peek().is_some() && (page.len() as u64) < size {
        page.extend(rest.next());
    }
    let more = rest.peek().is_some();
    let next = page.last().filter(|_| more).map(|last| URL_SAFE_NO_PAD.encode(key(last)));
    Ok((page, next))
}

fn decode(token: &str) -> Result<String, JsonError> {
    let bytes = URL_SAFE_NO_PAD.decode(token).ok();
    let key = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    key.ok_or_else(|| JsonError::new("InvalidNextToken", "The specified token isn't valid."))
}
