//! What a resource says of the images that it names, whatever the resource is.

/// A resource that names an image.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ImageReference {
    /// The id of the image.
    pub(crate) image: String,
    /// The resource type, such as `ec2:LaunchTemplate`.
    pub(crate) kind: &'static str,
    /// The ARN of the resource.
    pub(crate) arn: String,
    /// The account that owns the resource.
    pub(crate) owner: String,
}
