//! Launch templates and their versions, the instances that run, and what instance types can run (EC2 API version
//! 2016-11-15).

use std::future::Future;

use amiforge_publish::api::ec2::{DescribedImage, Tags};
use amiforge_publish::service_error::ServiceError;

/// EC2 in one region, as launches need it. One method is one request (a listing: one for each page).
pub trait Templates: Send + Sync {
    /// Launch templates.
    fn describe_templates(
        &self,
        query: &TemplateQuery,
    ) -> impl Future<Output = Result<Vec<Template>, ServiceError>> + Send;

    /// All versions of a template.
    fn describe_versions(
        &self,
        template: &str,
    ) -> impl Future<Output = Result<Vec<TemplateVersion>, ServiceError>> + Send;

    /// Makes a version and returns its number. An equal client token returns the same version.
    fn create_version(&self, version: &NewVersion) -> impl Future<Output = Result<u64, ServiceError>> + Send;

    /// Sets the default version of a template.
    fn set_default_version(
        &self,
        template: &str,
        version: u64,
    ) -> impl Future<Output = Result<(), ServiceError>> + Send;

    /// The instances with these ids that exist; at most 100 ids. Others are left out.
    fn describe_instances(
        &self,
        ids: &[String],
    ) -> impl Future<Output = Result<Vec<Instance>, ServiceError>> + Send;

    /// The instance types with these names; at most 100.
    fn describe_instance_types(
        &self,
        names: &[String],
    ) -> impl Future<Output = Result<Vec<InstanceType>, ServiceError>> + Send;

    /// The image with an id, of any owner and state; `InvalidAMIID.NotFound` if there is none.
    fn describe_image(&self, id: &str) -> impl Future<Output = Result<DescribedImage, ServiceError>> + Send;
}

/// Which templates to describe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TemplateQuery {
    /// By ids.
    Ids(Vec<String>),
    /// By names.
    Names(Vec<String>),
    /// By a tag: key and value.
    Tag(String, String),
}

/// A launch template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// `lt-…`
    pub id: String,
    /// Its name.
    pub name: String,
    /// The number of its default version.
    pub default: u64,
    /// The number of its latest version.
    pub latest: u64,
    /// Its tags.
    pub tags: Tags,
}

/// A version of a launch template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateVersion {
    /// Its number.
    pub number: u64,
    /// Its description.
    pub description: Option<String>,
    /// The image: `ami-…`, or `resolve:ssm:NAME`.
    pub image: Option<String>,
    /// The instance type.
    pub instance_type: Option<String>,
}

/// A version to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewVersion {
    /// The template, by its id.
    pub template: String,
    /// The version from which everything but the image is taken.
    pub source: u64,
    /// The image: `ami-…`, or `resolve:ssm:NAME`.
    pub image: String,
    /// Its description, of at most 255 characters.
    pub description: String,
    /// Client token of at most 64 characters.
    pub token: String,
}

/// An instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// `i-…`
    pub id: String,
    /// The image that it was launched from.
    pub image: Option<String>,
    /// `running`, `pending` and others.
    pub state: String,
}

/// What an instance type can run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceType {
    /// `t3.micro`, …
    pub name: String,
    /// `x86_64`, `arm64` and others.
    pub architectures: Vec<String>,
    /// `uefi` and `legacy-bios`; empty if the service does not say.
    pub boot_modes: Vec<String>,
}
