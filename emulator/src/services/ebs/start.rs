//! `StartSnapshot`: a new pending snapshot, once for each token; perhaps a child of another one; encrypted or not.

use std::collections::BTreeMap;

use http::StatusCode;
use serde::Serialize;
use serde_json::Value;

use super::errors::EbsRefusal;
use super::validation::{Pattern, RequestShape};
use super::{EbsAnswer, answered, json};
use crate::http::request::SignedRequest;
use crate::ids;
use crate::state::account_settings::own_key;
use crate::state::blocks::BLOCK;
use crate::state::snapshot::{Snapshot, SnapshotShares, StartToken, Status};
use crate::state::{Region, World};

/// The largest volume, in GiB.
const LARGEST: i64 = 65_536;
/// Minutes until an idle snapshot is cancelled, if nobody says.
const TIMEOUT: u64 = 60;

/// What is asked for. Equal requests are written equally.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
struct StartRequest {
    volume_size: i64,
    parent: Option<String>,
    tags: Option<Vec<(String, String)>>,
    description: Option<String>,
    encrypted: Option<bool>,
    kms_key: Option<String>,
    timeout: Option<i64>,
}

/// Answers the call.
pub(super) fn answer(
    world: &World,
    region: &Region,
    request: &SignedRequest,
) -> Result<EbsAnswer, EbsRefusal> {
    let (asked, token) = read(request.body())?;
    let written = json(&asked);
    let _one_at_a_time = region.snapshots.starting();
    let owner = &request.account;
    if let Some(before) = token.as_deref().and_then(|token| region.snapshots.start_of(owner, token)) {
        if before.asked != written {
            return Err(EbsRefusal::conflict());
        }
        return Ok(answered(StatusCode::CREATED, before.answer));
    }
    check_quota(world, region, owner)?;
    let parent = parent(world, region, owner, &asked)?;
    let kms_key = encryption(region, owner, &asked, parent.as_deref())?;
    let id = ids::fresh("snap");
    let mut snapshot = Snapshot {
        owner: owner.clone(),
        description: asked.description.clone().unwrap_or_default(),
        volume_size: asked.volume_size as u64,
        volume_id: "vol-ffffffff".to_owned(),
        lineage: parent.as_ref().map_or_else(|| id.clone(), |parent| parent.lineage.clone()),
        parent: asked.parent.clone(),
        kms_key,
        start_time: world.now(),
        timeout: asked.timeout.map_or(TIMEOUT, |minutes| minutes as u64),
        outcome: None,
        start: None,
        tags: tags(&asked)?,
        shared_with: SnapshotShares::default(),
        id,
    };
    let answer = told(&snapshot, &asked);
    snapshot.start = token.map(|token| StartToken { token, asked: written, answer: answer.clone() });
    region.snapshots.start(snapshot)?;
    Ok(answered(StatusCode::CREATED, answer))
}

/// Reads the body and checks its shape.
fn read(body: &[u8]) -> Result<(StartRequest, Option<String>), EbsRefusal> {
    let body: Value = serde_json::from_slice(if body.is_empty() { b"{}" } else { body })
        .map_err(|_| EbsRefusal::unreadable("Could not parse request body into json".to_owned()))?;
    let tags = read_tags(&body)?;
    let volume_size = number(&body, "VolumeSize")?;
    let token = text(&body, "ClientToken")?;
    let asked = StartRequest {
        volume_size: volume_size.unwrap_or_default(),
        parent: text(&body, "ParentSnapshotId")?,
        tags,
        description: text(&body, "Description")?,
        encrypted: flag(&body, "Encrypted")?,
        kms_key: text(&body, "KmsKeyArn")?,
        timeout: number(&body, "Timeout")?,
    };
    let mut shape = RequestShape::default();
    shape.required("volumeSize", volume_size.as_ref());
    shape.number("volumeSize", volume_size, 1, None);
    shape.text("parentSnapshotId", asked.parent.as_deref(), 64, Pattern::SnapshotId);
    shape.text("description", asked.description.as_deref(), 255, Pattern::Text);
    shape.text("clientToken", token.as_deref(), 255, Pattern::Token);
    shape.text("kmsKeyArn", asked.kms_key.as_deref(), 2048, Pattern::KeyArn);
    shape.number("timeout", asked.timeout, 10, Some(4320));
    let tags = asked.tags.as_deref().unwrap_or_default();
    shape.count("tags", tags.len(), 50);
    for (number, (key, value)) in tags.iter().enumerate() {
        shape.text(&format!("tags.{}.member.key", number + 1), Some(key), 127, Pattern::Any);
        shape.text(&format!("tags.{}.member.value", number + 1), Some(value), 255, Pattern::Any);
    }
    shape.done()?;
    Ok((asked, token))
}

fn read_tags(body: &Value) -> Result<Option<Vec<(String, String)>>, EbsRefusal> {
    let list = match &body["Tags"] {
        Value::Null => return Ok(None),
        Value::Array(list) => list,
        _ => return Err(unlike("a List")),
    };
    let pair =
        |tag: &Value| Ok((text(tag, "Key")?.unwrap_or_default(), text(tag, "Value")?.unwrap_or_default()));
    list.iter().map(pair).collect::<Result<_, _>>().map(Some)
}

fn text(body: &Value, name: &str) -> Result<Option<String>, EbsRefusal> {
    match &body[name] {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text.clone())),
        _ => Err(unlike("a String")),
    }
}

fn number(body: &Value, name: &str) -> Result<Option<i64>, EbsRefusal> {
    match &body[name] {
        Value::Null => Ok(None),
        Value::Number(number) => number.as_i64().map(Some).ok_or_else(|| unlike("a Long")),
        _ => Err(unlike("a Long")),
    }
}

fn flag(body: &Value, name: &str) -> Result<Option<bool>, EbsRefusal> {
    match &body[name] {
        Value::Null => Ok(None),
        Value::Bool(flag) => Ok(Some(*flag)),
        _ => Err(unlike("a Boolean")),
    }
}

fn unlike(what: &str) -> EbsRefusal {
    EbsRefusal::unreadable(format!("The value can not be converted to {what}"))
}

/// Whether the account may have another pending snapshot.
fn check_quota(world: &World, region: &Region, owner: &str) -> Result<(), EbsRefusal> {
    let Some(most) = world.config.quotas.pending else { return Ok(()) };
    let now = world.now();
    region.snapshots.cancel_idle(now, &world.config.windows)?;
    let all = region.snapshots.all();
    let pending = all.iter().filter(|one| one.owner == owner && one.status(now) == Status::Pending);
    if pending.count() >= most as usize { Err(EbsRefusal::too_many_pending(most)) } else { Ok(()) }
}

/// The parent, if one is asked for and may be one.
fn parent(
    world: &World,
    region: &Region,
    owner: &str,
    asked: &StartRequest,
) -> Result<Option<std::sync::Arc<Snapshot>>, EbsRefusal> {
    if asked.volume_size > LARGEST {
        let message = format!("Volume size {} is not valid, the maximum is {LARGEST}", asked.volume_size);
        return Err(EbsRefusal::invalid("INVALID_VOLUME_SIZE", message));
    }
    let Some(id) = &asked.parent else { return Ok(None) };
    let found = region.snapshots.find(id).filter(|parent| parent.readable_by(owner));
    let parent = found.ok_or_else(|| EbsRefusal::no_snapshot(id))?;
    if parent.shared_with.everybody {
        return Err(EbsRefusal::invalid("INVALID_SNAPSHOT_ID", "Public snapshots are not supported"));
    }
    if parent.status(world.now()) != Status::Completed {
        let message = format!("Source snapshot ({id}) is not complete.");
        return Err(EbsRefusal::invalid("INVALID_SNAPSHOT_ID", message));
    }
    if (asked.volume_size as u64) < parent.volume_size {
        let message = format!(
            "Volume size {} is not valid, it is smaller than the parent snapshot's {}",
            asked.volume_size, parent.volume_size
        );
        return Err(EbsRefusal::invalid("INVALID_VOLUME_SIZE", message));
    }
    Ok(Some(parent))
}

/// The key that the snapshot is encrypted with, if it is: what was asked for, what the parent has, what the account
/// has set.
fn encryption(
    region: &Region,
    owner: &str,
    asked: &StartRequest,
    parent: Option<&Snapshot>,
) -> Result<Option<String>, EbsRefusal> {
    let refuse = |message: &str| Err(EbsRefusal::invalid("INVALID_PARAMETER_VALUE", message));
    let settings = region.settings.find(owner).unwrap_or_default();
    let default_key = || settings.default_key.clone().unwrap_or_else(|| own_key(&region.name, owner));
    match (parent, asked.encrypted, &asked.kms_key) {
        (Some(_), Some(_), _) | (Some(_), _, Some(_)) => {
            refuse("ParentSnapshotId and Encrypt cannot be specified together")
        }
        (Some(Snapshot { kms_key: Some(key), .. }), None, None) => Ok(Some(key.clone())),
        (Some(_), None, None) if settings.encrypt_by_default => refuse(
            "ParentSnapshotId of an unencrypted snapshot cannot be specified while encryption by default is enabled",
        ),
        (Some(_), None, None) => Ok(None),
        (None, Some(false) | None, Some(_)) => refuse("Encrypt cannot be false when KmsKeyArn is specified"),
        (None, Some(true), Some(key)) => {
            let of_region = key.split(':').nth(3) == Some(region.name.as_str());
            let message = format!("The key '{key}' is not of this region");
            if of_region {
                Ok(Some(key.clone()))
            } else {
                Err(EbsRefusal::invalid("INVALID_CUSTOMER_KEY", message))
            }
        }
        (None, Some(true), None) => Ok(Some(default_key())),
        (None, Some(false) | None, None) => Ok(settings.encrypt_by_default.then(default_key)),
    }
}

fn tags(asked: &StartRequest) -> Result<BTreeMap<String, String>, EbsRefusal> {
    let mut tags = BTreeMap::new();
    for (key, value) in asked.tags.iter().flatten() {
        if key.is_empty() || key.starts_with("aws:") {
            return Err(EbsRefusal::invalid("INVALID_TAG", format!("Tag key '{key}' is not valid")));
        }
        if tags.insert(key.clone(), value.clone()).is_some() {
            return Err(EbsRefusal::invalid(
                "INVALID_TAG",
                format!("Tag key '{key}' is specified more than once"),
            ));
        }
    }
    Ok(tags)
}

/// The answer; members without a value are there as null, and the time is a number in scientific notation.
fn told(snapshot: &Snapshot, asked: &StartRequest) -> String {
    let tags = asked.tags.as_ref().map(|tags| {
        let objects = tags.iter().map(|(key, value)| serde_json::json!({"Key": key, "Value": value}));
        objects.collect::<Vec<_>>()
    });
    super::object(&[
        ("BlockSize", json(&BLOCK)),
        ("Description", json(&asked.description)),
        ("KmsKeyArn", json(&snapshot.kms_key)),
        ("OwnerId", json(&snapshot.owner)),
        ("ParentSnapshotId", json(&snapshot.parent)),
        ("SnapshotId", json(&snapshot.id)),
        ("SseType", "null".to_owned()),
        ("StartTime", super::time(snapshot.start_time)),
        ("Status", json(&Status::Pending.word())),
        ("Tags", json(&tags)),
        ("VolumeSize", json(&snapshot.volume_size)),
    ])
}
