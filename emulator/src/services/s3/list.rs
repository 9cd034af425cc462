//! `ListObjectsV2` and `ListObjects`: keys by prefix, grouped at a delimiter, with pagination.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::NAMESPACE;
use super::address::encode;
use super::call::S3Call;
use super::errors::S3Error;
use crate::http::response::Response;
use crate::services::xml::Xml;
use crate::state::objects::StoredObject;

/// The maximum number of keys in a page.
const MAX_KEYS: usize = 1000;

/// A row of a listing.
enum ListRow {
    Key(String, Arc<StoredObject>),
    Prefix(String),
}

impl ListRow {
    fn name(&self) -> &str {
        match self {
            Self::Key(name, _) | Self::Prefix(name) => name,
        }
    }
}

/// The version of the list operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ListVersion {
    /// `ListObjects`, with markers.
    V1,
    /// `ListObjectsV2`, with tokens.
    V2,
}

/// Lists the objects of a bucket.
pub(crate) fn list(call: &S3Call<'_>, bucket: &str, form: ListVersion) -> Result<Response, S3Error> {
    call.bucket(bucket)?;
    let prefix = call.query("prefix").unwrap_or_default();
    let delimiter = call.query("delimiter").unwrap_or_default();
    let max = call
        .number("max-keys")?
        .map_or(MAX_KEYS, |max| usize::try_from(max).unwrap_or(MAX_KEYS))
        .min(MAX_KEYS);
    let token = call.query("continuation-token");
    let after = match (form, token) {
        (ListVersion::V1, _) => call.query("marker").unwrap_or_default().to_owned(),
        (ListVersion::V2, Some(token)) => decode_token(token)?,
        (ListVersion::V2, None) => call.query("start-after").unwrap_or_default().to_owned(),
    };
    let coding = match call.query("encoding-type") {
        None => None,
        Some("url") => Some("url"),
        Some(_) => return Err(S3Error::argument("Invalid Encoding Method specified in Request")),
    };
    let mut objects = call.region.object_store.objects_of(bucket, prefix);
    objects.retain(|(_, object)| object.modified <= call.now);
    let mut rows = fold(objects, prefix, delimiter);
    rows.retain(|row| row.name() > after.as_str());
    let truncated = rows.len() > max && max > 0;
    rows.truncate(max);
    let name = |text: &str| if coding.is_some() { encode(text) } else { text.to_owned() };
    let body = Xml::document("ListBucketResult", NAMESPACE, |xml| {
        xml.value("Name", bucket);
        xml.value("Prefix", name(prefix));
        xml.value("MaxKeys", max);
        xml.optional("Delimiter", (!delimiter.is_empty()).then(|| name(delimiter)));
        xml.optional("EncodingType", coding);
        xml.value("IsTruncated", truncated);
        let last = rows.last().map(ListRow::name).filter(|_| truncated);
        match form {
            ListVersion::V1 => {
                xml.value("Marker", name(call.query("marker").unwrap_or_default()));
                xml.optional("NextMarker", last.map(name));
            }
            ListVersion::V2 => {
                xml.value("KeyCount", rows.len());
                xml.optional("StartAfter", call.query("start-after").map(name));
                xml.optional("ContinuationToken", token);
                xml.optional("NextContinuationToken", last.map(|last| URL_SAFE_NO_PAD.encode(last)));
            }
        }
        let owner =
            (form == ListVersion::V1 || call.query("fetch-owner") == Some("true")).then_some(call.account);
        for row in &rows {
            write_row(xml, row, owner, name);
        }
    });
    Ok(super::xml(body))
}

fn decode_token(token: &str) -> Result<String, S3Error> {
    let bytes = URL_SAFE_NO_PAD.decode(token).ok();
    let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    text.ok_or_else(|| S3Error::argument("The continuation token provided is incorrect"))
}

/// Groups the keys that contain a delimiter after the prefix into common prefixes.
fn fold(objects: Vec<(String, Arc<StoredObject>)>, prefix: &str, delimiter: &str) -> Vec<ListRow> {
    let mut rows: Vec<ListRow> = Vec::new();
    for (key, object) in objects {
        let rest = key.get(prefix.len()..).unwrap_or_default();
        let end = if delimiter.is_empty() { None } else { rest.find(delimiter) };
        match end {
            None => rows.push(ListRow::Key(key, object)),
            Some(end) => {
                let folded = key[..prefix.len() + end + delimiter.len()].to_owned();
                if !matches!(rows.last(), Some(ListRow::Prefix(last)) if *last == folded) {
                    rows.push(ListRow::Prefix(folded));
                }
            }
        }
    }
    rows
}

fn write_row(xml: &mut Xml, row: &ListRow, owner: Option<&str>, name: impl Fn(&str) -> String) {
    match row {
        ListRow::Prefix(prefix) => xml.element("CommonPrefixes", |xml| xml.value("Prefix", name(prefix))),
        ListRow::Key(key, object) => xml.element("Contents", |xml| {
            xml.value("Key", name(key));
            xml.value("LastModified", object.modified.iso());
            xml.value("ETag", &object.etag);
            if let Some(checksum) = &object.checksum {
                xml.value("ChecksumAlgorithm", checksum.algorithm.as_str());
                xml.value("ChecksumType", checksum.scope.as_str());
            }
            xml.value("Size", object.size);
            if let Some(owner) = owner {
                xml.element("Owner", |xml| xml.value("ID", owner));
            }
            xml.value("StorageClass", "STANDARD");
        }),
    }
}
