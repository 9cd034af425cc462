//! One request and its answer: who sent it, whose it is, what goes wrong with it on purpose, and the note of it.

use std::time::Duration;

use http::StatusCode;
use http::request::Parts;

use super::router::Service;
use crate::digest::BlockDigest;
use crate::http::body::{self, Arriving, Pulse};
use crate::http::connection::Dropped;
use crate::http::request::{Payload, SignedRequest};
use crate::http::response::{self as reply, ReplyBody, Response};
use crate::ids;
use crate::services::failure::Trouble;
use crate::sigv4::{Denial, SignatureClaim, UNSIGNED};
use crate::state::World;
use crate::state::faults::InjectedFault;
use crate::state::request_log::SeenRequest;

/// The answer to a request whose work takes too long.
pub(crate) struct Late(Service);

impl Late {
    /// That to a request with this head.
    pub(crate) fn of(parts: &Parts) -> Self {
        let claimed = SignatureClaim::read(parts).ok().and_then(|claim| Service::named(&claim.service));
        Self(claimed.unwrap_or_else(|| Service::guess(parts)))
    }

    /// In the service's own words: an error of the service, which clients try again.
    pub(crate) fn answer(&self, limit: Duration) -> Response {
        let response = self.0.fail(Trouble::Unavailable, &ids::uuid());
        reply::with(response, "x-amiforge-reason", &format!("nothing was answered for {limit:?}"))
    }
}

/// Answers a request.
pub(crate) async fn exchange(
    world: &World,
    parts: Parts,
    incoming: Arriving,
    pulse: &Pulse,
) -> Result<Response, Dropped> {
    let request_id = ids::uuid();
    let claim = match SignatureClaim::read(&parts) {
        Ok(claim) => claim,
        Err(denial) => {
            body::whole(incoming, &world.buffers).await?;
            return Ok(Service::guess(&parts).refuse(&denial, &request_id));
        }
    };
    let Some(service) = Service::named(&claim.service) else {
        let denial = Denial::Malformed(format!(
            "Credential should be scoped to a valid service, not '{}'.",
            claim.service
        ));
        return Ok(Service::guess(&parts).refuse(&denial, &request_id));
    };
    let payload = if service == Service::S3 {
        Payload::Unread(incoming)
    } else {
        let (bytes, digest) = body::whole(incoming, &world.buffers).await?;
        Payload::Whole { bytes, digest }
    };
    let signed = match signed(world, &claim, parts, payload, request_id.clone()) {
        Ok(signed) => signed,
        Err(denial) => return Ok(service.refuse(&denial, &request_id)),
    };
    let note = SeenRequest {
        service: service.name(),
        action: service.action(&signed),
        region: claim.region.clone(),
        target: signed.target().to_owned(),
        status: 0,
    };
    let answer = faulty((world, pulse), service, &claim.region, signed, &note).await;
    if let Some(trail) = &world.config.trail {
        let status = answer.as_ref().map_or(0, |answer| answer.status().as_u16());
        trail.note(SeenRequest { status, ..note });
    }
    answer
}

/// Checks the signature.
fn signed(
    world: &World,
    claim: &SignatureClaim,
    parts: Parts,
    payload: Payload,
    request_id: String,
) -> Result<SignedRequest, Denial> {
    let key = world.accounts.key(&claim.access_key_id).ok_or(Denial::UnknownKey)?;
    let said = parts.headers.get("x-amz-content-sha256").and_then(|value| value.to_str().ok());
    let word = match (said, &payload, claim.expires) {
        (Some(said), ..) => said.to_owned(),
        (None, _, Some(_)) | (None, Payload::Unread(_), None) => UNSIGNED.to_owned(),
        (None, Payload::Whole { digest, .. }, None) => digest.hex(),
    };
    let seal = claim.check(&parts, &word, &key.secret, world.now())?;
    if let (Payload::Whole { digest, .. }, Some(said)) = (&payload, BlockDigest::from_hex(&word))
        && said != *digest
    {
        return Err(Denial::Body);
    }
    Ok(SignedRequest { account: key.account.clone(), request_id, parts, payload, seal, doomed: false })
}

/// Answers a request whose sender is known, unless or until something goes wrong on purpose.
async fn faulty(
    (world, pulse): (&World, &Pulse),
    service: Service,
    region: &str,
    request: SignedRequest,
    note: &SeenRequest,
) -> Result<Response, Dropped> {
    let target = format!("{region} {}", note.target);
    let fault = world.script.strike(service.name(), &note.action, &target);
    let id = request.request_id.clone();
    let request = SignedRequest { doomed: fault == Some(InjectedFault::FailLater), ..request };
    match &fault {
        Some(InjectedFault::Throttle) => return Ok(service.fail(Trouble::Throttled, &id)),
        Some(InjectedFault::ServerError { status: 503 }) => {
            return Ok(service.fail(Trouble::Unavailable, &id));
        }
        Some(InjectedFault::ServerError { .. }) => return Ok(service.fail(Trouble::Internal, &id)),
        Some(InjectedFault::ThrottleInFront) => return Ok(service.throttle_in_front(&id)),
        Some(InjectedFault::NotFound) => return Ok(service.miss(&request)),
        Some(InjectedFault::DropBefore) => return Err(Dropped::OnPurpose),
        Some(InjectedFault::ExpireTokens) => world.expire_tokens(),
        Some(InjectedFault::Slow { millis }) => {
            let time = Duration::from_millis(*millis);
            pulse.hold(time);
            tokio::time::sleep(time).await;
        }
        _ => {}
    }
    let digest = stored(&request);
    let Ok(region) = world.region(region) else {
        let denial = Denial::Malformed("Credential should be scoped to a valid region.".to_owned());
        return Ok(service.refuse(&denial, &id));
    };
    let answer = service.answer(world, &region, request).await;
    match fault {
        Some(InjectedFault::DropAfter) => Err(Dropped::OnPurpose),
        Some(InjectedFault::FlipBit { bit }) => Ok(answer.map(|content| flipped(content, bit))),
        Some(InjectedFault::ShortRead { bytes }) => Ok(answer.map(|content| shortened(content, bytes))),
        Some(InjectedFault::FlipStoredBit { bit }) if answer.status() == StatusCode::CREATED => {
            // A block that cannot be altered was not stored: the answer says so already.
            let _ = digest.map(|digest| world.blocks.rot(digest, bit));
            Ok(answer)
        }
        _ => Ok(answer),
    }
}

/// The digest that a request's body would be stored under.
fn stored(request: &SignedRequest) -> Option<BlockDigest> {
    match request.payload {
        Payload::Whole { digest, .. } => Some(digest),
        Payload::Unread(_) => None,
    }
}

fn flipped(content: ReplyBody, bit: u64) -> ReplyBody {
    let Some(bytes) = content.bytes().filter(|bytes| !bytes.is_empty()) else { return content };
    let mut bytes = bytes.to_vec();
    let bit = (bit % (bytes.len() as u64 * 8)) as usize;
    bytes[bit / 8] ^= 1 << (bit % 8);
    ReplyBody::Whole(bytes.into())
}

fn shortened(content: ReplyBody, to: u64) -> ReplyBody {
    let Some(bytes) = content.bytes() else { return content };
    let keep = bytes.len().saturating_sub(1).min(usize::try_from(to).unwrap_or(usize::MAX));
    ReplyBody::Short { bytes: bytes.slice(..keep), promised: bytes.len() as u64 }
}
