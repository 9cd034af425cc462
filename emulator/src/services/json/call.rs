//! A request of a JSON service while it is being processed: account, region, time and body, and the parsing
//! that operations share.

use std::sync::MutexGuard;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::errors::JsonError;
use crate::clock::Timestamp;
use crate::iam::Principal;
use crate::state::{Region, State};
use crate::sync;

/// A request while it is being processed.
pub(crate) struct JsonCall<'c> {
    /// The account that sent the request.
    pub(crate) account: &'c str,
    /// Who sent the request.
    pub(crate) principal: &'c Principal,
    /// The region that the request is for.
    pub(crate) region: &'c Region,
    /// The state of all regions.
    pub(crate) state: &'c State,
    /// The time at which processing began.
    pub(crate) now: Timestamp,
    /// The JSON body.
    pub(crate) body: &'c [u8],
}

impl JsonCall<'_> {
    /// Parses the body. Unknown members are ignored, as in the real services.
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

    /// Parses a list of one to ten distinct names.
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

    /// Locks the region against changes until the guard is dropped.
    pub(crate) fn lock_region(&self) -> MutexGuard<'_, ()> {
        sync::lock(&self.region.write_lock)
    }
}

/// A page of a sorted list and the token of the next one.
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
