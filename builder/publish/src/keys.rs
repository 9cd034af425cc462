//! Resolves aliases of KMS keys before anything is written: `StartSnapshot` accepts the ARN of a key only. A wrong key
//! would otherwise show there, and for a copy only when its snapshot fails.

use super::api::{KeyRegions, Keys};
use super::request::KeyChoice;
use super::retry::{CallStep, NoObserver, RetryExhausted, retry};
use super::service_error::ServiceErrorKind;
use super::timer::Timer;

/// The key spec that EBS accepts.
const SYMMETRIC: &str = "SYMMETRIC_DEFAULT";

/// Why a key cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The service did not return the key.
    #[error("asking which key `{name}` is in {region}")]
    Call {
        /// The key as the user named it.
        name: String,
        /// The region.
        region: String,
        /// The cause.
        source: RetryExhausted,
    },
    /// The key cannot encrypt a snapshot.
    #[error("the key of `{name}` in {region} cannot encrypt a snapshot: {reason}")]
    Unusable {
        /// The key as the user named it.
        name: String,
        /// The region.
        region: String,
        /// The reason.
        reason: String,
    },
}

/// Replaces an alias by the ARN of its key.
///
/// # Errors
/// [`KeyError`].
pub async fn resolve(
    regions: &impl KeyRegions,
    timer: &Timer,
    region: &str,
    key: &KeyChoice,
) -> Result<KeyChoice, KeyError> {
    let KeyChoice::Alias(name) = key else { return Ok(key.clone()) };
    let keys = regions.keys(region);
    let described = retry(timer, CallStep::Idempotent, &NoObserver, || keys.key(name)).await;
    let described = described.map_err(|source| KeyError::Call {
        name: name.clone(),
        region: region.to_owned(),
        source,
    })?;
    let reason = match (described.state.as_str(), described.spec.as_str()) {
        ("Enabled", SYMMETRIC) => return Ok(KeyChoice::Arn(described.arn)),
        ("Enabled", spec) => format!("it is of the kind {spec}, and EBS takes symmetric keys only"),
        (state, _) => format!("it is {state}, not Enabled"),
    };
    Err(KeyError::Unusable { name: name.clone(), region: region.to_owned(), reason })
}

impl KeyError {
    /// Whether the region did not respond, so that the key may be valid.
    pub fn is_region_failure(&self) -> bool {
        let Self::Call { source, .. } = self else { return false };
        matches!(
            source.error.kind,
            ServiceErrorKind::Throttled
                | ServiceErrorKind::Service
                | ServiceErrorKind::Transport
                | ServiceErrorKind::TimedOut
        )
    }
}
