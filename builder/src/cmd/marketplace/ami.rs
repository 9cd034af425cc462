//! What AWS Marketplace asks of the fields of an AMI (AWS Marketplace Seller Guide, "AMI-based product requirements",
//! architecture policies, and "Submit your AMI", 2026-11).

use amiforge_lifecycle::call_plan::image_fields;
use amiforge_machine::preflight::{PreflightFinding, PreflightSeverity};
use amiforge_progress::Monitor;
use amiforge_publish::ami::AmiRegion;
use amiforge_publish::api::ec2::DescribedImage;

use crate::cmd::call_plan::DryRunArgs;
use crate::cmd::{ami_args, region};
use crate::outcome::{CommandResult, Failure};
use crate::signals::interrupt_on_signals;
use crate::ui::Ui;

/// The region in which AWS Marketplace takes AMIs.
const REGION: &str = "us-east-1";

/// Shows the calls, if this was asked for.
pub(super) fn plan(id: &str, plan: &DryRunArgs, aws: &region::Args, ui: &Ui) -> Option<CommandResult> {
    plan.shown(&format!("look at {id}"), aws, image_fields, ui)
}

/// The findings about an AMI.
pub(super) fn check(id: &str, aws: &region::Args) -> Result<Vec<PreflightFinding>, Failure> {
    let cannot = format!("cannot look at {id}");
    let id = region::image_id(id)
        .map_err(|reason| Failure::usage(anyhow::anyhow!(reason).context(cannot.clone())))?;
    let cancel = interrupt_on_signals()?;
    let connected = aws.connect(&cancel)?;
    let services = connected.services();
    let region = AmiRegion {
        name: &services.region,
        ec2: &*services.ec2,
        timer: &services.timer,
        monitor: Monitor::new(&amiforge_progress::Silent, &cancel),
    };
    let image = connected.block_on(region.find_image(&id));
    let image = image.map_err(|error| ami_args::failure(error, cannot.clone(), None))?;
    let missing = || {
        let error = anyhow::anyhow!("there is no such AMI in {}", services.region).context(cannot);
        Failure::from(error).hint("is it the right region?")
    };
    Ok(findings(&image.ok_or_else(missing)?, &services.region))
}

fn findings(image: &DescribedImage, region: &str) -> Vec<PreflightFinding> {
    let mut all = Vec::new();
    let mut add = |severity, check, what: String, remedy: &str| {
        all.push(PreflightFinding { severity, check, what, remedy: remedy.to_owned() });
    };
    let (failure, warning) = (PreflightSeverity::Failure, PreflightSeverity::Warning);
    let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "none".to_owned());
    if !matches!(image.architecture.as_deref(), Some("x86_64" | "arm64")) {
        let what = format!("the architecture is {}, and products are for 64 bits", text(&image.architecture));
        add(failure, "architecture", what, "build it for x86_64 or arm64");
    }
    if image.virtualization.as_deref() != Some("hvm") {
        let what = format!("the virtualization is {}", text(&image.virtualization));
        add(failure, "architecture", what, "register it as hvm");
    }
    if image.ena != Some(true) {
        add(failure, "ena", "ENA is not enabled".to_owned(), "register it with ENA, as `publish` does");
    }
    if image.imds.as_deref() != Some("v2.0") {
        let what = "machines may use the metadata service without tokens (IMDSv1)".to_owned();
        add(failure, "metadata", what, "publish it without `--allow-imdsv1`");
    }
    if image.boot_mode.is_none() {
        let what = "no boot mode is set: the default of the instance type decides".to_owned();
        add(warning, "boot-mode", what, "register it with a boot mode");
    }
    for mapping in image.mappings.iter().filter(|mapping| mapping.encrypted.is_on()) {
        let what = format!("the volume {} is encrypted, so the scanner cannot read it", mapping.device);
        add(failure, "encryption", what, "publish it without encryption; buyers encrypt their copies");
    }
    if image.state != "available" {
        add(failure, "state", format!("it is `{}`", image.state), "wait, or publish it again");
    }
    if region != REGION {
        let what = format!("it is in {region}, and AWS Marketplace takes AMIs of {REGION}");
        add(warning, "region", what, "`amiforge copy AMI --to us-east-1` copies it");
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use amiforge_publish::api::ec2::{DeviceMapping, Encrypted};

    #[test]
    fn each_field_that_is_refused_is_a_finding() {
        let good = DescribedImage {
            state: "available".to_owned(),
            architecture: Some("arm64".to_owned()),
            virtualization: Some("hvm".to_owned()),
            boot_mode: Some("uefi".to_owned()),
            ena: Some(true),
            imds: Some("v2.0".to_owned()),
            ..DescribedImage::default()
        };
        assert_eq!(findings(&good, "us-east-1"), []);
        let encrypted = DeviceMapping { encrypted: Encrypted::Key(None), ..DeviceMapping::default() };
        let bad = DescribedImage { mappings: vec![encrypted], ..DescribedImage::default() };
        let checks: Vec<_> = findings(&bad, "eu-west-1").iter().map(|finding| finding.check).collect();
        let expected =
            ["architecture", "architecture", "ena", "metadata", "boot-mode", "encryption", "state", "region"];
        assert_eq!(checks, expected);
    }
}
