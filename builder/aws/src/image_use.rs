//! What SSM and Auto Scaling say about the use of images: [`ImageUse`]. SSM 2014-11-06, AWS JSON 1.1; Auto Scaling
//! 2011-01-01.

use amiforge_lifecycle::api::images::{ChannelImage, Held, ImageReference, ImageUse, UseRegions};
use amiforge_publish::service_error::ServiceError;
use aws_config::SdkConfig;
use serde::Deserialize;
use serde_json::{Value, json};

use super::AwsConfig;
use super::query::{Client, Protocol, QueryService, inputs, operations, outputs, paged};

/// Signing name and endpoint id of SSM. The query protocol is not used: calls are JSON.
const SSM: QueryService =
    QueryService { id: "SSM", name: "ssm", version: "2014-11-06", protocol: Protocol::Query };

/// The service Auto Scaling.
const AUTO_SCALING: QueryService = QueryService {
    id: "Auto Scaling",
    name: "autoscaling",
    version: "2011-01-01",
    protocol: Protocol::Query,
};

/// The data type of a parameter that holds an image.
const IMAGE: &str = "aws:ec2:image";
/// Items per page, the maximum of each call.
const MAX_PARAMETERS: u64 = 10;
const MAX_VERSIONS: u64 = 50;
const MAX_GROUPS: u64 = 100;

inputs! {
    /// Lists groups.
    DescribeAutoScalingGroups {
        max_records: Option<u64> = "MaxRecords",
        next_token: Option<String> = "NextToken",
    }

    /// Lists launch configurations.
    DescribeLaunchConfigurations {
        max_records: Option<u64> = "MaxRecords",
        next_token: Option<String> = "NextToken",
    }
}

outputs! {
    /// A page of groups.
    Groups {
        groups: Vec<Group> = "AutoScalingGroups",
        next_token: Option<String> = "NextToken",
    }

    /// A group.
    Group {
        arn: Option<String> = "AutoScalingGroupARN",
        mixed: Option<MixedInstances> = "MixedInstancesPolicy",
    }

    /// A mixed instances policy.
    MixedInstances {
        template: Option<MixedTemplate> = "LaunchTemplate",
    }

    /// The launch template of a mixed instances policy.
    MixedTemplate {
        overrides: Vec<Override> = "Overrides",
    }

    /// An override of a mixed instances policy.
    Override {
        image: Option<String> = "ImageId",
    }

    /// A page of launch configurations.
    LaunchConfigurations {
        configurations: Vec<LaunchConfiguration> = "LaunchConfigurations",
        next_token: Option<String> = "NextToken",
    }

    /// A launch configuration.
    LaunchConfiguration {
        arn: Option<String> = "LaunchConfigurationARN",
        image: Option<String> = "ImageId",
    }
}

operations! {
    /// All calls of Auto Scaling in use here.
    pub CALLS of AUTO_SCALING:
    DescribeAutoScalingGroups -> Groups,
    DescribeLaunchConfigurations -> LaunchConfigurations,
}

paged! {
    DescribeAutoScalingGroups: groups of Group,
    DescribeLaunchConfigurations: configurations of LaunchConfiguration,
}

/// Clients of SSM and Auto Scaling in a region.
#[derive(Debug, Clone)]
pub struct ImageUseClient {
    ssm: Client,
    groups: Client,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ParameterPage {
    #[serde(default)]
    parameters: Vec<Parameter>,
    next_token: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Parameter {
    name: String,
    #[serde(default)]
    value: String,
    data_type: Option<String>,
    #[serde(default)]
    version: u64,
}

impl ImageUseClient {
    pub(super) fn new(sdk: &SdkConfig) -> Self {
        Self { ssm: Client::new(sdk, &SSM), groups: Client::new(sdk, &AUTO_SCALING) }
    }

    /// All parameters of a paged call of SSM.
    async fn parameters(
        &self,
        call: &'static str,
        target: &'static str,
        mut input: Value,
    ) -> Result<Vec<Parameter>, ServiceError> {
        let mut all = Vec::new();
        loop {
            let page: ParameterPage = self.ssm.call_json("SSM", call, target, &input).await?;
            all.extend(page.parameters);
            match page.next_token.filter(|token| !token.is_empty()) {
                Some(token) if input["NextToken"] != token => input["NextToken"] = json!(token),
                _ => return Ok(all),
            }
        }
    }

    async fn history(&self, name: &str) -> Result<Vec<Parameter>, ServiceError> {
        let input = json!({ "Name": name, "MaxResults": MAX_VERSIONS });
        let target = "AmazonSSM.GetParameterHistory";
        let mut versions = self.parameters("GetParameterHistory", target, input).await?;
        versions.sort_by_key(|version| std::cmp::Reverse(version.version));
        Ok(versions)
    }
}

impl UseRegions for AwsConfig {
    type Use = ImageUseClient;

    fn image_use(&self, region: &str) -> ImageUseClient {
        ImageUseClient::new(&self.in_region(region).sdk)
    }
}

impl ImageUse for ImageUseClient {
    async fn channel_images(&self, below: &str) -> Result<Vec<ChannelImage>, ServiceError> {
        let path = match below.trim_end_matches('/') {
            "" => "/",
            path => path,
        };
        let input = json!({ "Path": path, "Recursive": true, "MaxResults": MAX_PARAMETERS });
        let target = "AmazonSSM.GetParametersByPath";
        let mut images = Vec::new();
        for parameter in self.parameters("GetParametersByPath", target, input).await? {
            if parameter.data_type.as_deref() == Some(IMAGE) {
                images.extend(held(&parameter, &self.history(&parameter.name).await?));
            }
        }
        Ok(images)
    }

    async fn group_images(&self) -> Result<Vec<ImageReference>, ServiceError> {
        let (max_records, next_token) = (Some(MAX_GROUPS), None);
        let groups = DescribeAutoScalingGroups { max_records, next_token: next_token.clone() };
        let mut references = Vec::new();
        for group in self.groups.call_pages(groups).await? {
            let template = group.mixed.and_then(|mixed| mixed.template);
            let overrides = template.map(|template| template.overrides).unwrap_or_default();
            for image in overrides.into_iter().filter_map(|one| one.image) {
                let (kind, arn) = ("autoscaling:AutoScalingGroup".to_owned(), group.arn.clone());
                references.push(ImageReference { image, kind, arn: arn.unwrap_or_default() });
            }
        }
        let configurations = DescribeLaunchConfigurations { max_records, next_token };
        match self.groups.call_pages(configurations).await {
            Ok(all) => references.extend(all.into_iter().filter_map(|one| {
                let kind = "autoscaling:LaunchConfiguration".to_owned();
                Some(ImageReference { image: one.image?, kind, arn: one.arn.unwrap_or_default() })
            })),
            // Launch configurations are of the past: a service that does not know them has none.
            Err(error) if error.code.as_deref() == Some("InvalidAction") => {}
            Err(error) => return Err(error),
        }
        Ok(references)
    }
}

/// What a parameter holds and held, each image once; `versions` are the newest first.
fn held(parameter: &Parameter, versions: &[Parameter]) -> Vec<ChannelImage> {
    let mut images = vec![parameter.value.as_str()];
    for version in versions {
        if !images.contains(&version.value.as_str()) {
            images.push(&version.value);
        }
    }
    let held = |(at, image): (usize, &str)| ChannelImage {
        parameter: parameter.name.clone(),
        image: image.to_owned(),
        held: match at {
            0 => Held::Now,
            1 => Held::Before,
            _ => Held::Earlier,
        },
    };
    images.into_iter().enumerate().map(held).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_holds_one_image_and_held_the_others_in_the_order_of_its_versions() {
        let parameter = |value: &str, version| Parameter {
            name: "/amiforge/web/stable".to_owned(),
            value: value.to_owned(),
            data_type: Some(IMAGE.to_owned()),
            version,
        };
        let versions = [("ami-3", 4), ("ami-3", 3), ("ami-2", 2), ("ami-1", 1)];
        let versions = versions.map(|(value, version)| parameter(value, version));
        let held: Vec<_> =
            held(&parameter("ami-3", 4), &versions).into_iter().map(|one| (one.image, one.held)).collect();
        let expected = [("ami-3", Held::Now), ("ami-2", Held::Before), ("ami-1", Held::Earlier)];
        assert_eq!(held, expected.map(|(image, held)| (image.to_owned(), held)));
    }
}
