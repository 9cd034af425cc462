//! Where a service answers in a region.
//!
//! The partitions and their DNS suffixes are those of `partitions.json` of the AWS SDKs (botocore, 1.44); the rule is
//! that of the `endpoint-rule-set-1.json` of EC2 and Auto Scaling. A test holds both against botocore's own resolver.

use aws_config::SdkConfig;
use aws_types::service_config::ServiceConfigKey;

/// A set of regions with names, accounts and certificates of their own.
struct EndpointPartition {
    /// What the names of its regions begin with.
    prefix: &'static str,
    /// Suffix of the endpoints that answer over IPv4.
    suffix: &'static str,
    /// Suffix of the endpoints that answer over IPv4 and IPv6.
    dual_stack: &'static str,
    /// Whether an endpoint keeps its name where FIPS 140 is asked for, because it is validated anyway.
    fips_without_suffix: bool,
}

const fn partition(
    prefix: &'static str,
    suffix: &'static str,
    dual_stack: &'static str,
) -> EndpointPartition {
    EndpointPartition { prefix, suffix, dual_stack, fips_without_suffix: false }
}

/// Regions of no other partition, new ones among them.
const AWS: EndpointPartition = partition("", "amazonaws.com", "api.aws");

/// Every other partition. No prefix is the beginning of another one.
const PARTITIONS: [EndpointPartition; 7] = [
    EndpointPartition { fips_without_suffix: true, ..partition("us-gov-", "amazonaws.com", "api.aws") },
    partition("cn-", "amazonaws.com.cn", "api.amazonwebservices.com.cn"),
    partition("eusc-", "amazonaws.eu", "api.amazonwebservices.eu"),
    partition("us-iso-", "c2s.ic.gov", "api.aws.ic.gov"),
    partition("us-isob-", "sc2s.sgov.gov", "api.aws.scloud"),
    partition("eu-isoe-", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk"),
    partition("us-isof-", "csp.hci.ic.gov", "api.aws.hci.ic.gov"),
];

/// Which of the endpoints of a region is asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EndpointVariant {
    /// One whose cryptography is validated by FIPS 140.
    pub fips: bool,
    /// One that answers over IPv6, too.
    pub dual_stack: bool,
}

/// Why there is no endpoint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EndpointError {
    /// The name would make another host name than that of a region.
    #[error("`{0}` is not the name of a region")]
    Region(String),
    /// The configuration asks for two things that exclude each other.
    #[error("an endpoint is given, so {0} cannot be asked for as well")]
    Conflict(&'static str),
}

/// The URL of AWS's own endpoint of a service, such as `ec2` or `autoscaling`.
///
/// # Errors
/// [`EndpointError::Region`].
pub fn for_region(service: &str, region: &str, variant: EndpointVariant) -> Result<String, EndpointError> {
    // A region becomes part of a host name: one with a dot or a slash would send signed requests elsewhere.
    let is_label_byte = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if region.is_empty() || region.len() > 63 || region.starts_with('-') || !region.bytes().all(is_label_byte)
    {
        return Err(EndpointError::Region(region.to_owned()));
    }
    let partition = PARTITIONS.iter().find(|partition| region.starts_with(partition.prefix)).unwrap_or(&AWS);
    let suffix = if variant.dual_stack { partition.dual_stack } else { partition.suffix };
    let plain = !variant.fips || (partition.fips_without_suffix && !variant.dual_stack);
    let fips = if plain { "" } else { "-fips" };
    Ok(format!("https://{service}{fips}.{region}.{suffix}"))
}

/// The URL that a configuration gives a service: its own, or that of the region.
pub(super) fn for_config(sdk: &SdkConfig, id: &str, service: &str) -> Result<String, EndpointError> {
    let variant = EndpointVariant {
        fips: sdk.use_fips().unwrap_or_default(),
        dual_stack: sdk.use_dual_stack().unwrap_or_default(),
    };
    match configured_endpoint(sdk, id) {
        Some(_) if variant.fips => Err(EndpointError::Conflict("a FIPS endpoint")),
        Some(_) if variant.dual_stack => Err(EndpointError::Conflict("a dual-stack endpoint")),
        Some(url) => Ok(url),
        None => for_region(service, sdk.region().map_or("", AsRef::as_ref), variant),
    }
}

/// The endpoint in place of AWS's own: the one given to the program, or the one that the environment or the profile
/// sets for the service with this id (`AWS_ENDPOINT_URL_EC2`, a `services` section) or for all.
pub(super) fn configured_endpoint(sdk: &SdkConfig, id: &str) -> Option<String> {
    let endpoint = sdk.endpoint_url().map(str::to_owned);
    if sdk.get_origin("endpoint_url").is_client_config() {
        return endpoint;
    }
    let key = ServiceConfigKey::builder().service_id(id).env("AWS_ENDPOINT_URL").profile("endpoint_url");
    let own = key.build().ok().and_then(|key| sdk.service_config()?.load_config(key));
    own.or(endpoint)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(region: &str, fips: bool, dual_stack: bool) -> String {
        for_region("ec2", region, EndpointVariant { fips, dual_stack }).unwrap()
    }

    #[test]
    fn each_partition_has_its_suffixes_and_new_regions_are_of_the_first() {
        assert_eq!(url("eu-west-1", false, false), "https://ec2.eu-west-1.amazonaws.com");
        assert_eq!(url("xx-new-7", true, false), "https://ec2-fips.xx-new-7.amazonaws.com");
        assert_eq!(url("us-east-1", true, true), "https://ec2-fips.us-east-1.api.aws");
        assert_eq!(url("us-gov-west-1", true, false), "https://ec2.us-gov-west-1.amazonaws.com");
        assert_eq!(url("us-gov-west-1", true, true), "https://ec2-fips.us-gov-west-1.api.aws");
        assert_eq!(url("cn-north-1", false, false), "https://ec2.cn-north-1.amazonaws.com.cn");
        assert_eq!(url("us-isob-east-1", false, false), "https://ec2.us-isob-east-1.sc2s.sgov.gov");
        assert_eq!(url("eusc-de-east-1", false, true), "https://ec2.eusc-de-east-1.api.amazonwebservices.eu");
    }

    #[test]
    fn a_region_that_would_name_another_host_is_refused() {
        for region in
            ["", "eu-west-1.evil.example/", "a@b", "a/b", "a#", "-x", "a:80", "ü-1", &"a".repeat(64)]
        {
            let error = for_region("ec2", region, EndpointVariant::default()).unwrap_err();
            assert_eq!(error, EndpointError::Region(region.to_owned()));
        }
    }
}
