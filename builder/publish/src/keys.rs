//! Aliases of keys become keys before anything is written: `StartSnapshot` takes the ARN of a key only, and what is wrong
//! with a key shows there, and for copies, only when the snapshot fails.

use super::api::{KeyRegions, Keys};
use super::request::KeyChoice;
use super::retry::{CallStep, NoObserver, RetryExhausted, retry};
use super::service_error::ServiceErrorKind;
use super::timer::Timer;

/// The material of a key that EBS takes.
const SYMMETRIC: &str = "SYMMETRIC_DEFAULT";

/// Why a key cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The service does not say which key is meant.
    #[error("asking which key `{name}` is in {region}")]
    Call {
        /// As the user names it.
        name: String,
        /// Where.
        region: String,
        /// Why.
        source: RetryExhausted,
    },
    /// No snapshot can be encrypted with it.
    #[error("the key of `{name}` in {region} cannot encrypt a snapshot: {reason}")]
    Unusable {
        /// As the user names it.
        name: String,
        /// Where.
        region: String,
        /// Why.
        reason: String,
    },
}

/// The key that is meant, by its ARN where an alias names it.
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
    /// Whether the region did not answer, which says nothing of the key.
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
