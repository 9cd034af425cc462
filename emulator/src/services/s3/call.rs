//! An S3 request while it is being processed: account, region, time, headers and query, and the lookups that
//! operations share.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::errors::{NEW_BODY, S3Error};
use crate::clock::Timestamp;
use crate::http::request::SignedRequest;
use crate::sigv4::SignatureSeed;
use crate::state::objects::{Bucket, StoredObject};
use crate::state::{Region, State};

/// A request while it is being processed.
pub(crate) struct S3Call<'c> {
    /// The account that sent the request.
    pub(crate) account: &'c str,
    /// The region that the request is for.
    pub(crate) region: &'c Region,
    /// The state of all regions.
    pub(crate) state: &'c State,
    /// The time at which processing began.
    pub(crate) now: Timestamp,
    /// The seed for the signatures of chunks.
    pub(crate) seed: SignatureSeed,
    parts: http::request::Parts,
    query: BTreeMap<String, String>,
}

/// Headers that are stored with an object and returned with it, besides `x-amz-meta-`.
const STORED_HEADERS: [&str; 7] = [
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-type",
    "expires",
    "x-amz-website-redirect-location",
];

impl<'c> S3Call<'c> {
    /// Starts processing an authenticated request.
    pub(crate) fn new(
        state: &'c State,
        region: &'c Region,
        account: &'c str,
        request: &SignedRequest,
    ) -> Self {
        Self {
            account,
            region,
            state,
            now: state.now(),
            seed: request.seed.clone(),
            parts: request.parts.clone(),
            query: request.query().into_iter().collect(),
        }
    }

    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.parts.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// A query parameter; empty if it has no value.
    pub(crate) fn query(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(String::as_str)
    }

    /// A numeric query parameter.
    pub(crate) fn number(&self, name: &str) -> Result<Option<u64>, S3Error> {
        let Some(text) = self.query(name) else { return Ok(None) };
        let invalid =
            |_| S3Error::argument(format!("Provided {name} not an integer or within integer range"));
        text.parse().map(Some).map_err(invalid)
    }

    /// A bucket in this region that belongs to the account.
    pub(crate) fn bucket(&self, name: &str) -> Result<Arc<Bucket>, S3Error> {
        let Some(bucket) = self.region.object_store.buckets.find(name) else {
            return Err(match self.state.find_bucket(name)? {
                None => S3Error::no_bucket(),
                Some((region, _)) => wrong_region(region),
            });
        };
        if bucket.owner == self.account {
            Ok(bucket)
        } else {
            Err(S3Error::new(403, "AccessDenied", "Access Denied"))
        }
    }

    /// An object in a bucket of the account.
    pub(crate) fn object(&self, bucket: &str, key: &str) -> Result<Arc<StoredObject>, S3Error> {
        self.bucket(bucket)?;
        self.region.object_store.object(bucket, key, self.now).ok_or_else(S3Error::no_key)
    }

    /// A name for a new body, and its path.
    pub(crate) fn new_body(&self) -> Result<(String, PathBuf), S3Error> {
        self.region.object_store.new_body().map_err(S3Error::io(NEW_BODY))
    }

    /// The headers that are stored with an object.
    pub(crate) fn stored_headers(&self) -> BTreeMap<String, String> {
        let mut stored = BTreeMap::new();
        for (name, value) in &self.parts.headers {
            let name = name.as_str();
            let Ok(value) = value.to_str() else { continue };
            if !STORED_HEADERS.contains(&name) && !name.starts_with("x-amz-meta-") {
                continue;
            }
            // The chunked transfer of the body is not a property of the object.
            let value = if name == "content-encoding" { without_chunks(value) } else { value.to_owned() };
            if !value.is_empty() {
                stored.insert(name.to_owned(), value);
            }
        }
        stored.entry("content-type".to_owned()).or_insert_with(|| "binary/octet-stream".to_owned());
        stored
    }

    /// The tags in `x-amz-tagging`.
    pub(crate) fn request_tags(&self) -> Result<BTreeMap<String, String>, S3Error> {
        let text = self.header("x-amz-tagging").unwrap_or_default();
        let tags: BTreeMap<String, String> = form_urlencoded::parse(text.as_bytes()).into_owned().collect();
        check_tags(&tags)?;
        Ok(tags)
    }
}

/// The bucket is in another region.
fn wrong_region(region: String) -> S3Error {
    let message = "The bucket you are attempting to access must be addressed using the specified endpoint.";
    S3Error { region: Some(region), ..S3Error::new(301, "PermanentRedirect", message) }
}

/// Checks the tags of an object.
pub(crate) fn check_tags(tags: &BTreeMap<String, String>) -> Result<(), S3Error> {
    if tags.len() > 10 {
        return Err(S3Error::new(400, "BadRequest", "Object tags cannot be greater than 10"));
    }
    let invalid = tags.iter().find(|(key, value)| {
        let reserved = key.to_ascii_lowercase().starts_with("aws:");
        reserved || !(1..=128).contains(&key.chars().count()) || value.chars().count() > 256
    });
    match invalid {
        None => Ok(()),
        Some((key, _)) => Err(S3Error::new(400, "InvalidTag", format!("The tag {key} is invalid"))),
    }
}

fn without_chunks(value: &str) -> String {
    let codings: Vec<&str> = value.split(',').map(str::trim).filter(|one| *one != "aws-chunked").collect();
    codings.join(",")
}
