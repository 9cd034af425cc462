//! `RegisterImage`: parses and checks the parameters as AWS does, and stores all fields with AWS's defaults.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::block_devices::{self, MappingSource};
use super::call::Ec2Call;
use super::errors::Ec2Error;
use super::params::Params;
use super::snapshot_tier;
use super::tags;
use crate::clock::Timestamp;
use crate::ids;
use crate::services::xml::Xml;
use crate::state::device::BlockDeviceMapping;
use crate::state::image::{ImageRecord, Life, MachineFields, Protection};
use crate::state::sharing::Grants;
use crate::state::snapshot::Status;
use crate::state::tags::Tags;

const ARCHITECTURES: [&str; 5] = ["i386", "x86_64", "arm64", "x86_64_mac", "arm64_mac"];
const BOOT_MODES: [&str; 3] = ["legacy-bios", "uefi", "uefi-preferred"];
/// The maximum number of characters in `UefiData`.
const MAX_UEFI_DATA: usize = 64_000;
/// The maximum number of characters in a description.
const MAX_DESCRIPTION: usize = 255;

/// `RegisterImage`.
pub(crate) fn register_image(call: &Ec2Call<'_>) -> Result<Xml, Ec2Error> {
    let _guard = call.lock_region();
    let params = call.params();
    let name = params.required("Name")?;
    check_name(name)?;
    let description = read_description(&params)?;
    let machine = read_machine(&params)?;
    let mappings = block_devices::read(&params, |id| find_source(call, id))?;
    let tags = tags::read_specifications(&params, &["image"])?;
    let location = params.non_empty("ImageLocation");
    check_billing(&params)?;
    check_root(&machine.root_device, &mappings, location)?;
    check_free(call, name)?;
    call.commit()?;
    let image = ImageRecord {
        id: ids::fresh("ami"),
        owner: call.account.to_owned(),
        name: name.to_owned(),
        location: location.map_or_else(|| format!("{}/{name}", call.account), str::to_owned),
        description,
        created: call.now,
        machine,
        mappings,
        tags: tags::of_kind(&tags, "image"),
        grants: Grants::default(),
        life: Life::Ready { from: call.now, failure: None },
        deprecated: None,
        protection: Protection::Off,
        source: None,
        token: None,
        watermarks: Vec::new(),
        last_launched: None,
    };
    call.region.images.put(&image.id, image.clone())?;
    Ok(image_id_response(&image.id))
}

/// The response of operations that create an image.
pub(crate) fn image_id_response(id: &str) -> Xml {
    let mut xml = Xml::new();
    xml.value("imageId", id);
    xml
}

/// Checks the form of an image name.
pub(crate) fn check_name(name: &str) -> Result<(), Ec2Error> {
    let allowed = |one: char| one.is_ascii_alphanumeric() || "()[] ./-'@_".contains(one);
    if (3..=128).contains(&name.chars().count()) && name.chars().all(allowed) {
        return Ok(());
    }
    let message = "AMI names must be between 3 and 128 characters long, and may contain letters, numbers, '(', ')', \
                   '.', '-', '/' and '_'";
    Err(Ec2Error::new("InvalidAMIName.Malformed", message))
}

/// Checks that no other image of the account has this name.
pub(crate) fn check_free(call: &Ec2Call<'_>, name: &str) -> Result<(), Ec2Error> {
    let images = call.region.images.all();
    let allowed = |image: &ImageRecord| {
        image.owner == call.account && image.name == name && image.life != Life::Deregistered
    };
    match images.iter().find(|(_, image)| allowed(image)) {
        None => Ok(()),
        Some((id, _)) => {
            let message = format!("AMI name {name} is already in use by AMI {id}");
            Err(Ec2Error::new("InvalidAMIName.Duplicate", message))
        }
    }
}

/// Parses and checks `Description`.
pub(crate) fn read_description(params: &Params<'_>) -> Result<Option<String>, Ec2Error> {
    params.non_empty("Description").map(check_description).transpose()
}

/// Checks the description of an image or a snapshot.
pub(crate) fn check_description(text: &str) -> Result<String, Ec2Error> {
    if text.chars().count() > MAX_DESCRIPTION {
        let message = format!("The description may have at most {MAX_DESCRIPTION} characters");
        return Err(Ec2Error::new("InvalidParameterValue", message));
    }
    if !text.is_ascii() {
        let message = "Character sets beyond ASCII are not supported.";
        return Err(Ec2Error::new("InvalidParameterValue", message));
    }
    Ok(text.to_owned())
}

fn read_machine(params: &Params<'_>) -> Result<MachineFields, Ec2Error> {
    let owned = |text: Option<&str>| text.map(str::to_owned);
    let machine = MachineFields {
        architecture: params.one_of("Architecture", &ARCHITECTURES)?.unwrap_or("i386").to_owned(),
        virtualization: params
            .one_of("VirtualizationType", &["hvm", "paravirtual"])?
            .unwrap_or("paravirtual")
            .to_owned(),
        root_device: params.non_empty("RootDeviceName").unwrap_or("/dev/sda1").to_owned(),
        boot_mode: owned(params.one_of("BootMode", &BOOT_MODES)?),
        tpm: owned(params.one_of("TpmSupport", &["v2.0"])?),
        uefi_data: owned(params.non_empty("UefiData")),
        imds: owned(params.one_of("ImdsSupport", &["v2.0"])?),
        ena: params.boolean("EnaSupport")?,
        sriov: owned(params.one_of("SriovNetSupport", &["simple"])?),
        kernel: owned(params.non_empty("KernelId")),
        ramdisk: owned(params.non_empty("RamdiskId")),
    };
    check_virtualization(&machine)?;
    check_firmware(&machine)?;
    Ok(machine)
}

fn check_virtualization(machine: &MachineFields) -> Result<(), Ec2Error> {
    if machine.virtualization == "hvm" {
        return match (&machine.kernel, &machine.ramdisk) {
            (None, None) => Ok(()),
            _ => Err(Ec2Error::combination(
                "KernelId and RamdiskId may not be specified with hvm virtualization",
            )),
        };
    }
    let needs_hvm = [
        ("EnaSupport", machine.ena == Some(true)),
        ("SriovNetSupport", machine.sriov.is_some()),
        ("BootMode", machine.boot_mode.as_deref().is_some_and(|mode| mode != "legacy-bios")),
        ("TpmSupport", machine.tpm.is_some()),
        ("UefiData", machine.uefi_data.is_some()),
        ("Architecture", !matches!(machine.architecture.as_str(), "i386" | "x86_64")),
    ];
    match needs_hvm.iter().find(|(_, requested)| *requested) {
        None => Ok(()),
        Some((name, _)) => {
            Err(Ec2Error::combination(format!("{name} as specified needs the virtualization type hvm")))
        }
    }
}

fn check_firmware(machine: &MachineFields) -> Result<(), Ec2Error> {
    let mode = machine.boot_mode.as_deref();
    if mode == Some("legacy-bios") && machine.architecture.starts_with("arm64") {
        return Err(Ec2Error::combination("Boot mode legacy-bios is not supported by architecture arm64"));
    }
    if machine.tpm.is_some() && mode != Some("uefi") {
        return Err(Ec2Error::combination("TpmSupport v2.0 requires the boot mode uefi"));
    }
    let Some(text) = &machine.uefi_data else { return Ok(()) };
    if mode == Some("legacy-bios") {
        return Err(Ec2Error::combination("UefiData may not be specified with the boot mode legacy-bios"));
    }
    let decoded = STANDARD.decode(text).ok().filter(|_| text.len() <= MAX_UEFI_DATA);
    let Some(blob) = decoded else {
        let message = format!("UefiData must be base64 of at most {MAX_UEFI_DATA} characters");
        return Err(Ec2Error::new("InvalidParameterValue", message));
    };
    if is_uefi_store(&blob) {
        return Ok(());
    }
    Err(Ec2Error::new("InvalidParameterValue", "UefiData is not a store of UEFI variables".to_owned()))
}

/// Whether bytes begin as a store of awslabs/python-uefivars: `AMZNUEFI`, the CRC-32C of what follows, the version 0. What
/// the service decodes beyond that is not documented.
fn is_uefi_store(blob: &[u8]) -> bool {
    let rest = blob.strip_prefix(b"AMZNUEFI").and_then(<[u8]>::split_first_chunk::<4>);
    rest.is_some_and(|(checksum, rest)| {
        let computed = crc::Crc::<u32>::new(&crc::CRC_32_ISCSI).checksum(rest);
        u32::from_le_bytes(*checksum) == computed && rest.starts_with(&[0; 4])
    })
}

fn check_billing(params: &Params<'_>) -> Result<(), Ec2Error> {
    match params.text_list("BillingProduct").first() {
        None => Ok(()),
        Some(code) => {
            let message = format!("The account is not authorized to use the billing product {code}");
            Err(Ec2Error::new("AuthFailure", message))
        }
    }
}

fn check_root(root: &str, mappings: &[BlockDeviceMapping], location: Option<&str>) -> Result<(), Ec2Error> {
    if mappings.iter().any(|mapping| mapping.device == root && mapping.snapshot().is_some()) {
        return Ok(());
    }
    if let (Some(location), true) = (location, mappings.is_empty()) {
        // An instance store image, whose manifest is in S3; the local region cannot create one.
        return Err(Ec2Error::new("InvalidManifest", format!("The manifest at {location} cannot be read")));
    }
    Err(block_devices::wrong("No root snapshot specified in device mapping.".to_owned()))
}

fn find_source(call: &Ec2Call<'_>, id: &str) -> Result<MappingSource, Ec2Error> {
    let snapshot = call.snapshot(id, "InvalidSnapshotID.NotFound")?;
    match snapshot.status(call.now) {
        Status::Completed if !call.region.is_usable(id, call.now) => Err(snapshot_tier::archived(id)),
        Status::Completed => Ok(MappingSource {
            size: i64::try_from(snapshot.volume_size).unwrap_or(i64::MAX),
            encrypted: snapshot.kms_key.is_some(),
        }),
        status => {
            let message = format!("Snapshot '{id}' is in the state {}, expected completed", status.as_str());
            Err(Ec2Error::new("IncorrectState", message))
        }
    }
}

/// A new image with the properties of another one.
pub(crate) fn image_like(
    call: &Ec2Call<'_>,
    model: &ImageRecord,
    name: &str,
    mappings: Vec<BlockDeviceMapping>,
    tags: Tags,
    ready: Timestamp,
) -> ImageRecord {
    ImageRecord {
        id: ids::fresh("ami"),
        owner: call.account.to_owned(),
        name: name.to_owned(),
        location: format!("{}/{name}", call.account),
        created: call.now,
        mappings,
        tags,
        grants: Grants::default(),
        life: Life::Ready { from: ready, failure: None },
        deprecated: None,
        protection: Protection::Off,
        source: None,
        token: None,
        last_launched: None,
        ..model.clone()
    }
}
