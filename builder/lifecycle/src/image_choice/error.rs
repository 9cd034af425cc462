//! Why no AMI was chosen.

use amiforge_publish::retry::RetryExhausted;

/// Why no AMI was chosen.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImageChoiceError {
    /// There is no such parameter.
    #[error(
        "there is no parameter `{name}` in {region}: public ones are below `/aws/service/`, and those of a channel where \
         `amiforge channels` lists them"
    )]
    NoParameter {
        /// Its name.
        name: String,
        /// The region.
        region: String,
    },
    /// The value of a parameter is no id of an AMI.
    #[error("`{name}` holds no id of an AMI, but {found}")]
    NoImageId {
        /// The parameter.
        name: String,
        /// What it holds.
        found: String,
    },
    /// The AMI of a parameter cannot be taken.
    #[error("{image}{holder} {problem}")]
    Unusable {
        /// The AMI.
        image: String,
        /// What holds its id, between commas.
        holder: String,
        /// Why it cannot be taken, as the rest of the sentence.
        problem: String,
    },
    /// No AMI can be taken.
    #[error("no AMI of {owner} named `{name}` can be taken in {region}: {found}")]
    Nothing {
        /// The owner.
        owner: String,
        /// The pattern of the name.
        name: String,
        /// The region.
        region: String,
        /// What there is.
        found: String,
    },
    /// Several AMIs are meant.
    #[error("which AMI of {owner} named `{name}` is meant is not clear: {ambiguity}")]
    Ambiguous {
        /// The owner.
        owner: String,
        /// The pattern of the name.
        name: String,
        /// What there is.
        ambiguity: String,
    },
    /// A call failed.
    #[error("{action}")]
    Call {
        /// The action that failed, as a gerund.
        action: String,
        /// The cause.
        source: RetryExhausted,
    },
    /// The user interrupted the work.
    #[error("interrupted")]
    Interrupted,
}
