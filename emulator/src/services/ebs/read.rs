//! `GetSnapshotBlock`: the content of a block, for a valid block token.
//!
//! The stored content is returned as it is, with the checksum of the returned bytes: as in a service that
//! trusts its disks, corruption is only detected by a client that knows the content.

use bytes::Bytes;
use http::StatusCode;

use super::errors::EbsError;
use super::token::{self, TokenKind};
use super::validation::{Pattern, RequestValidator, integer};
use super::{EbsResponse, Query, readable_snapshot};
use crate::digest::Sha256Digest;
use crate::http::request::SignedRequest;
use crate::state::{Region, State};
use crate::sync::lock;

/// Responds to the operation.
pub(super) async fn respond(
    state: &State,
    region: &Region,
    request: &SignedRequest,
    id: &str,
    index: &str,
) -> Result<EbsResponse, EbsError> {
    let query = Query::of(request);
    let (index, token) = (integer(Some(index))?.unwrap_or_default(), query.find("blockToken"));
    let mut validator = RequestValidator::default();
    validator.text("snapshotId", Some(id), 64, Pattern::SnapshotId);
    validator.number("blockIndex", Some(index), 0, None);
    validator.required("blockToken", token.as_ref());
    validator.text("blockToken", token, 256, Pattern::Any);
    validator.finish()?;
    let token = token.unwrap_or_default();
    let snapshot = readable_snapshot(state, region, &request.account, id)?;
    let index = super::check_index(index, &snapshot)?;
    let invalid = || EbsError::invalid("INVALID_BLOCK_TOKEN", format!("The block token {token} is invalid."));
    if token::verify(state, TokenKind::Block, id, token, state.now()) != Some(index) {
        return Err(invalid());
    }
    let entry = lock(&*region.snapshots.map(id)?).entry(index).ok_or_else(invalid)?;
    let blocks = std::sync::Arc::clone(&state.blocks);
    let read = super::run_blocking(move || {
        let bytes = blocks.read(entry.digest)?;
        let digest = Sha256Digest::of(&bytes);
        Ok((bytes, digest))
    });
    let (bytes, digest) = read.await?.map_err(|error: crate::error::Error| EbsError::from(error))?;
    Ok(EbsResponse {
        status: StatusCode::OK,
        content_type: "application/octet-stream",
        headers: vec![
            ("x-amz-data-length", bytes.len().to_string()),
            ("x-amz-checksum", digest.base64()),
            ("x-amz-checksum-algorithm", "SHA256".to_owned()),
        ],
        body: Bytes::from(bytes),
    })
}
