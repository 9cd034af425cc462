//! `ListSnapshotBlocks` and `ListChangedBlocks`: which blocks a snapshot has, and which two of one lineage differ in.

use std::sync::Arc;

use http::StatusCode;
use serde_json::{Value, json};

use super::errors::EbsRefusal;
use super::token::{self, BLOCK_LIFE, TokenKind};
use super::validation::{Pattern, RequestShape, integer};
use super::{EbsAnswer, Query, answered, readable};
use crate::clock::Moment;
use crate::http::request::SignedRequest;
use crate::state::block_map::{BlockAddress, BlockOrigin, SnapshotMap};
use crate::state::blocks::BLOCK;
use crate::state::snapshot::Snapshot;
use crate::state::{Region, World};
use crate::sync::lock;

/// Entries of a page, if nobody says.
const PAGE: i64 = 10_000;

/// Which part of a list is asked for.
struct ListPage {
    /// The first index.
    start: u32,
    /// How many entries at most.
    most: usize,
}

/// Answers `ListSnapshotBlocks`.
pub(super) fn blocks(
    world: &World,
    region: &Region,
    request: &SignedRequest,
    id: &str,
) -> Result<EbsAnswer, EbsRefusal> {
    let query = Query::of(request);
    shape(&query, &[("snapshotId", Some(id))])?;
    let snapshot = readable(world, region, &request.account, id)?;
    let now = world.now();
    let purpose = format!("blocks of {id}");
    let page = page(world, &query, &purpose, now)?;
    let map = region.snapshots.map(id)?;
    let mut found: Vec<_> = lock(&map).from(page.start).take(page.most + 1).map(|(index, _)| index).collect();
    let next = next(&mut found, page.most, |index| *index);
    let entry = |index| json!({"BlockIndex": index, "BlockToken": block_token(world, id, index, now)});
    let list: Vec<_> = found.into_iter().map(entry).collect();
    Ok(told(world, "Blocks", list, &snapshot, next.map(|index| (purpose, index)), page.start, now))
}

/// Answers `ListChangedBlocks`.
pub(super) fn changes(
    world: &World,
    region: &Region,
    request: &SignedRequest,
    id: &str,
) -> Result<EbsAnswer, EbsRefusal> {
    let query = Query::of(request);
    let first_id = query.find("firstSnapshotId");
    shape(&query, &[("firstSnapshotId", first_id), ("secondSnapshotId", Some(id))])?;
    let Some(first_id) = first_id else {
        return Err(EbsRefusal::invalid("INVALID_SNAPSHOT_ID", "First snapshot should not be empty or null"));
    };
    let first = readable(world, region, &request.account, first_id)?;
    let second = readable(world, region, &request.account, id)?;
    if first.lineage != second.lineage {
        let message = format!("The snapshots '{first_id}' and '{id}' are not related");
        return Err(EbsRefusal::invalid("UNRELATED_SNAPSHOTS", message));
    }
    let now = world.now();
    let purpose = format!("changes from {first_id} to {id}");
    let page = page(world, &query, &purpose, now)?;
    // One after the other: both may be the same snapshot.
    let of_first = candidates(&lock(&*region.snapshots.map(first_id)?), &page);
    let of_second = candidates(&lock(&*region.snapshots.map(id)?), &page);
    let mut found = merged(&of_first, &of_second, page.most + 1);
    let next = next(&mut found, page.most, |(index, ..)| *index);
    let is_child = second.parent.as_ref() == Some(&first.id);
    let entry = |(index, before, after): &(u32, Option<BlockAddress>, Option<BlockAddress>)| {
        let mut entry = json!({"BlockIndex": index});
        if before.is_some() {
            entry["FirstBlockToken"] = json!(block_token(world, first_id, *index, now));
        }
        if after.is_some() {
            entry["SecondBlockToken"] = json!(block_token(world, id, *index, now));
        }
        entry
    };
    let changed = found.iter().filter(|(_, before, after)| differ(*before, *after, is_child));
    let list: Vec<_> = changed.map(entry).collect();
    Ok(told(world, "ChangedBlocks", list, &second, next.map(|index| (purpose, index)), page.start, now))
}

/// Checks the shape of a request for a list.
fn shape(query: &Query, ids: &[(&str, Option<&str>)]) -> Result<(), EbsRefusal> {
    let mut shape = RequestShape::default();
    for (name, id) in ids {
        shape.text(name, *id, 64, Pattern::SnapshotId);
    }
    shape.text("nextToken", query.find("pageToken"), 256, Pattern::Any);
    shape.number("maxResults", integer(query.find("maxResults"))?, 100, Some(PAGE));
    shape.number("startingBlockIndex", integer(query.find("startingBlockIndex"))?, 0, None);
    shape.done()
}

/// Which part of the list is asked for. A token comes before a starting index.
fn page(world: &World, query: &Query, purpose: &str, now: Moment) -> Result<ListPage, EbsRefusal> {
    let most = integer(query.find("maxResults"))?.unwrap_or(PAGE) as usize;
    let most = most.min(world.config.page.unwrap_or(most));
    let Some(token) = query.find("pageToken") else {
        let start = integer(query.find("startingBlockIndex"))?.unwrap_or_default();
        return Ok(ListPage { start: u32::try_from(start).unwrap_or(u32::MAX), most });
    };
    let start = token::index(world, TokenKind::Page, purpose, token, now).ok_or_else(|| {
        EbsRefusal::invalid("INVALID_PAGE_TOKEN", format!("The pagination token {token} is invalid."))
    })?;
    Ok(ListPage { start, most })
}

/// Takes off the entry that is one too many and gives where the next page begins.
fn next<T>(found: &mut Vec<T>, most: usize, index: impl Fn(&T) -> u32) -> Option<u32> {
    let next = found.get(most).map(index);
    found.truncate(most);
    next
}

fn candidates(map: &SnapshotMap, page: &ListPage) -> Vec<(u32, BlockAddress)> {
    map.from(page.start).take(page.most + 1).collect()
}

/// The indexes that either has, in order, at most `most`.
fn merged(
    first: &[(u32, BlockAddress)],
    second: &[(u32, BlockAddress)],
    most: usize,
) -> Vec<(u32, Option<BlockAddress>, Option<BlockAddress>)> {
    let (mut first, mut second) = (first.iter().peekable(), second.iter().peekable());
    let mut merged = Vec::new();
    while merged.len() < most {
        let Some(index) = first.peek().into_iter().chain(second.peek()).map(|(index, _)| *index).min() else {
            break;
        };
        let before = first.next_if(|(at, _)| *at == index).map(|(_, place)| *place);
        let after = second.next_if(|(at, _)| *at == index).map(|(_, place)| *place);
        merged.push((index, before, after));
    }
    merged
}

/// Whether a block is another one. What a child wrote counts as changed, whatever it wrote.
fn differ(before: Option<BlockAddress>, after: Option<BlockAddress>, is_child: bool) -> bool {
    match (before, after) {
        (Some(before), Some(after)) => {
            before.digest != after.digest || (is_child && after.origin == BlockOrigin::Written)
        }
        _ => true,
    }
}

fn block_token(world: &World, id: &str, index: u32, now: Moment) -> String {
    token::give(world, TokenKind::Block, id, index, now)
}

fn told(
    world: &World,
    name: &'static str,
    list: Vec<Value>,
    snapshot: &Arc<Snapshot>,
    next: Option<(String, u32)>,
    start: u32,
    now: Moment,
) -> EbsAnswer {
    let past_the_end = u64::from(start) >= super::extent(snapshot);
    let expiry = if past_the_end { now } else { now.after(BLOCK_LIFE) };
    let next = next.map(|(purpose, index)| token::give(world, TokenKind::Page, &purpose, index, now));
    let body = super::object(&[
        ("BlockSize", BLOCK.to_string()),
        (name, Value::Array(list).to_string()),
        ("ExpiryTime", super::time(expiry)),
        ("NextToken", super::json(&next)),
        ("VolumeSize", snapshot.volume_size.to_string()),
    ]);
    answered(StatusCode::OK, body)
}
