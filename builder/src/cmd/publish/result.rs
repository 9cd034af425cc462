//! The result of `amiforge publish` as JSON.

use amiforge_formats::digest::BLOCK;
use amiforge_publish::ami::{AmiOrigin, ErrorChain, Published};
use amiforge_publish::request::Request;
use serde::Serialize;

use crate::outcome::Failure;

/// What `--json` shows.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PublishJson<'a> {
    image_id: &'a str,
    snapshot_id: Option<&'a str>,
    snapshot_ids: Vec<String>,
    region: &'a str,
    name: &'a str,
    adopted: bool,
    blocks_sent: u64,
    bytes_sent: u64,
    /// Blocks that were read back, of an import.
    #[serde(skip_serializing_if = "Option::is_none")]
    blocks_proven: Option<u64>,
    copies: Vec<CopyShown<'a>>,
    ledger: String,
    seconds: f64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CopyShown<'a> {
    region: &'a str,
    image_id: Option<&'a str>,
    snapshot_ids: &'a [String],
    error: Option<String>,
}

/// The result as JSON, without the error of a failed copy.
pub(super) fn json(
    published: &Published,
    request: &Request,
    seconds: f64,
) -> Result<serde_json::Value, Failure> {
    let image = &published.image;
    let sent = super::sent(published);
    let copies = published.copies.iter().map(|copy| CopyShown {
        region: &copy.region,
        image_id: copy.outcome.as_ref().ok().map(|copied| copied.image_id.as_str()),
        snapshot_ids: copy.outcome.as_ref().map(|copied| copied.snapshot_ids.as_slice()).unwrap_or_default(),
        error: copy.outcome.as_ref().err().map(|error| ErrorChain(error).to_string()),
    });
    let shown = PublishJson {
        image_id: &image.id,
        snapshot_id: image.root_snapshot(),
        snapshot_ids: image.snapshots(),
        region: &request.region,
        name: &request.name,
        adopted: published.origin == AmiOrigin::Adopted,
        blocks_sent: sent,
        bytes_sent: sent * BLOCK,
        blocks_proven: published.imported.then(|| published.uploads.iter().map(|one| one.verified).sum()),
        copies: copies.collect(),
        ledger: published.folder.display().to_string(),
        seconds,
    };
    Ok(serde_json::to_value(shown).map_err(anyhow::Error::from)?)
}
