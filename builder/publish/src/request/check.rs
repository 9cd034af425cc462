//! From what is asked for to a [`Request`]: every rule that needs more than one option to be told.

use super::volume::{self, ContentOf, FurtherVolume};
use super::{
    AmiOptions, Arch, Audience, BootMode, Deprecation, KeyOf, Request, RequestMistake, RequestMistakes,
    Share, Subject, Tpm, copies, partition, region, share, text, uefi,
};
use crate::api::ec2::Tags;

/// The root device, where nothing else is asked for.
const ROOT_DEVICE: &str = "/dev/xvda";

/// The request for `wanted` of `subject` in the region `home`; `now` is in seconds since 1970.
///
/// # Errors
/// [`RequestMistakes`], all that there are.
pub fn check(
    wanted: &AmiOptions,
    subject: &Subject,
    home: &str,
    now: i64,
) -> Result<Request, RequestMistakes> {
    let mut mistakes = Vec::new();
    let mistakes_ref = &mut mistakes;
    note(region::name("--region", home), mistakes_ref);
    let name = note(text::name(wanted.name.as_deref(), subject), mistakes_ref).unwrap_or_default();
    let description = note(text::description(wanted.description.as_deref(), subject), mistakes_ref).flatten();
    let architecture = note(architecture(wanted, subject), mistakes_ref).unwrap_or(Arch::X86_64);
    let boot_mode = note(boot_mode(wanted, subject, architecture), mistakes_ref);
    let uefi_data = wanted.uefi_data.as_ref().and_then(|path| note(uefi::read(path), mistakes_ref));
    if let Some(boot_mode) = boot_mode {
        firmware(wanted, boot_mode, architecture, mistakes_ref);
    }
    let root_device = wanted.root_device.clone().unwrap_or_else(|| ROOT_DEVICE.to_owned());
    let root = volume::root(wanted.root_volume.as_deref(), subject.gib, mistakes_ref);
    let volumes: Vec<_> =
        wanted.volumes.iter().filter_map(|text| volume::further(text, mistakes_ref)).collect();
    devices(&root_device, &volumes, mistakes_ref);
    let tags = text::tags(&wanted.tags, &name, subject.tags.len(), mistakes_ref);
    let deprecation = wanted
        .deprecate
        .as_ref()
        .and_then(|when| note(Deprecation::parse(when, now, wanted.audience), mistakes_ref));
    let share = share::check(&wanted.share, wanted.audience, wanted.snapshots, partition(home), mistakes_ref);
    let copies = copies::check(wanted, home, mistakes_ref);
    if let KeyOf::Arn(key) | KeyOf::Alias(key) = &wanted.encryption {
        note(copies::key_arn("--kms-key", key, home), mistakes_ref);
    }
    let request = Request {
        region: home.to_owned(),
        name,
        description,
        architecture,
        boot_mode: boot_mode.unwrap_or(BootMode::Uefi),
        tpm: wanted.tpm,
        uefi_data,
        imds: wanted.imds,
        root_device,
        root,
        encryption: wanted.encryption.clone(),
        volumes,
        tags,
        digests: subject.tags.clone(),
        deprecation,
        protection: wanted.protection,
        share,
        copies,
    };
    sharing(&request, mistakes_ref);
    if mistakes.is_empty() { Ok(request) } else { Err(RequestMistakes(mistakes)) }
}

/// What is asked of a snapshot alone, by the same rules: the tags besides those of the bundle, of which there are `ours`.
///
/// # Errors
/// [`RequestMistakes`], all that there are.
pub fn check_snapshot(wanted: &AmiOptions, ours: usize, home: &str) -> Result<Tags, RequestMistakes> {
    let mut mistakes = Vec::new();
    note(region::name("--region", home), &mut mistakes);
    if wanted.description.is_some() {
        note(text::description(wanted.description.as_deref(), &Subject::default()), &mut mistakes);
    }
    if let KeyOf::Arn(key) | KeyOf::Alias(key) = &wanted.encryption {
        note(copies::key_arn("--kms-key", key, home), &mut mistakes);
    }
    let tags = text::asked_tags(&wanted.tags, &mut mistakes);
    text::limit_tags(&tags, ours, &mut mistakes);
    if mistakes.is_empty() { Ok(tags) } else { Err(RequestMistakes(mistakes)) }
}

/// What came of a check; a mistake is kept for later.
fn note<T>(outcome: Result<T, RequestMistake>, mistakes: &mut Vec<RequestMistake>) -> Option<T> {
    outcome.map_err(|mistake| mistakes.push(mistake)).ok()
}

fn architecture(wanted: &AmiOptions, subject: &Subject) -> Result<Arch, RequestMistake> {
    match (wanted.architecture, subject.architecture) {
        (Some(asked), Some(built)) if asked != built => {
            let problem =
                format!("`{}` is asked for, and the image is for `{}`", asked.ec2_name(), built.ec2_name());
            Err(RequestMistake::new("--arch", problem, "leave the option out"))
        }
        (Some(known), _) | (None, Some(known)) => Ok(known),
        (None, None) => {
            let problem = "nothing says which architecture the image is for";
            Err(RequestMistake::new("--arch", problem, "give `--arch x86_64` or `--arch arm64`"))
        }
    }
}

fn boot_mode(wanted: &AmiOptions, subject: &Subject, architecture: Arch) -> Result<BootMode, RequestMistake> {
    const OPTION: &str = "--boot-mode";
    let derived = subject.boot_mode.or((!architecture.has_bios()).then_some(BootMode::Uefi));
    let mistake = |problem: String, remedy: &str| Err(RequestMistake::new(OPTION, problem, remedy));
    match (wanted.boot_mode, derived) {
        (Some(asked), _) if !architecture.has_bios() && asked != BootMode::Uefi => mistake(
            format!(
                "`{}` is asked for, and {} machines have UEFI only",
                asked.ec2_name(),
                architecture.ec2_name()
            ),
            "leave the option out",
        ),
        (Some(asked), Some(built)) if asked != built && built != BootMode::Hybrid => {
            let problem = format!(
                "`{}` is asked for, and the partitions allow `{}` only",
                asked.ec2_name(),
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

/// TPM and UEFI variables need a boot mode that has them.
fn firmware(
    wanted: &AmiOptions,
    boot_mode: BootMode,
    architecture: Arch,
    mistakes: &mut Vec<RequestMistake>,
) {
    let word = boot_mode.ec2_name();
    if wanted.tpm == Tpm::V2 && boot_mode != BootMode::Uefi {
        let remedy = match (boot_mode, architecture) {
            (BootMode::Hybrid, _) => "add `--boot-mode uefi`, or leave `--tpm` out",
            _ => "leave `--tpm` out, or build the image with an ESP",
        };
        mistakes.push(RequestMistake::new(
            "--tpm",
            format!("NitroTPM needs the boot mode `uefi`, and this is `{word}`"),
            remedy,
        ));
    }
    if wanted.uefi_data.is_some() && boot_mode == BootMode::Bios {
        let problem = format!("the boot mode is `{word}`, which has no UEFI variables");
        mistakes.push(RequestMistake::new(
            "--uefi-data",
            problem,
            "leave it out, or build the image with an ESP",
        ));
    }
}

/// Every device once, and names that a machine takes for the same one not at all.
fn devices(root: &str, volumes: &[FurtherVolume], mistakes: &mut Vec<RequestMistake>) {
    let mut taken: Vec<(String, &str)> = Vec::new();
    match volume::device("--root-device", root) {
        Ok(letters) => taken.push((letters, root)),
        Err(mistake) => mistakes.push(mistake),
    }
    for FurtherVolume { device, .. } in volumes {
        // One that is no device has been told of already.
        let Ok(letters) = volume::device("--volume", device) else { continue };
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

/// What cannot be shared because of how it is encrypted.
fn sharing(request: &Request, mistakes: &mut Vec<RequestMistake>) {
    let Share { with, .. } = &request.share;
    if with.is_empty() {
        return;
    }
    let empty = request.volumes.iter().any(|volume| volume.content == ContentOf::EmptyEncrypted);
    let places = std::iter::once((request.encryption.clone(), "--encrypt", request.region.as_str()))
        .chain(
            request
                .copies
                .iter()
                .map(|copy| (copy.encryption.clone(), "--encrypt-copies", copy.region.as_str())),
        )
        .chain(empty.then_some((KeyOf::Default, "--volume", request.region.as_str())));
    for (key, option, region) in places {
        match key {
            KeyOf::Account => {}
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
            key if option != "--volume" && (key == KeyOf::Default || key.is_of_aws()) => {
                let problem = format!(
                    "the AMI in `{region}` would be encrypted with {}, which others cannot be allowed to use",
                    if key.is_of_aws() { "AWS's own key for EBS" } else { "the account's default key" }
                );
                let remedy = "name a key of your own (`--kms-key`, `--copy-kms`) and allow them its use in the key's policy";
                mistakes.push(RequestMistake::new("--share", problem, remedy));
            }
            KeyOf::Default | KeyOf::Arn(_) | KeyOf::Alias(_) => {}
        }
    }
}

impl Audience {
    /// Whether everybody is meant.
    pub fn is_public(self) -> bool {
        self == Self::Public
    }
}
