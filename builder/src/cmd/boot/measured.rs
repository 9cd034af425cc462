//! Measured boots: the keys that a machine gets, the prediction for the image, and how a comparison is shown.

use std::collections::BTreeMap;

use amiforge_formats::arch::BootMode;
use amiforge_image::inspect::Medium;
use amiforge_machine::boot::firmware::SecureBoot;
use amiforge_machine::boot::measured::{Comparison, PcrDifference, Prediction, compare, hex};
use amiforge_machine::boot::tpm::TpmReading;
use amiforge_machine::boot::{Firmware, prediction};
use anyhow::Context as _;
use serde::Serialize;

use super::args::{Args, FirmwareArg};
use super::target::BootTarget;
use crate::cmd::machine_keys::MachineKeys;
use crate::outcome::Failure;
use crate::ui::Ui;

/// The outcome of a launch with a TPM.
pub(super) struct Measured {
    pub(super) secure_boot: SecureBoot,
    pub(super) reading: TpmReading,
    /// `None` if nothing is predicted for the image.
    pub(super) comparison: Option<Comparison>,
}

impl Measured {
    /// Compares what a TPM measured.
    pub(super) fn new(secure_boot: SecureBoot, reading: TpmReading, prediction: Option<&Prediction>) -> Self {
        let comparison = prediction.map(|prediction| compare(prediction, &reading));
        Self { secure_boot, reading, comparison }
    }

    /// The registers with other values than predicted.
    pub(super) fn differences(&self) -> &[PcrDifference] {
        self.comparison.as_ref().map(|comparison| comparison.differences.as_slice()).unwrap_or_default()
    }

    /// What `--json` shows.
    pub(super) fn json(&self) -> MeasuredJson<'_> {
        let values = |values: &Vec<Vec<u8>>| (0..).zip(values.iter().map(|value| hex(value))).collect();
        let pcrs = self.reading.pcrs.iter().map(|(bank, all)| (bank.as_str(), values(all))).collect();
        let comparison = self.comparison.as_ref();
        MeasuredJson {
            secure_boot: self.secure_boot,
            pcrs,
            compared: comparison.map(|comparison| comparison.compared.as_slice()),
            phases: comparison.map(|comparison| comparison.phases.as_slice()),
            differences: self.differences(),
            event_log: self.reading.log.is_some(),
        }
    }

    /// The lines of the outcome for people: one if everything is as predicted, else several for each register.
    pub(super) fn lines(&self) -> Vec<String> {
        let state = format!("Secure Boot {}", self.secure_boot.as_str());
        let Some(comparison) = &self.comparison else {
            return vec![format!("TPM: read, and nothing is predicted ({state})")];
        };
        let numbers = |pcrs: &mut dyn Iterator<Item = u32>| {
            pcrs.map(|pcr| pcr.to_string()).collect::<Vec<_>>().join(", ")
        };
        let differs = |pcr: &u32| comparison.differences.iter().any(|difference| difference.pcr == *pcr);
        let equal = numbers(&mut comparison.compared.iter().copied().filter(|pcr| !differs(pcr)));
        let phases = match comparison.phases.as_slice() {
            [] => String::new(),
            phases => format!("; PCR 11 after the phases {}", phases.join(", ")),
        };
        let mut lines = vec![format!("TPM: as predicted are PCR {equal} ({state}{phases})")];
        for PcrDifference { pcr, bank, predicted, measured, event, meaning } in &comparison.differences {
            lines.push(format!("PCR {pcr} ({bank}): predicted {predicted}"));
            lines.push(format!("  measured {measured}"));
            lines.push(format!("  {event}"));
            lines.push(format!("  {meaning}"));
        }
        if self.reading.log.is_none() {
            lines.push("no event log in the memory of the machine gives the values of the TPM".to_owned());
        }
        lines
    }
}

/// What `--json` shows of a measured boot.
#[derive(Serialize)]
pub(super) struct MeasuredJson<'a> {
    secure_boot: SecureBoot,
    pcrs: BTreeMap<&'static str, BTreeMap<u32, String>>,
    compared: Option<&'a [u32]>,
    phases: Option<&'a [String]>,
    differences: &'a [PcrDifference],
    event_log: bool,
}

/// The keys of the machine, or why the combination of options is refused, as EC2 would refuse it.
pub(super) fn machine_keys(args: &Args, target: &BootTarget) -> Result<MachineKeys, Failure> {
    let cannot = || format!("cannot boot `{}`", args.image.display());
    let refused =
        |why: String, hint: &str| Err(Failure::usage(anyhow::anyhow!(why).context(cannot())).hint(hint));
    if args.measured.tpm && args.firmware(target) == Firmware::Bios {
        let why = "NitroTPM needs the boot mode `uefi`, and this machine starts by a legacy BIOS".to_owned();
        return refused(why, "leave `--tpm` out, or build the image with an ESP");
    }
    if args.measured.tpm && args.machine.firmware != Some(FirmwareArg::Uefi) && is_hybrid(target) {
        let mode = BootMode::Hybrid.ec2_name();
        let why = format!("NitroTPM needs the boot mode `uefi`, and that of this image is `{mode}`");
        return refused(why, "add `--firmware uefi` if it is to be registered with `--boot-mode uefi`");
    }
    let keys = keys(args)?;
    if args.measured.secure_boot && keys.secure_boot() == SecureBoot::Off {
        let why = "Secure Boot needs keys, and there is no platform key".to_owned();
        return refused(why, "build with `secure-boot` in the recipe's `[trust]`, or give `--uefi-data`");
    }
    Ok(keys)
}

/// Whether the partitions of the image allow a legacy BIOS, too.
fn is_hybrid(target: &BootTarget) -> bool {
    target.boot_mode == Some(BootMode::Hybrid)
}

/// The variables of the machine: those of `--uefi-data`, or for Secure Boot those of the bundle.
fn keys(args: &Args) -> Result<MachineKeys, Failure> {
    let cannot = || format!("cannot boot `{}`", args.image.display());
    let keys = match &args.measured.uefi_data {
        Some(path) => MachineKeys::read(path),
        None if args.measured.secure_boot && args.image.exists() => {
            Medium::open(&args.image).map_err(Into::into).and_then(|medium| MachineKeys::of_image(&medium))
        }
        None => Ok(MachineKeys::default()),
    };
    Ok(keys.with_context(cannot)?)
}

/// The prediction for a launch with a TPM. Without one the boot is measured all the same, and leaves no measured receipt.
pub(super) fn predict(
    args: &Args,
    target: &BootTarget,
    keys: &MachineKeys,
    ui: &Ui,
) -> Result<Option<Prediction>, Failure> {
    if !args.measured.tpm {
        return Ok(None);
    }
    let cannot = || format!("cannot boot `{}`", args.image.display());
    let medium = Medium::open(&target.disk).with_context(cannot)?;
    match prediction::of_image(&medium, &keys.enrolled) {
        Ok(prediction) => Ok(Some(prediction)),
        Err(error) => {
            let error = anyhow::Error::from(error);
            ui.warn(format_args!("nothing is predicted for `{}`: {error:#}", target.name));
            Ok(None)
        }
    }
}
