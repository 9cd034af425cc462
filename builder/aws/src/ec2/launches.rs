//! The calls of EC2 for launch templates, instances and instance types: converts the types of
//! [`amiforge_lifecycle::api::templates`] to those of the service and back.

use amiforge_lifecycle::api::templates::{
    Instance, InstanceType, NewVersion, Template, TemplateQuery, TemplateVersion, Templates,
};
use amiforge_publish::api::ec2::{DescribedImage, Ec2 as _, ImageQuery, QueryFilter};
use amiforge_publish::service_error::{ServiceError, ServiceErrorKind};

use super::calls::launches::{
    self, CreateLaunchTemplateVersion, DescribeInstanceTypes, DescribeInstances,
    DescribeLaunchTemplateVersions, DescribeLaunchTemplates, ModifyLaunchTemplate, NewLaunchTemplateData,
};
use super::calls::tags::Filter;
use super::{Ec2Client, MAX_RESULTS, missing_id, outputs};

/// Launch templates and versions per page, the maximum of the service.
const MAX_TEMPLATES: u64 = 200;

impl Templates for Ec2Client {
    async fn describe_templates(&self, query: &TemplateQuery) -> Result<Vec<Template>, ServiceError> {
        let mut call = DescribeLaunchTemplates {
            max_results: Some(MAX_TEMPLATES),
            ..DescribeLaunchTemplates::default()
        };
        match query {
            TemplateQuery::Ids(ids) => call.ids.clone_from(ids),
            TemplateQuery::Names(names) => call.names.clone_from(names),
            TemplateQuery::Tag(key, value) => {
                let exact = QueryFilter::exact(format!("tag:{key}"), value);
                call.filters = vec![Filter { name: exact.name, values: exact.values }];
            }
        }
        let template = |one: launches::LaunchTemplate| Template {
            id: one.id.unwrap_or_default(),
            name: one.name.unwrap_or_default(),
            default: one.default.unwrap_or_default(),
            latest: one.latest.unwrap_or_default(),
            tags: outputs::tags(one.tags),
        };
        Ok(self.client.call_pages(call).await?.into_iter().map(template).collect())
    }

    async fn describe_versions(&self, template: &str) -> Result<Vec<TemplateVersion>, ServiceError> {
        let call = DescribeLaunchTemplateVersions {
            template: template.to_owned(),
            max_results: Some(MAX_TEMPLATES),
            next_token: None,
        };
        let version = |one: launches::LaunchTemplateVersion| {
            let data = one.data.unwrap_or_default();
            TemplateVersion {
                number: one.number.unwrap_or_default(),
                description: one.description,
                image: data.image,
                instance_type: data.instance_type,
            }
        };
        Ok(self.client.call_pages(call).await?.into_iter().map(version).collect())
    }

    async fn create_version(&self, version: &NewVersion) -> Result<u64, ServiceError> {
        let call = CreateLaunchTemplateVersion {
            template: version.template.clone(),
            source: version.source.to_string(),
            description: version.description.clone(),
            token: version.token.clone(),
            data: NewLaunchTemplateData { image: version.image.clone() },
        };
        let output = self.client.call(&call).await?;
        let number = output.version.and_then(|version| version.number);
        number.ok_or_else(|| missing_id("CreateLaunchTemplateVersion"))
    }

    async fn set_default_version(&self, template: &str, version: u64) -> Result<(), ServiceError> {
        let call = ModifyLaunchTemplate { template: template.to_owned(), default: version.to_string() };
        self.client.call(&call).await.map(drop)
    }

    async fn describe_instances(&self, ids: &[String]) -> Result<Vec<Instance>, ServiceError> {
        // By a filter, because one id that does not exist would be an error for all.
        let filter = Filter { name: "instance-id".to_owned(), values: ids.to_vec() };
        let call =
            DescribeInstances { filters: vec![filter], max_results: Some(MAX_RESULTS), next_token: None };
        let instance = |one: launches::Instance| Instance {
            id: one.id.unwrap_or_default(),
            image: one.image,
            state: one.state.and_then(|state| state.name).unwrap_or_default(),
        };
        let reservations = self.client.call_pages(call).await?;
        Ok(reservations.into_iter().flat_map(|one| one.instances).map(instance).collect())
    }

    async fn describe_instance_types(&self, names: &[String]) -> Result<Vec<InstanceType>, ServiceError> {
        let call = DescribeInstanceTypes { names: names.to_vec(), next_token: None };
        let kind = |one: launches::InstanceTypeInfo| InstanceType {
            name: one.name.unwrap_or_default(),
            architectures: one.processor.unwrap_or_default().architectures,
            boot_modes: one.boot_modes,
        };
        Ok(self.client.call_pages(call).await?.into_iter().map(kind).collect())
    }

    async fn describe_image(&self, id: &str) -> Result<DescribedImage, ServiceError> {
        let image = self.describe_images(&ImageQuery::by_id(id)).await?.into_iter().next();
        let message = format!("the image `{id}` does not exist");
        image.ok_or_else(|| ServiceError::local(ServiceErrorKind::NotFound, message))
    }
}
