//! Other partitions: a bundle is published with a profile of each, and names, ARNs and endpoints are of the partition of
//! the region.

use std::path::PathBuf;
use std::process::{Command, Output};

use amiforge_tests::region::Region;
use amiforge_tests::{program, scratch};
use serde_json::Value;

use crate::register::fixture::build;

/// Regions of four partitions, with the partition.
const REGIONS: [(&str, &str); 4] = [
    ("eu-west-1", "aws"),
    ("cn-north-1", "aws-cn"),
    ("us-gov-west-1", "aws-us-gov"),
    ("eusc-de-east-1", "aws-eusc"),
];

struct Profiles {
    _folder: tempfile::TempDir,
    region: Region,
    bundle: PathBuf,
    config: PathBuf,
    credentials: PathBuf,
}

impl Profiles {
    /// A region server, and one profile for each partition.
    fn new() -> Self {
        let folder = scratch::folder();
        let bundle = build(folder.path(), "web", 1);
        let region = Region::start(&folder.path().join("region"));
        let (config, credentials) = (folder.path().join("config"), folder.path().join("credentials"));
        let profile = |(name, partition): &(&str, &str)| {
            let endpoint = region.running.endpoint();
            format!("[profile {partition}]\nregion = {name}\nendpoint_url = {endpoint}\n\n")
        };
        std::fs::write(&config, REGIONS.iter().map(profile).collect::<String>()).unwrap();
        let key = |(_, partition): &(&str, &str)| {
            format!(
                "[{partition}]\naws_access_key_id = AKIALOCALREGION00000\naws_secret_access_key = local-region-secret-key\n\n"
            )
        };
        std::fs::write(&credentials, REGIONS.iter().map(key).collect::<String>()).unwrap();
        Self { _folder: folder, region, bundle, config, credentials }
    }

    fn run(&self, args: &[&str]) -> Output {
        Command::new(program::path())
            .args(args)
            .env_remove("AWS_REGION")
            .env_remove("AWS_PROFILE")
            .env("AWS_CONFIG_FILE", &self.config)
            .env("AWS_SHARED_CREDENTIALS_FILE", &self.credentials)
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .output()
            .unwrap()
    }

    fn must(&self, args: &[&str]) -> Value {
        let output = self.run(&[args, &["--json"]].concat());
        let err = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{args:?}: {err}");
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

#[test]
fn one_bundle_is_published_to_every_partition_with_a_profile_of_each() {
    let profiles = Profiles::new();
    let bundle = profiles.bundle.to_string_lossy().into_owned();
    for (region, partition) in REGIONS {
        let published = profiles.must(&["publish", &bundle, "--profile", partition]);
        assert_eq!(published["region"], region, "{published}");
        let organization = format!("arn:{partition}:organizations::123456789012:organization/o-abc1234567");
        let image = published["imageId"].as_str().unwrap();
        let shared = profiles.must(&["share", image, "--with", &organization, "--profile", partition]);
        assert_eq!(shared["regions"][0]["launch"][0], organization.as_str(), "{shared}");
    }
    assert_eq!(profiles.region.successes("RegisterImage"), REGIONS.len());
    // Each run was signed for its own region, and nothing was sent to another.
    let regions: std::collections::BTreeSet<String> =
        profiles.region.request_log.requests().into_iter().map(|request| request.region).collect();
    assert_eq!(regions, REGIONS.iter().map(|(region, _)| (*region).to_owned()).collect());
}

#[test]
fn policies_of_every_command_name_the_partition_of_the_region() {
    let profiles = Profiles::new();
    let bundle = profiles.bundle.to_string_lossy().into_owned();
    for (region, partition) in REGIONS {
        for args in [
            vec!["publish", &bundle, "--copy-to", region_beside(region)],
            vec!["share", "ami-1", "--with", "111122223333"],
            vec!["unshare", "ami-1", "--everyone"],
            vec!["backup", "ami-1", "--bucket", "backups"],
            vec!["restore-image", "--bucket", "backups", "--key", "k", "--name", "web"],
            vec!["copy", "ami-1", "--to", region_beside(region)],
            vec!["snapshot", "lock", "snap-1", "--for", "1d"],
        ] {
            let plan = profiles.must(&[&args[..], &["--dry-run", "--region", region]].concat());
            let policy = plan["policy"].to_string();
            let arns: Vec<&str> = policy.split('"').filter(|word| word.starts_with("arn:")).collect();
            assert!(!arns.is_empty(), "{args:?}: {policy}");
            for arn in arns {
                assert_eq!(arn.split(':').nth(1), Some(partition), "{args:?}: {arn}");
            }
        }
    }
}

/// Another region of the same partition.
fn region_beside(region: &str) -> &'static str {
    match region {
        "cn-north-1" => "cn-northwest-1",
        "us-gov-west-1" => "us-gov-east-1",
        "eusc-de-east-1" => "eusc-de-east-2",
        _ => "eu-central-1",
    }
}
