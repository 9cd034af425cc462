//! The parameters of SSM, in plain types. One method is one request (of a paged call, all of them): nothing here waits,
//! retries or decides. Must not name an AWS crate.
//!
//! Follows the SSM API, version 2014-11-06. Facts on which callers rely: each `PutParameter` makes a version whose
//! number is one more than that of the latest; there is no condition on the version that is replaced; a value of the
//! data type [`IMAGE`] is checked after the answer, and a version whose image is not available to the account never
//! appears.

use std::future::Future;

use amiforge_publish::service_error::ServiceError;

/// The data type of a parameter whose value is the id of an image.
pub const IMAGE: &str = "aws:ec2:image";
/// The type of a parameter that holds one plain text.
pub const STRING: &str = "String";

/// Number of versions that SSM keeps of a parameter. The oldest makes room for a new one, unless it has a label: then
/// the new one is refused with `ParameterMaxVersionLimitExceeded`.
pub const MAX_VERSIONS: usize = 100;

/// Maximum number of characters of a parameter's ARN, that is, of its name and what precedes it there.
pub const MAX_ARN: usize = 1011;
/// Maximum number of levels of a name with slashes.
pub const MAX_LEVELS: usize = 15;
/// Maximum number of characters of a label.
pub const MAX_LABEL: usize = 100;

/// SSM's parameters in one region.
pub trait Parameters: Send + Sync + 'static {
    /// Adds a version and returns its number. Without [`NewVersion::overwrite`] an existing parameter is the error
    /// `ParameterAlreadyExists`.
    fn put(&self, version: &NewVersion) -> impl Future<Output = Result<u64, ServiceError>> + Send;

    /// The latest version of a parameter, or that after a colon in the name;
    /// [`ServiceErrorKind::NotFound`](amiforge_publish::service_error::ServiceErrorKind::NotFound) if there is none.
    fn parameter(&self, name: &str) -> impl Future<Output = Result<Parameter, ServiceError>> + Send;

    /// The latest versions of all parameters below a path, at any depth.
    fn parameters_below(
        &self,
        path: &str,
    ) -> impl Future<Output = Result<Vec<Parameter>, ServiceError>> + Send;

    /// The versions of a parameter, by ascending number; `NotFound` if it does not exist.
    fn history(&self, name: &str)
    -> impl Future<Output = Result<Vec<ParameterVersion>, ServiceError>> + Send;

    /// Gives labels to a version; a label that another version has is moved. Returns those that SSM does not accept.
    fn label(
        &self,
        name: &str,
        version: u64,
        labels: &[String],
    ) -> impl Future<Output = Result<Vec<String>, ServiceError>> + Send;

    /// Takes labels off a version.
    fn unlabel(
        &self,
        name: &str,
        version: u64,
        labels: &[String],
    ) -> impl Future<Output = Result<(), ServiceError>> + Send;

    /// Deletes a parameter with all its versions.
    fn delete(&self, name: &str) -> impl Future<Output = Result<(), ServiceError>> + Send;
}

/// SSM clients of all regions, with the same credentials.
pub trait ParameterRegions: Send + Sync {
    /// The client.
    type Parameters: Parameters;

    /// The client of a region.
    fn parameters(&self, region: &str) -> Self::Parameters;
}

/// A version to add.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewVersion {
    /// Name of the parameter.
    pub name: String,
    /// Its value.
    pub value: String,
    /// Its type, such as [`STRING`]; cannot be changed.
    pub kind: String,
    /// Its data type, such as [`IMAGE`]; cannot be changed from or to that one.
    pub data_type: String,
    /// Description of the version, at most 1024 characters.
    pub description: String,
    /// Whether the parameter may exist.
    pub overwrite: bool,
}

/// A parameter with one of its versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// The value of the version.
    pub value: String,
    /// Number of the version, from 1.
    pub version: u64,
    /// Its type.
    pub kind: String,
    /// Its data type.
    pub data_type: String,
    /// When the version was made, in seconds since 1970.
    pub modified: i64,
}

/// A version in a history.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ParameterVersion {
    /// Its number, from 1.
    pub number: u64,
    /// Its value.
    pub value: String,
    /// The type of the parameter.
    pub kind: String,
    /// The data type of the parameter.
    pub data_type: String,
    /// Its description.
    pub description: Option<String>,
    /// Its labels.
    pub labels: Vec<String>,
    /// When it was made, in seconds since 1970.
    pub modified: i64,
    /// ARN of the user who made it.
    pub user: Option<String>,
}
