//! What SSM and Auto Scaling say about the use of images: [`ImageUse`].

use amiforge_lifecycle::api::images::{ChannelImage, Held, ImageReference, ImageUse, UseRegions};
use amiforge_lifecycle::api::parameters::{IMAGE, Parameter, ParameterVersion, Parameters as _};
use amiforge_publish::service_error::ServiceError;
use aws_config::SdkConfig;

use super::{AutoScalingClient, AwsConfig, SsmClient};

/// Clients of SSM and Auto Scaling in a region.
#[derive(Debug, Clone)]
pub struct ImageUseClient {
    parameters: SsmClient,
    groups: AutoScalingClient,
}

impl ImageUseClient {
    pub(super) fn new(sdk: &SdkConfig) -> Self {
        Self { parameters: SsmClient::new(sdk), groups: AutoScalingClient::new(sdk) }
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
        let mut images = Vec::new();
        for parameter in self.parameters.parameters_below(path).await? {
            if parameter.data_type == IMAGE {
                images.extend(held(&parameter, &self.parameters.history(&parameter.name).await?));
            }
        }
        Ok(images)
    }

    async fn group_images(&self) -> Result<Vec<ImageReference>, ServiceError> {
        self.groups.image_references().await
    }
}

/// What a parameter holds and held, each image once; `versions` by ascending number.
fn held(parameter: &Parameter, versions: &[ParameterVersion]) -> Vec<ChannelImage> {
    let mut images = vec![parameter.value.as_str()];
    for version in versions.iter().rev() {
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
        let parameter = Parameter {
            name: "/amiforge/web/stable".to_owned(),
            value: "ami-3".to_owned(),
            version: 4,
            kind: "String".to_owned(),
            data_type: IMAGE.to_owned(),
            modified: 0,
        };
        let versions = [("ami-1", 1), ("ami-2", 2), ("ami-3", 3), ("ami-3", 4)];
        let version = |(value, number): (&str, u64)| ParameterVersion {
            number,
            value: value.to_owned(),
            ..ParameterVersion::default()
        };
        let held: Vec<_> =
            held(&parameter, &versions.map(version)).into_iter().map(|one| (one.image, one.held)).collect();
        let expected = [("ami-3", Held::Now), ("ami-2", Held::Before), ("ami-1", Held::Earlier)];
        assert_eq!(held, expected.map(|(image, held)| (image.to_owned(), held)));
    }
}
