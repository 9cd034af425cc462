//! `GetSnapshotBlock`: the bytes of a block, to whoever has a token for it.
//!
//! What is stored is served as it is, with the checksum of what is served: like rot in a service that trusts its
//! disks, an altered block is only found by somebody who knows what it should be.

use bytes::Bytes;
use http::StatusCode;

use super::errors::EbsRefusal;
use super::token::{self, TokenKind};
use super::validation::{Pattern, RequestShape, integer};
use super::{EbsAnswer, Query, readable};
use crate::digest::BlockDigest;
use crate::http::request::SignedRequest;
use crate::state::{Region, World};
use crate::sync::lock;

/// Answers the call.
pub(super) async fn answer(
    world: &World,
    region: &Region,
    request: &SignedRequest,
    id: &str,
    index: &str,
) -> Result<EbsAnswer, EbsRefusal> {
    let query = Query::of(request);
    let (index, token) = (integer(Some(index))?.unwrap_or_default(), query.find("blockToken"));
    let mut shape = RequestShape::default();
    shape.text("snapshotId", Some(id), 64, Pattern::SnapshotId);
    shape.number("blockIndex", Some(index), 0, None);
    shape.required("blockToken", token.as_ref());
    shape.text("blockToken", token, 256, Pattern::Any);
    shape.done()?;
    let token = token.unwrap_or_default();
    let snapshot = readable(world, region, &request.account, id)?;
    let index = super::check_index(index, &snapshot)?;
    let invalid =
        || EbsRefusal::invalid("INVALID_BLOCK_TOKEN", format!("The block token {token} is invalid."));
    if token::index(world, TokenKind::Block, id, token, world.now()) != Some(index) {
        return Err(invalid());
    }
    let place = lock(&*region.snapshots.map(id)?).place(index).ok_or_else(invalid)?;
    let blocks = std::sync::Arc::clone(&world.blocks);
    let read = super::aside(move || {
        let bytes = blocks.read(place.digest)?;
        let digest = BlockDigest::of(&bytes);
        Ok((bytes, digest))
    });
    let (bytes, digest) = read.await?.map_err(|error: crate::error::Error| EbsRefusal::from(error))?;
    Ok(EbsAnswer {
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
