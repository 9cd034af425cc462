//! Endpoints of services.
//!
//! The partitions and their DNS suffixes are those of `partitions.json` of the AWS SDKs (botocore, 1.44); the rule is
//! that of the `endpoint-rule-set-1.json` of EC2 and Auto Scaling, and for S3 its own. A test compares both with
//! botocore's own resolver.

use aws_config::SdkConfig;
use aws_types::service_config::ServiceConfigKey;

/// A partition: a set of regions with its own names, accounts and certificates.
struct EndpointPartition {
    /// Prefix of the names of its regions.
    prefix: &'static str,
    /// DNS suffix of endpoints with IPv4.
    suffix: &'static str,
    /// DNS suffix of endpoints with IPv4 and IPv6.
    dual_stack: &'static str,
    /// Whether FIPS endpoints have no suffix in their name, because all endpoints are validated.
    fips_without_suffix: bool,
}

const fn partition(
    prefix: &'static str,
    suffix: &'static str,
    dual_stack: &'static str,
) -> EndpointPartition {
    EndpointPartition { prefix, suffix, dual_stack, fips_without_suffix: false }
}

/// The partition of all other regions, including new ones.
const AWS: EndpointPartition = partition("", "amazonaws.com", "api.aws");

/// All other partitions. No prefix is the beginning of another one.
const PARTITIONS: [EndpointPartition; 7] = [
    EndpointPartition { fips_without_suffix: true, ..partition("us-gov-", "amazonaws.com", "api.aws") },
    partition("cn-", "amazonaws.com.cn", "api.amazonwebservices.com.cn"),
    partition("eusc-", "amazonaws.eu", "api.amazonwebservices.eu"),
    partition("us-iso-", "c2s.ic.gov", "api.aws.ic.gov"),
    partition("us-isob-", "sc2s.sgov.gov", "api.aws.scloud"),
    partition("eu-isoe-", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk"),
    partition("us-isof-", "csp.hci.ic.gov", "api.aws.hci.ic.gov"),
];

/// Variant of an endpoint.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EndpointVariant {
    /// Cryptography validated by FIPS 140.
    pub fips: bool,
    /// IPv6 as well as IPv4.
    pub dual_stack: bool,
}

/// Why there is no endpoint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EndpointError {
    /// The text is not a region name, and would change the host name.
    #[error("`{0}` is not the name of a region")]
    Region(String),
    /// There is no such endpoint.
    #[error("S3 has no FIPS endpoint in `{0}`")]
    NoFips(String),
    /// The configuration has two settings that exclude each other.
    #[error("an endpoint is configured, so {0} cannot be requested as well")]
    Conflict(&'static str),
}

/// The URL of AWS's endpoint of a service, such as `ec2` or `autoscaling`.
///
/// # Errors
/// [`EndpointError::Region`].
pub fn for_region(service: &str, region: &str, variant: EndpointVariant) -> Result<String, EndpointError> {
    // The region becomes part of a host name: with a dot or a slash in it, signed requests would go to another host.
    let is_label_byte = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if region.is_empty() || region.len() > 63 || region.starts_with('-') || !region.bytes().all(is_label_byte)
    {
        return Err(EndpointError::Region(region.to_owned()));
    }
    let partition = PARTITIONS.iter().find(|partition| region.starts_with(partition.prefix)).unwrap_or(&AWS);
    if service == "s3" {
        return for_s3(partition, region, variant);
    }
    let suffix = if variant.dual_stack { partition.dual_stack } else { partition.suffix };
    let plain = !variant.fips || (partition.fips_without_suffix && !variant.dual_stack);
    let fips = if plain { "" } else { "-fips" };
    Ok(format!("https://{service}{fips}.{region}.{suffix}"))
}

/// S3 has one suffix for both variants, and a label for dual stack (its `endpoint-rule-set-1.json`, path-style).
fn for_s3(
    partition: &EndpointPartition,
    region: &str,
    variant: EndpointVariant,
) -> Result<String, EndpointError> {
    if variant.fips && partition.prefix == "cn-" {
        return Err(EndpointError::NoFips(region.to_owned()));
    }
    let fips = if variant.fips { "-fips" } else { "" };
    let dual_stack = if variant.dual_stack { ".dualstack" } else { "" };
    Ok(format!("https://s3{fips}{dual_stack}.{region}.{}", partition.suffix))
}

/// The URL of a service in a configuration: a configured endpoint, or that of the region.
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

/// The configured endpoint of a service: the option of the program, or the setting of the environment or the profile
/// for the service with this id (`AWS_ENDPOINT_URL_EC2`, a `services` section) or for all services.
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
