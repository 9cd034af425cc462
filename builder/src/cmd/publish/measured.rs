//! `--require-measured`: an image is published only if these very bytes were booted with a TPM that measured what is
//! predicted for them. A prediction that no boot has confirmed is not evidence: firmware and stub may do otherwise.

use amiforge_machine::boot::firmware::SecureBoot;
use amiforge_machine::boot::measured::Prediction;
use amiforge_machine::boot::prediction;
use amiforge_machine::boot::receipt::require_measured;
use amiforge_progress::CancelToken;
use amiforge_publish::request::{Request, Tpm};
use amiforge_publish::source::ImageSource;
use anyhow::Context as _;

use super::{Args, digests};
use crate::cmd::machine_keys::MachineKeys;
use crate::outcome::Failure;
use crate::ui::Ui;

/// Refuses an image without a receipt of a measured boot, with the variables and the TPM of the request.
pub(super) fn demand_receipt(
    args: &Args,
    request: &Request,
    source: &ImageSource,
    ui: &Ui,
    cancel: &CancelToken,
) -> Result<(), Failure> {
    let cannot = || args.cannot();
    if request.tpm == Tpm::None {
        let error =
            anyhow::anyhow!("`--require-measured` is about a TPM, and machines of this AMI would have none");
        return Err(Failure::usage(error.context(cannot())).hint("add `--tpm`"));
    }
    let keys = request.uefi_data.as_deref().map(MachineKeys::decode).transpose();
    let keys = keys.context("reading the UEFI variables").with_context(cannot)?.unwrap_or_default();
    let secure_boot = keys.secure_boot();
    let prediction = prediction::of_image(source.medium(), &keys.enrolled).with_context(cannot)?;
    agree_with_manifest(source, secure_boot, &prediction).with_context(cannot)?;
    let digests = digests(args, source, ui, cancel)?;
    require_measured(&args.image, digests, secure_boot, &prediction).map_err(|error| {
        let option = match secure_boot {
            SecureBoot::Off => "",
            SecureBoot::On => " --secure-boot",
        };
        let hint =
            format!("`amiforge boot {} --tpm{option} --expect 'login:'` leaves one", args.image.display());
        Failure::from(anyhow::Error::from(error).context(cannot())).hint(hint)
    })
}

/// The measurements of the manifest, which policies are made from, have to be those of the image.
fn agree_with_manifest(
    source: &ImageSource,
    secure_boot: SecureBoot,
    prediction: &Prediction,
) -> anyhow::Result<()> {
    let measurements = source.manifest().and_then(|manifest| manifest.origin.measurements.as_ref());
    let registers = measurements.and_then(|all| all.registers(secure_boot == SecureBoot::On));
    let Some(registers) = registers else { return Ok(()) };
    let other = registers.iter().find(|(number, value)| {
        let number = u32::from(**number);
        prediction.pcrs.get(&number) != Some(&prediction::both(value))
    });
    match other {
        None => Ok(()),
        Some((number, _)) => Err(anyhow::anyhow!(
            "its manifest has another PCR {number} than follows from its unified kernel image"
        )),
    }
}
