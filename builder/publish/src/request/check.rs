//! Validates options into a [`Request`]: the rules that involve several options.

use super::volume::{FurtherVolume, VolumeContent};
use super::{
    AmiOptions, Arch, Audience, BootMode, Deprecation, ImageFacts, KeyChoice, Request, RequestMistake,
    RequestMistakes, Share, Tpm, copies, partition, region, share, text, uefi, volume_option, watermark,
};
use crate::api::ec2::Tags;

/// Validates `options` for an image with `facts` in the region `home`; `now` is in seconds since 1970.
///
/// # Errors
/// [`RequestMistakes`], with all mistakes.
pub fn check(
    options: &AmiOptions,
    facts: &ImageFacts,
    home: &str,
    now: i64,
) -> Result<Request, RequestMistakes> {
    let mut mistakes = Vec::new();
    let collected = &mut mistakes;
    collect(region::check_name("--region", home), collected);
    let name = collect(text::ami_name(options.name.as_deref(), facts), collected).unwrap_or_default();
    let description = collect(text::description(options.description.as_deref(), facts), collected).flatten();
    let architecture = collect(architecture(options, facts), collected).unwrap_or(Arch::X86_64);
    let boot_mode = collect(boot_mode(options, facts, architecture), collected);
    let uefi_data = collect(uefi::choose(options.uefi_data.as_deref(), facts), collected).flatten();
    let tpm = match boot_mode {
        Some(BootMode::Uefi) if facts.measured => Tpm::V2,
        _ => options.tpm,
    };
    if let Some(boot_mode) = boot_mode {
        check_firmware(options, boot_mode, architecture, collected);
    }
    let root_device =
        options.root_device.clone().unwrap_or_else(|| options.platform.root_device().to_owned());
    let root = volume_option::parse_root(options.root_volume.as_deref(), facts.gib, collected);
    let volumes: Vec<_> =
        options.volumes.iter().filter_map(|text| volume_option::parse_further(text, collected)).collect();
    check_devices(&root_device, &volumes, collected);
    let tags = text::tags(&options.tags, &name, facts.tags.len(), collected);
    let watermark = collect(watermark::check(options, facts), collected).flatten();
    let deprecation = options
        .deprecate
        .as_ref()
        .and_then(|when| collect(Deprecation::parse(when, now, options.audience), collected));
    let share = share::check(&options.share, options.audience, options.snapshots, partition(home), collected);
    let copies = copies::check(options, home, collected);
    if let KeyChoice::Arn(key) | KeyChoice::Alias(key) = &options.encryption {
        collect(copies::check_key("--kms-key", key, home), collected);
    }
    let request = Request {
        region: home.to_owned(),
        name,
        description,
        architecture,
        boot_mode: boot_mode.unwrap_or(BootMode::Uefi),
        tpm,
        uefi_data,
        imds: options.imds,
        root_device,
        root,
        encryption: options.encryption.clone(),
        volumes,
        tags,
        digests: facts.tags.clone(),
        watermark,
        deprecation,
        protection: options.protection,
        share,
        copies,
    };
    check_sharing(&request, collected);
    if mistakes.is_empty() { Ok(request) } else { Err(RequestMistakes(mistakes)) }
}

/// Validates the options for a snapshot alone. Returns the requested tags; `own_tags` is the number of tags that
/// identify the bundle.
///
/// # Errors
/// [`RequestMistakes`], with all mistakes.
pub fn check_snapshot(options: &AmiOptions, own_tags: usize, home: &str) -> Result<Tags, RequestMistakes> {
    let mut mistakes = Vec::new();
    collect(region::check_name("--region", home), &mut mistakes);
    if options.description.is_some() {
        collect(text::description(options.description.as_deref(), &ImageFacts::default()), &mut mistakes);
    }
    if let KeyChoice::Arn(key) | KeyChoice::Alias(key) = &options.encryption {
        collect(copies::check_key("--kms-key", key, home), &mut mistakes);
    }
    let tags = text::parse_tags(&options.tags, &mut mistakes);
    text::check_tag_count(&tags, own_tags, &mut mistakes);
    if mistakes.is_empty() { Ok(tags) } else { Err(RequestMistakes(mistakes)) }
}

/// Returns the value of a check, or collects its mistake.
fn collect<T>(outcome: Result<T, RequestMistake>, mistakes: &mut Vec<RequestMistake>) -> Option<T> {
    outcome.map_err(|mistake| mistakes.push(mistake)).ok()
}

fn architecture(options: &AmiOptions, facts: &ImageFacts) -> Result<Arch, RequestMistake> {
    match (options.architecture, facts.architecture) {
        (Some(requested), Some(built)) if requested != built => {
            let problem = format!(
                "`{}` is requested, and the image is for `{}`",
                requested.ec2_name(),
                built.ec2_name()
            );
            Err(RequestMistake::new("--arch", problem, "leave the option out"))
        }
        (Some(known), _) | (None, Some(known)) => Ok(known),
        (None, None) => {
            let problem = "nothing says which architecture the image is for";
            Err(RequestMistake::new("--arch", problem, "give `--arch x86_64` or `--arch arm64`"))
        }
    }
}

fn boot_mode(
    options: &AmiOptions,
    facts: &ImageFacts,
    architecture: Arch,
) -> Result<BootMode, RequestMistake> {
    const OPTION: &str = "--boot-mode";
    let derived = facts.boot_mode.or((!architecture.has_bios()).then_some(BootMode::Uefi));
    let mistake = |problem: String, remedy: &str| Err(RequestMistake::new(OPTION, problem, remedy));
    match (options.boot_mode, derived) {
        (Some(requested), _) if !architecture.has_bios() && requested != BootMode::Uefi => mistake(
            format!(
                "`{}` is requested, and {} machines have UEFI only",
                requested.ec2_name(),
                architecture.ec2_name()
            ),
            "leave the option out",
        ),
        (Some(requested), Some(built)) if requested != built && built != BootMode::Hybrid => {
            let problem = format!(
                "`{}` is requested, and the partitions allow `{}` only",
                requested.ec2_name(),
                built.ec2_name()
            );
            mistake(
                problem,
                "leave the option out, or build the image with the partition that is missing (ESP for UEFI, BIOS boot for BIOS)",
            )
        }
        (Some(known), _) | (None, Some(known)) => Ok(known),
        (None, None) => mistake(
            "the image has neither an ESP nor a BIOS boot partition, so nothing says how it boots".to_owned(),
            "give `--boot-mode uefi`, `legacy-bios` or `uefi-preferred`",
        ),
    }
}

/// TPM and UEFI variables need a boot mode that supports them.
fn check_firmware(
    options: &AmiOptions,
    boot_mode: BootMode,
    architecture: Arch,
    mistakes: &mut Vec<RequestMistake>,
) {
    let mode_name = boot_mode.ec2_name();
    if options.tpm == Tpm::V2 && boot_mode != BootMode::Uefi {
        let remedy = match (boot_mode, architecture) {
            (BootMode::Hybrid, _) => "add `--boot-mode uefi`, or leave `--tpm` out",
            _ => "leave `--tpm` out, or build the image with an ESP",
        };
        mistakes.push(RequestMistake::new(
            "--tpm",
            format!("NitroTPM needs the boot mode `uefi`, and this is `{mode_name}`"),
            remedy,
        ));
    }
    if options.uefi_data.is_some() && boot_mode == BootMode::Bios {
        let problem = format!("the boot mode is `{mode_name}`, which has no UEFI variables");
        mistakes.push(RequestMistake::new(
            "--uefi-data",
            problem,
            "leave it out, or build the image with an ESP",
        ));
    }
}

/// Device names must be unique, also after the kernel's mapping of `sd` to `xvd`.
fn check_devices(root: &str, volumes: &[FurtherVolume], mistakes: &mut Vec<RequestMistake>) {
    let mut taken: Vec<(String, &str)> = Vec::new();
    match volume_option::device_letters("--root-device", root) {
        Ok(letters) => taken.push((letters, root)),
        Err(mistake) => mistakes.push(mistake),
    }
    for FurtherVolume { device, .. } in volumes {
        // A name that is not a device is already reported.
        let Ok(letters) = volume_option::device_letters("--volume", device) else { continue };
        match taken.iter().find(|(known, _)| *known == letters) {
            Some((_, other)) => {
                let problem = format!("`{device}` and `{other}` are the same device to a machine");
                mistakes.push(RequestMistake::new(
                    "--volume",
                    problem,
                    "give each volume a letter of its own",
                ));
            }
            None => taken.push((letters, device)),
        }
    }
}

/// Sharing that the encryption does not allow.
fn check_sharing(request: &Request, mistakes: &mut Vec<RequestMistake>) {
    let Share { with, .. } = &request.share;
    if with.is_empty() {
        return;
    }
    let empty = request.volumes.iter().any(|volume| volume.content == VolumeContent::EmptyEncrypted);
    let encrypted_resources =
        std::iter::once((request.encryption.clone(), "--encrypt", request.region.as_str()))
            .chain(
                request
                    .copies
                    .iter()
                    .map(|copy| (copy.encryption.clone(), "--encrypt-copies", copy.region.as_str())),
            )
            .chain(empty.then_some((KeyChoice::Default, "--volume", request.region.as_str())));
    for (key, option, region) in encrypted_resources {
        match key {
            KeyChoice::Account => {}
            _ if request.share.is_public() => {
                let problem = format!(
                    "the AMI in `{region}` would be encrypted, and an encrypted AMI cannot be public"
                );
                mistakes.push(RequestMistake::new(
                    "--public",
                    problem,
                    format!("leave `--public` or `{option}` out"),
                ));
            }
            key if option != "--volume" && (key == KeyChoice::Default || key.is_aws_managed()) => {
                let problem = format!(
                    "the AMI in `{region}` would be encrypted with {}, which others cannot be allowed to use",
                    if key.is_aws_managed() { "AWS's own key for EBS" } else { "the account's default key" }
                );
                let remedy = "name a key of your own (`--kms-key`, `--copy-kms`) and allow them its use in the key's policy";
                mistakes.push(RequestMistake::new("--share", problem, remedy));
            }
            KeyChoice::Default | KeyChoice::Arn(_) | KeyChoice::Alias(_) => {}
        }
    }
}

impl Audience {
    /// Whether the AMI is to be public.
    pub fn is_public(self) -> bool {
        self == Self::Public
    }
}
