//! `ListSnapshotBlocks` and `ListChangedBlocks`: the blocks of a snapshot, and the differences of two
//! snapshots with the same lineage.

use std::sync::Arc;

use http::StatusCode;
use serde_json::{Value, json};

use super::errors::EbsError;
use super::token::{self, BLOCK_TOKEN_LIFETIME, TokenKind};
use super::validation::{Pattern, RequestValidator, integer};
use super::{EbsResponse, Query, json_response, readable_snapshot};
use crate::clock::Timestamp;
use crate::http::request::SignedRequest;
use crate::state::block_map::{BlockEntry, BlockMap, BlockOrigin};
use crate::state::blocks::BLOCK_SIZE;
use crate::state::snapshot::Snapshot;
use crate::state::{Region, State};
use crate::sync::lock;

/// The default number of entries in a page.
const PAGE: i64 = 10_000;

/// A requested part of a list.
struct ListPage {
    /// The first block index.
    start: u32,
    /// The maximum number of entries.
    max: usize,
}

/// `ListSnapshotBlocks`.
pub(super) fn blocks(
    state: &State,
    region: &Region,
    request: &SignedRequest,
    id: &str,
) -> Result<EbsResponse, EbsError> {
    let query = Query::of(request);
    validate(&query, &[("snapshotId", Some(id))])?;
    let snapshot = readable_snapshot(state, region, &request.account, id)?;
    let now = state.now();
    let purpose = format!("blocks of {id}");
    let page = page(state, &query, &purpose, now)?;
    let map = region.snapshots.map(id)?;
    let mut entries: Vec<_> =
        lock(&map).entries_from(page.start).take(page.max + 1).map(|(index, _)| index).collect();
    let next = next(&mut entries, page.max, |index| *index);
    let entry = |index| json!({"BlockIndex": index, "BlockToken": block_token(state, id, index, now)});
    let list: Vec<_> = entries.into_iter().map(entry).collect();
    Ok(list_response(state, "Blocks", list, &snapshot, next.map(|index| (purpose, index)), page.start, now))
}

/// `ListChangedBlocks`.
pub(super) fn changes(
    state: &State,
    region: &Region,
    request: &SignedRequest,
    id: &str,
) -> Result<EbsResponse, EbsError> {
    let query = Query::of(request);
    let first_id = query.find("firstSnapshotId");
    validate(&query, &[("firstSnapshotId", first_id), ("secondSnapshotId", Some(id))])?;
    let Some(first_id) = first_id else {
        return Err(EbsError::invalid("INVALID_SNAPSHOT_ID", "First snapshot should not be empty or null"));
    };
    let first = readable_snapshot(state, region, &request.account, first_id)?;
    let second = readable_snapshot(state, region, &request.account, id)?;
    if first.lineage != second.lineage {
        let message = format!("The snapshots '{first_id}' and '{id}' are not related");
        return Err(EbsError::invalid("UNRELATED_SNAPSHOTS", message));
    }
    let now = state.now();
    let purpose = format!("changes from {first_id} to {id}");
    let page = page(state, &query, &purpose, now)?;
    // Locked one after the other: both may be the same snapshot.
    let of_first = candidates(&lock(&*region.snapshots.map(first_id)?), &page);
    let of_second = candidates(&lock(&*region.snapshots.map(id)?), &page);
    let mut entries = merged(&of_first, &of_second, page.max + 1);
    let next = next(&mut entries, page.max, |(index, ..)| *index);
    let is_child = second.parent.as_ref() == Some(&first.id);
    let entry = |(index, before, after): &(u32, Option<BlockEntry>, Option<BlockEntry>)| {
        let mut entry = json!({"BlockIndex": index});
        if before.is_some() {
            entry["FirstBlockToken"] = json!(block_token(state, first_id, *index, now));
        }
        if after.is_some() {
            entry["SecondBlockToken"] = json!(block_token(state, id, *index, now));
        }
        entry
    };
    let changed = entries.iter().filter(|(_, before, after)| differ(*before, *after, is_child));
    let list: Vec<_> = changed.map(entry).collect();
    Ok(list_response(
        state,
        "ChangedBlocks",
        list,
        &second,
        next.map(|index| (purpose, index)),
        page.start,
        now,
    ))
}

/// Validates a list request.
fn validate(query: &Query, ids: &[(&str, Option<&str>)]) -> Result<(), EbsError> {
    let mut validator = RequestValidator::default();
    for (name, id) in ids {
        validator.text(name, *id, 64, Pattern::SnapshotId);
    }
    validator.text("nextToken", query.find("pageToken"), 256, Pattern::Any);
    validator.number("maxResults", integer(query.find("maxResults"))?, 100, Some(PAGE));
    validator.number("startingBlockIndex", integer(query.find("startingBlockIndex"))?, 0, None);
    validator.finish()
}

/// The requested part of the list. A page token takes precedence over a starting index.
fn page(state: &State, query: &Query, purpose: &str, now: Timestamp) -> Result<ListPage, EbsError> {
    let max = integer(query.find("maxResults"))?.unwrap_or(PAGE) as usize;
    let max = max.min(state.config.list_page_size.unwrap_or(max));
    let Some(token) = query.find("pageToken") else {
        let start = integer(query.find("startingBlockIndex"))?.unwrap_or_default();
        return Ok(ListPage { start: u32::try_from(start).unwrap_or(u32::MAX), max });
    };
    let start = token::verify(state, TokenKind::Page, purpose, token, now).ok_or_else(|| {
        EbsError::invalid("INVALID_PAGE_TOKEN", format!("The pagination token {token} is invalid."))
    })?;
    Ok(ListPage { start, max })
}

/// Removes the extra entry and returns the start of the next page.
fn next<T>(entries: &mut Vec<T>, max: usize, index: impl Fn(&T) -> u32) -> Option<u32> {
    let next = entries.get(max).map(index);
    entries.truncate(max);
    next
}

fn candidates(map: &BlockMap, page: &ListPage) -> Vec<(u32, BlockEntry)> {
    map.entries_from(page.start).take(page.max + 1).collect()
}

/// The indexes that are in either list, in ascending order, at most `max`.
fn merged(
    first: &[(u32, BlockEntry)],
    second: &[(u32, BlockEntry)],
    max: usize,
) -> Vec<(u32, Option<BlockEntry>, Option<BlockEntry>)> {
    let (mut first, mut second) = (first.iter().peekable(), second.iter().peekable());
    let mut merged = Vec::new();
    while merged.len() < max {
        let Some(index) = first.peek().into_iter().chain(second.peek()).map(|(index, _)| *index).min() else {
            break;
        };
        let before = first.next_if(|(at, _)| *at == index).map(|(_, entry)| *entry);
        let after = second.next_if(|(at, _)| *at == index).map(|(_, entry)| *entry);
        merged.push((index, before, after));
    }
    merged
}

/// Whether a block differs. A block that a child wrote always counts as changed, whatever its content.
fn differ(before: Option<BlockEntry>, after: Option<BlockEntry>, is_child: bool) -> bool {
    match (before, after) {
        (Some(before), Some(after)) => {
            before.digest != after.digest || (is_child && after.origin == BlockOrigin::Written)
        }
        _ => true,
    }
}

fn block_token(state: &State, id: &str, index: u32, now: Timestamp) -> String {
    token::issue(state, TokenKind::Block, id, index, now)
}

fn list_response(
    state: &State,
    name: &'static str,
    list: Vec<Value>,
    snapshot: &Arc<Snapshot>,
    next: Option<(String, u32)>,
    start: u32,
    now: Timestamp,
) -> EbsResponse {
    let past_the_end = u64::from(start) >= super::block_count(snapshot);
    let expiry = if past_the_end { now } else { now.after(BLOCK_TOKEN_LIFETIME) };
    let next = next.map(|(purpose, index)| token::issue(state, TokenKind::Page, &purpose, index, now));
    let body = super::json_object(&[
        ("BlockSize", BLOCK_SIZE.to_string()),
        (name, Value::Array(list).to_string()),
        ("ExpiryTime", super::format_time(expiry)),
        ("NextToken", super::to_json(&next)),
        ("VolumeSize", snapshot.volume_size.to_string()),
    ]);
    json_response(StatusCode::OK, body)
}
