//! The processing of one request: authentication, scripted faults, the service's response, and the entry in
//! the request log.

use std::time::Duration;

use http::StatusCode;
use http::request::Parts;

use super::router::Service;
use crate::digest::Sha256Digest;
use crate::http::body::{self as http_body, ActivityTimer, RequestBody};
use crate::http::connection::NoResponse;
use crate::http::request::{Payload, SignedRequest};
use crate::http::response::{Response, ResponseBody, with_header};
use crate::ids;
use crate::services::failure::ServiceFailure;
use crate::sigv4::{AuthError, SignatureClaim, UNSIGNED};
use crate::state::State;
use crate::state::faults::InjectedFault;
use crate::state::request_log::LoggedRequest;

/// The response to a request whose processing exceeds the time limit.
pub(crate) struct TimeoutResponse(Service);

impl TimeoutResponse {
    /// The response for a request with this head.
    pub(crate) fn for_request(parts: &Parts) -> Self {
        let claimed = SignatureClaim::read(parts).ok().and_then(|claim| Service::named(&claim.service));
        Self(claimed.unwrap_or_else(|| Service::guess(parts)))
    }

    /// An error of the requested service, which clients retry.
    pub(crate) fn build(&self, limit: Duration) -> Response {
        let response = self.0.fail(ServiceFailure::Unavailable, &ids::uuid());
        with_header(response, "x-amiforge-reason", &format!("no response within {limit:?}"))
    }
}

/// Processes a request and returns its response.
pub(crate) async fn handle_request(
    state: &State,
    parts: Parts,
    body: RequestBody,
    timer: &ActivityTimer,
) -> Result<Response, NoResponse> {
    let request_id = ids::uuid();
    let claim = match SignatureClaim::read(&parts) {
        Ok(claim) => claim,
        Err(auth_error) => {
            http_body::read_whole(body, &state.buffers).await?;
            return Ok(Service::guess(&parts).reject(&auth_error, &request_id));
        }
    };
    let Some(service) = Service::named(&claim.service) else {
        let auth_error = AuthError::Malformed(format!(
            "Credential should be scoped to a valid service, not '{}'.",
            claim.service
        ));
        return Ok(Service::guess(&parts).reject(&auth_error, &request_id));
    };
    let payload = if service == Service::S3 {
        Payload::Streaming(body)
    } else {
        let (bytes, digest) = http_body::read_whole(body, &state.buffers).await?;
        Payload::Buffered { bytes, digest }
    };
    let signed = match authenticate(state, &claim, parts, payload, request_id.clone()) {
        Ok(signed) => signed,
        Err(auth_error) => return Ok(service.reject(&auth_error, &request_id)),
    };
    let entry = LoggedRequest {
        service: service.name(),
        action: service.action(&signed),
        region: claim.region.clone(),
        target: signed.target().to_owned(),
        status: 0,
    };
    let response = respond_with_faults((state, timer), service, &claim.region, signed, &entry).await;
    if let Some(request_log) = &state.config.request_log {
        let status = response.as_ref().map_or(0, |response| response.status().as_u16());
        request_log.record(LoggedRequest { status, ..entry });
    }
    response
}

/// Verifies the access key, the signature and the digest of a buffered body.
fn authenticate(
    state: &State,
    claim: &SignatureClaim,
    parts: Parts,
    payload: Payload,
    request_id: String,
) -> Result<SignedRequest, AuthError> {
    let key = state.accounts.key(&claim.access_key_id).ok_or(AuthError::UnknownKey)?;
    let header = parts.headers.get("x-amz-content-sha256").and_then(|value| value.to_str().ok());
    let payload_hash = match (header, &payload, claim.expires) {
        (Some(header), ..) => header.to_owned(),
        (None, _, Some(_)) | (None, Payload::Streaming(_), None) => UNSIGNED.to_owned(),
        (None, Payload::Buffered { digest, .. }, None) => digest.hex(),
    };
    let seed = claim.check(&parts, &payload_hash, &key.secret, state.now())?;
    if let (Payload::Buffered { digest, .. }, Some(header)) =
        (&payload, Sha256Digest::from_hex(&payload_hash))
        && header != *digest
    {
        return Err(AuthError::BodyMismatch);
    }
    let (principal, fail_async) = (key.principal.clone(), false);
    let account = principal.account.clone();
    Ok(SignedRequest { account, principal, request_id, parts, payload, seed, fail_async })
}

/// Responds to an authenticated request, with the scripted fault that applies to it.
async fn respond_with_faults(
    (state, timer): (&State, &ActivityTimer),
    service: Service,
    region: &str,
    request: SignedRequest,
    entry: &LoggedRequest,
) -> Result<Response, NoResponse> {
    let target = format!("{region} {}", entry.target);
    let fault = state.faults.next_fault(service.name(), &entry.action, &target);
    let id = request.request_id.clone();
    let request = SignedRequest { fail_async: fault == Some(InjectedFault::FailLater), ..request };
    match &fault {
        Some(InjectedFault::Throttle) => return Ok(service.fail(ServiceFailure::Throttled, &id)),
        Some(InjectedFault::ServerError { status: 503 }) => {
            return Ok(service.fail(ServiceFailure::Unavailable, &id));
        }
        Some(InjectedFault::ServerError { .. }) => return Ok(service.fail(ServiceFailure::Internal, &id)),
        Some(InjectedFault::ThrottleInFront) => return Ok(service.frontend_throttled(&id)),
        Some(InjectedFault::NotFound) => return Ok(service.not_found(&request)),
        Some(InjectedFault::DropBefore) => return Err(NoResponse::ScriptedFault),
        Some(InjectedFault::ExpireTokens) => state.expire_tokens(),
        Some(InjectedFault::Slow { millis }) => {
            let time = Duration::from_millis(*millis);
            timer.extend(time);
            tokio::time::sleep(time).await;
        }
        _ => {}
    }
    let digest = body_digest(&request);
    let Ok(region) = state.region(region) else {
        let auth_error = AuthError::Malformed("Credential should be scoped to a valid region.".to_owned());
        return Ok(service.reject(&auth_error, &id));
    };
    let response = service.respond(state, &region, request).await;
    match fault {
        Some(InjectedFault::DropAfter) => Err(NoResponse::ScriptedFault),
        Some(InjectedFault::FlipBit { bit }) => Ok(response.map(|content| flip_bit(content, bit))),
        Some(InjectedFault::ShortRead { bytes }) => Ok(response.map(|content| truncate(content, bytes))),
        Some(InjectedFault::FlipStoredBit { bit }) if response.status() == StatusCode::CREATED => {
            // If the block cannot be altered it was not stored, and the response reports that already.
            let _ = digest.map(|digest| state.blocks.flip_bit(digest, bit));
            Ok(response)
        }
        _ => Ok(response),
    }
}

/// The digest under which the body would be stored; `None` for a streaming body.
fn body_digest(request: &SignedRequest) -> Option<Sha256Digest> {
    match request.payload {
        Payload::Buffered { digest, .. } => Some(digest),
        Payload::Streaming(_) => None,
    }
}

fn flip_bit(content: ResponseBody, bit: u64) -> ResponseBody {
    let Some(bytes) = content.bytes().filter(|bytes| !bytes.is_empty()) else { return content };
    let mut bytes = bytes.to_vec();
    let bit = (bit % (bytes.len() as u64 * 8)) as usize;
    bytes[bit / 8] ^= 1 << (bit % 8);
    ResponseBody::Full(bytes.into())
}

fn truncate(content: ResponseBody, to: u64) -> ResponseBody {
    let Some(bytes) = content.bytes() else { return content };
    let len = bytes.len().saturating_sub(1).min(usize::try_from(to).unwrap_or(usize::MAX));
    ResponseBody::Truncated { bytes: bytes.slice(..len), declared: bytes.len() as u64 }
}
