//! Errors of the inventory and of the clean-up.

use amiforge_publish::retry::RetryExhausted;
use amiforge_publish::service_error::{ServiceError, ServiceErrorKind};

/// Why images cannot be listed or changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// A call failed.
    #[error("{action}")]
    Call {
        /// The action that failed, as a gerund.
        action: String,
        /// The cause.
        source: RetryExhausted,
    },
    /// An image that the user names does not exist.
    #[error("{id} is neither among the images and snapshots of {region} nor in its recycle bin")]
    Missing {
        /// Its id.
        id: String,
        /// The region.
        region: String,
    },
    /// An image has no tag of this program.
    #[error("{image} in {region} has no tag `{tag}`, so it was not made by amiforge")]
    NotOurs {
        /// The image.
        image: String,
        /// The region.
        region: String,
        /// The missing tag.
        tag: &'static str,
    },
    /// An image was deregistered, and then something named it.
    #[error("{image} in {region} was deregistered, and since then {reference} names it")]
    NamedSince {
        /// The image.
        image: String,
        /// The region.
        region: String,
        /// The ARN of the resource.
        reference: String,
    },
    /// A snapshot is needed that cannot be restored.
    #[error("{snapshot} of {image} is neither among the snapshots of {region} nor in its recycle bin")]
    SnapshotGone {
        /// The snapshot.
        snapshot: String,
        /// The image that needs it.
        image: String,
        /// The region.
        region: String,
    },
    /// The user interrupted the work.
    #[error("interrupted")]
    Interrupted,
}

impl ImageError {
    /// The error of the service, if a call failed.
    pub fn service(&self) -> Option<&ServiceError> {
        match self {
            Self::Call { source, .. } => Some(&source.error),
            _ => None,
        }
    }

    /// Whether the resource does not exist.
    pub(crate) fn is_missing(&self) -> bool {
        self.service().is_some_and(|error| error.kind == ServiceErrorKind::NotFound)
    }

    /// The error and its causes, on one line.
    pub fn line(&self) -> String {
        let mut line = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            line = format!("{line}: {error}");
            cause = error.source();
        }
        line
    }
}
