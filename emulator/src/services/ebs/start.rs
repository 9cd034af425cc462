//! `StartSnapshot`: creates a pending snapshot, once for each client token, with or without a parent and
//! encryption.

use std::collections::BTreeMap;

use http::StatusCode;
use serde::Serialize;
use serde_json::Value;

use super::errors::EbsError;
use super::validation::{Pattern, RequestValidator};
use super::{EbsResponse, json_response, to_json};
use crate::http::request::SignedRequest;
use crate::ids;
use crate::state::account_settings::default_ebs_key_arn;
use crate::state::blocks::BLOCK_SIZE;
use crate::state::snapshot::{Snapshot, SnapshotShares, StartToken, Status};
use crate::state::{Region, State};

/// The maximum size of a volume in GiB.
const MAX_VOLUME_SIZE: i64 = 65_536;
/// The default time in minutes after which an idle snapshot is cancelled.
const DEFAULT_TIMEOUT: u64 = 60;

/// The parameters of a request. Equal requests are serialized equally.
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

/// Responds to the operation.
pub(super) fn respond(
    state: &State,
    region: &Region,
    request: &SignedRequest,
) -> Result<EbsResponse, EbsError> {
    let (start, token) = read(request.body())?;
    let written = to_json(&start);
    let _one_at_a_time = region.snapshots.lock_starts();
    let owner = &request.account;
    if let Some(previous) = token.as_deref().and_then(|token| region.snapshots.find_start(owner, token)) {
        if previous.request != written {
            return Err(EbsError::conflict());
        }
        return Ok(json_response(StatusCode::CREATED, previous.response));
    }
    check_quota(state, region, owner)?;
    let parent = parent(state, region, owner, &start)?;
    let kms_key = encryption(region, owner, &start, parent.as_deref())?;
    let id = ids::fresh("snap");
    let mut snapshot = Snapshot {
        owner: owner.clone(),
        description: start.description.clone().unwrap_or_default(),
        volume_size: start.volume_size as u64,
        volume_id: "vol-ffffffff".to_owned(),
        lineage: parent.as_ref().map_or_else(|| id.clone(), |parent| parent.lineage.clone()),
        parent: start.parent.clone(),
        kms_key,
        start_time: state.now(),
        timeout: start.timeout.map_or(DEFAULT_TIMEOUT, |minutes| minutes as u64),
        outcome: None,
        start: None,
        tags: tags(&start)?,
        shared_with: SnapshotShares::default(),
        id,
    };
    let body = response_body(&snapshot, &start);
    snapshot.start = token.map(|token| StartToken { token, request: written, response: body.clone() });
    region.snapshots.start(snapshot)?;
    Ok(json_response(StatusCode::CREATED, body))
}

/// Parses and validates the body.
fn read(body: &[u8]) -> Result<(StartRequest, Option<String>), EbsError> {
    let body: Value = serde_json::from_slice(if body.is_empty() { b"{}" } else { body })
        .map_err(|_| EbsError::serialization("Could not parse request body into json".to_owned()))?;
    let tags = read_tags(&body)?;
    let volume_size = number(&body, "VolumeSize")?;
    let token = text(&body, "ClientToken")?;
    let start = StartRequest {
        volume_size: volume_size.unwrap_or_default(),
        parent: text(&body, "ParentSnapshotId")?,
        tags,
        description: text(&body, "Description")?,
        encrypted: flag(&body, "Encrypted")?,
        kms_key: text(&body, "KmsKeyArn")?,
        timeout: number(&body, "Timeout")?,
    };
    let mut validator = RequestValidator::default();
    validator.required("volumeSize", volume_size.as_ref());
    validator.number("volumeSize", volume_size, 1, None);
    validator.text("parentSnapshotId", start.parent.as_deref(), 64, Pattern::SnapshotId);
    validator.text("description", start.description.as_deref(), 255, Pattern::Text);
    validator.text("clientToken", token.as_deref(), 255, Pattern::Token);
    validator.text("kmsKeyArn", start.kms_key.as_deref(), 2048, Pattern::KeyArn);
    validator.number("timeout", start.timeout, 10, Some(4320));
    let tags = start.tags.as_deref().unwrap_or_default();
    validator.count("tags", tags.len(), 50);
    for (number, (key, value)) in tags.iter().enumerate() {
        validator.text(&format!("tags.{}.member.key", number + 1), Some(key), 127, Pattern::Any);
        validator.text(&format!("tags.{}.member.value", number + 1), Some(value), 255, Pattern::Any);
    }
    validator.finish()?;
    Ok((start, token))
}

fn read_tags(body: &Value) -> Result<Option<Vec<(String, String)>>, EbsError> {
    let list = match &body["Tags"] {
        Value::Null => return Ok(None),
        Value::Array(list) => list,
        _ => return Err(wrong_type("a List")),
    };
    let pair =
        |tag: &Value| Ok((text(tag, "Key")?.unwrap_or_default(), text(tag, "Value")?.unwrap_or_default()));
    list.iter().map(pair).collect::<Result<_, _>>().map(Some)
}

fn text(body: &Value, name: &str) -> Result<Option<String>, EbsError> {
    match &body[name] {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text.clone())),
        _ => Err(wrong_type("a String")),
    }
}

fn number(body: &Value, name: &str) -> Result<Option<i64>, EbsError> {
    match &body[name] {
        Value::Null => Ok(None),
        Value::Number(number) => number.as_i64().map(Some).ok_or_else(|| wrong_type("a Long")),
        _ => Err(wrong_type("a Long")),
    }
}

fn flag(body: &Value, name: &str) -> Result<Option<bool>, EbsError> {
    match &body[name] {
        Value::Null => Ok(None),
        Value::Bool(flag) => Ok(Some(*flag)),
        _ => Err(wrong_type("a Boolean")),
    }
}

fn wrong_type(what: &str) -> EbsError {
    EbsError::serialization(format!("The value can not be converted to {what}"))
}

/// Checks that the account may have another pending snapshot.
fn check_quota(state: &State, region: &Region, owner: &str) -> Result<(), EbsError> {
    let Some(max) = state.config.quotas.pending else { return Ok(()) };
    let now = state.now();
    region.snapshots.cancel_idle(now, &state.config.windows)?;
    let all = region.snapshots.all();
    let pending = all.iter().filter(|one| one.owner == owner && one.status(now) == Status::Pending);
    if pending.count() >= max as usize { Err(EbsError::too_many_pending(max)) } else { Ok(()) }
}

/// The requested parent, if it can be one.
fn parent(
    state: &State,
    region: &Region,
    owner: &str,
    start: &StartRequest,
) -> Result<Option<std::sync::Arc<Snapshot>>, EbsError> {
    if start.volume_size > MAX_VOLUME_SIZE {
        let message =
            format!("Volume size {} is not valid, the maximum is {MAX_VOLUME_SIZE}", start.volume_size);
        return Err(EbsError::invalid("INVALID_VOLUME_SIZE", message));
    }
    let Some(id) = &start.parent else { return Ok(None) };
    let parent = region.snapshots.find(id).filter(|parent| parent.readable_by(owner));
    let parent = parent.ok_or_else(|| EbsError::snapshot_not_found(id))?;
    if parent.shared_with.everybody {
        return Err(EbsError::invalid("INVALID_SNAPSHOT_ID", "Public snapshots are not supported"));
    }
    if parent.status(state.now()) != Status::Completed {
        let message = format!("Source snapshot ({id}) is not complete.");
        return Err(EbsError::invalid("INVALID_SNAPSHOT_ID", message));
    }
    if !region.is_usable(id, state.now()) {
        // "Considerations and limitations for archiving Amazon EBS snapshots": it has to be restored first.
        let message = format!("Source snapshot ({id}) is archived.");
        return Err(EbsError::invalid("INVALID_SNAPSHOT_ID", message));
    }
    if (start.volume_size as u64) < parent.volume_size {
        let message = format!(
            "Volume size {} is not valid, it is smaller than the parent snapshot's {}",
            start.volume_size, parent.volume_size
        );
        return Err(EbsError::invalid("INVALID_VOLUME_SIZE", message));
    }
    Ok(Some(parent))
}

/// The key that the snapshot is encrypted with: as requested, as the parent, or as the account's settings.
fn encryption(
    region: &Region,
    owner: &str,
    start: &StartRequest,
    parent: Option<&Snapshot>,
) -> Result<Option<String>, EbsError> {
    let refuse = |message: &str| Err(EbsError::invalid("INVALID_PARAMETER_VALUE", message));
    let settings = region.settings.find(owner).unwrap_or_default();
    let default_key =
        || settings.default_key.clone().unwrap_or_else(|| default_ebs_key_arn(&region.name, owner));
    match (parent, start.encrypted, &start.kms_key) {
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
                Err(EbsError::invalid("INVALID_CUSTOMER_KEY", message))
            }
        }
        (None, Some(true), None) => Ok(Some(default_key())),
        (None, Some(false) | None, None) => Ok(settings.encrypt_by_default.then(default_key)),
    }
}

fn tags(start: &StartRequest) -> Result<BTreeMap<String, String>, EbsError> {
    let mut tags = BTreeMap::new();
    for (key, value) in start.tags.iter().flatten() {
        if key.is_empty() || key.starts_with("aws:") {
            return Err(EbsError::invalid("INVALID_TAG", format!("Tag key '{key}' is not valid")));
        }
        if tags.insert(key.clone(), value.clone()).is_some() {
            return Err(EbsError::invalid(
                "INVALID_TAG",
                format!("Tag key '{key}' is specified more than once"),
            ));
        }
    }
    Ok(tags)
}

/// The response body. Members without a value are null, and the time is a number in scientific notation.
fn response_body(snapshot: &Snapshot, start: &StartRequest) -> String {
    let tags = start.tags.as_ref().map(|tags| {
        let objects = tags.iter().map(|(key, value)| serde_json::json!({"Key": key, "Value": value}));
        objects.collect::<Vec<_>>()
    });
    super::json_object(&[
        ("BlockSize", to_json(&BLOCK_SIZE)),
        ("Description", to_json(&start.description)),
        ("KmsKeyArn", to_json(&snapshot.kms_key)),
        ("OwnerId", to_json(&snapshot.owner)),
        ("ParentSnapshotId", to_json(&snapshot.parent)),
        ("SnapshotId", to_json(&snapshot.id)),
        ("SseType", "null".to_owned()),
        ("StartTime", super::format_time(snapshot.start_time)),
        ("Status", to_json(&Status::Pending.as_str())),
        ("Tags", to_json(&tags)),
        ("VolumeSize", to_json(&snapshot.volume_size)),
    ])
}
