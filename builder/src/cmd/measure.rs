//! `amiforge measure`: predicts the PCRs that a machine of an image will show.

use std::io::Write as _;
use std::path::PathBuf;

use amiforge_formats::pcr::{Bank, PREDICTED, PcrError, PhasePath, StubVersion};
use amiforge_image::inspect::{InspectError, Medium};
use amiforge_image::measure::{
    self, AWS_PCRS, KmsStatement, MeasureError, Measurements, MeasurementsJson, Principal, Registers,
};
use anyhow::Context as _;
use serde::Serialize;

use crate::outcome::{CommandResult, Failure, Outcome};
use crate::ui::{Ui, written};

/// Predict the TPM's PCRs of a machine that firmware starts with an image
///
/// Reads the unified kernel image (UKI) and computes what firmware and systemd-stub will measure, in SHA-256 and SHA-384
/// (NitroTPM's attestation documents have SHA-384), without Secure Boot and with the keys of the image. Needs no TPM, no
/// key and no signature: a signature changes no PCR. Nothing is predicted for an image that starts a loader first, and for a
/// stub of a version that is not known; PCR 9 and others that depend on the machine are never printed.
///
/// What an operator of the machine can still change, and the PCR that shows it:
///
///   2       a UEFI driver that variables start before the image (Driver####)
///   4       another program before the image, or another image
///   7       Secure Boot or its keys
///   4, 12   add-ons on the ESP (loader/addons)
///   12      load options of a boot variable, credentials, configuration extensions
///   13      system extensions on the ESP (loader/extensions)
///
/// So a policy names 2, 3, 4, 12 and 13, and 7 where Secure Boot is on; 7 alone names who may sign, not what runs. A key is
/// bound by it only if no other statement, of the key policy or of IAM, allows the same calls without the condition.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  amiforge measure out/web\n  amiforge measure out/web --format aws\n  \
    amiforge measure out/web --format kms-policy --account 111122223333 --role web\n  \
    amiforge measure uki.efi --variables uefi-data.b64 --secure-boot on\n  \
    amiforge measure out/web --pcr 11 --phase sysinit:ready --bank sha256")]
pub(crate) struct Args {
    /// The bundle, a raw image, a block device, or a unified kernel image (a file that UEFI starts)
    #[arg(value_name = "BUNDLE|IMAGE|UKI")]
    target: PathBuf,

    /// Only with Secure Boot on or off; both where keys are known if not given (aws, kms-policy: on)
    #[arg(long, value_name = "STATE", value_enum)]
    secure_boot: Option<SecureBootState>,

    /// Variables of Secure Boot: `UefiData` as EC2 takes it (base64), or JSON of virt-fw-vars
    #[arg(long, value_name = "FILE")]
    variables: Option<PathBuf>,

    /// Form of the result; `aws` is that of nitro-tpm-pcr-compute, `kms-policy` a statement of a key policy
    #[arg(long, value_name = "FORM", value_enum, default_value_t = Form::Text)]
    format: Form,

    /// Only these PCRs, such as 4,12
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',')]
    pcr: Vec<u8>,

    /// The bank that `text` shows
    #[arg(long, value_enum, default_value_t = BankName::Sha384)]
    bank: BankName,

    /// PCR 11 after these phases of systemd-pcrphase, such as enter-initrd:leave-initrd:sysinit:ready
    #[arg(long, value_name = "PHASES", default_value = "", hide_default_value = true)]
    phase: String,

    /// Version of a stub that does not name its own, such as 252.23
    #[arg(long, value_name = "VERSION")]
    stub: Option<String>,

    /// With `kms-policy`: account of the role
    #[arg(long, value_name = "ACCOUNT")]
    account: Option<String>,

    /// With `kms-policy`: role of the machines, by name or ARN
    #[arg(long, value_name = "ROLE")]
    role: Option<String>,
}

/// Whether firmware checks signatures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum SecureBootState {
    On,
    Off,
}

/// The form of the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Form {
    Text,
    Json,
    Aws,
    KmsPolicy,
}

/// A bank of a TPM.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum BankName {
    Sha256,
    Sha384,
}

impl From<BankName> for Bank {
    fn from(name: BankName) -> Self {
        match name {
            BankName::Sha256 => Self::Sha256,
            BankName::Sha384 => Self::Sha384,
        }
    }
}

/// What `--json` shows.
#[derive(Serialize)]
struct MeasureJson {
    image: String,
    measurements: MeasurementsJson,
    phases: String,
    uki: String,
}

/// Runs the command.
pub(crate) fn run(args: &Args, ui: &Ui) -> CommandResult {
    let cannot = || format!("cannot measure `{}`", args.target.display());
    check_registers(args).with_context(cannot).map_err(Failure::usage)?;
    let principal = principal(args).with_context(cannot).map_err(Failure::usage)?;
    let phases = PhasePath::parse(&args.phase).context("reading `--phase`");
    let phases = phases.with_context(cannot).map_err(Failure::usage)?;
    let assumed = args.stub.as_deref().map(StubVersion::parse).transpose().context("reading `--stub`");
    let assumed = assumed.with_context(cannot).map_err(Failure::usage)?;
    let medium = Medium::open(&args.target).with_context(cannot).map_err(hinted)?;
    let variables = match (&args.variables, medium.bundle()) {
        (Some(path), _) => Some(measure::read_variables(path)),
        (None, Some(bundle)) => measure::bundle_variables(bundle).transpose(),
        (None, None) => None,
    };
    let variables = variables.transpose().with_context(cannot)?;
    if args.secure_boot == Some(SecureBootState::On) && variables.is_none() {
        let error = anyhow::anyhow!("nothing says which keys firmware has").context(cannot());
        return Err(Failure::usage(error)
            .hint("name them with `--variables`; a bundle of a recipe with `secure-boot` has its own"));
    }
    let uki = measure::open(&medium).with_context(cannot).map_err(hinted)?;
    let predicted = Measurements::predict(uki.bytes.as_ref(), variables.as_ref(), &phases, assumed.as_ref());
    let measurements = predicted
        .map_err(|source| MeasureError::Pcr { path: uki.path.clone(), source })
        .with_context(cannot)
        .map_err(hinted)?;
    let result = MeasuredImage { args, path: uki.path, phases, measurements };
    match args.format {
        Form::Text if !ui.json() => result.text(ui)?,
        Form::Text | Form::Json => ui.object(&result.json())?,
        Form::Aws => ui.line(measure::aws_json(result.registers()?, result.pcrs(&AWS_PCRS)).trim_end())?,
        Form::KmsPolicy => {
            let principal = principal.context("no role").with_context(cannot)?;
            let pcrs = result.pcrs(measure::policy_pcrs(result.secure_boot()));
            ui.line(KmsStatement::new(&principal, result.registers()?, pcrs).text().trim_end())?;
        }
    }
    Ok(Outcome::Success)
}

/// Refuses registers that are not predicted.
fn check_registers(args: &Args) -> anyhow::Result<()> {
    match args.pcr.iter().find(|number| !PREDICTED.contains(number)) {
        Some(number) => {
            anyhow::bail!("PCR {number} cannot be predicted: only {} can", numbers(&PREDICTED))
        }
        None => Ok(()),
    }
}

/// The role of a key policy.
fn principal(args: &Args) -> anyhow::Result<Option<Principal>> {
    let role = args.role.as_deref();
    match (args.format, role) {
        (Form::KmsPolicy, Some(role)) => Ok(Some(Principal::role(role, args.account.as_deref())?)),
        (Form::KmsPolicy, None) => {
            anyhow::bail!("a key policy allows a role: give `--role`, and `--account` if it is not an ARN")
        }
        (_, None) if args.account.is_none() => Ok(None),
        _ => anyhow::bail!("`--role` and `--account` are for `--format kms-policy`"),
    }
}

/// The failure with what to do about it.
fn hinted(error: anyhow::Error) -> Failure {
    let hint = match error.chain().find_map(|cause| cause.downcast_ref::<MeasureError>()) {
        Some(MeasureError::Loader { .. }) => "write `loader = \"uki\"` under `[boot]` and build again",
        Some(MeasureError::NoProgram) => "write `mode = \"uefi\"` and `loader = \"uki\"` under `[boot]`",
        Some(MeasureError::NeitherForm { .. }) => {
            "name a bundle, an image of a disk, or a unified kernel image"
        }
        Some(MeasureError::Image(InspectError::NotABundle { .. })) => {
            "name the folder that `amiforge build -o` wrote"
        }
        Some(MeasureError::Pcr { source: PcrError::NoVersion, .. }) => {
            "give `--stub`, such as `--stub 252.23`"
        }
        Some(MeasureError::Pcr { source: PcrError::UnknownStub { .. }, .. }) => {
            "take a stub of a known version, or a later amiforge; a boot with a TPM shows the PCRs of this one"
        }
        _ => return error.into(),
    };
    Failure::from(error).hint(hint)
}

/// Numbers as a list.
fn numbers(numbers: &[u8]) -> String {
    numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// The measurements of an image.
struct MeasuredImage<'a> {
    args: &'a Args,
    /// The unified kernel image.
    path: String,
    phases: PhasePath,
    measurements: Measurements,
}

impl MeasuredImage<'_> {
    /// The registers to show: those that were asked for, or else these.
    fn pcrs<'p>(&'p self, usual: &'p [u8]) -> &'p [u8] {
        if self.args.pcr.is_empty() { usual } else { &self.args.pcr }
    }

    /// The state of Secure Boot in forms that have one.
    fn secure_boot(&self) -> bool {
        match self.args.secure_boot {
            Some(state) => state == SecureBootState::On,
            None => self.measurements.intended().1,
        }
    }

    /// The registers in forms that have one state.
    fn registers(&self) -> anyhow::Result<&Registers> {
        self.measurements.registers(self.secure_boot()).context("the keys of Secure Boot are not known")
    }

    fn json(&self) -> MeasureJson {
        MeasureJson {
            image: self.args.target.display().to_string(),
            measurements: MeasurementsJson::from(&self.measurements),
            phases: self.phases.to_string(),
            uki: self.path.clone(),
        }
    }

    fn text(&self, ui: &Ui) -> Result<(), Failure> {
        let bank = Bank::from(self.args.bank);
        let mut out = ui.out();
        let stub = &self.measurements.stub;
        let image = self.args.target.display();
        let file = if image.to_string() == self.path { String::new() } else { format!("{} ", self.path) };
        let line = format!("{image}: {file}with systemd-stub {stub}, {}", bank.name());
        written(writeln!(out, "{line}"))?;
        for secure_boot in [false, true] {
            let state = if secure_boot { SecureBootState::On } else { SecureBootState::Off };
            let Some(registers) = self.measurements.registers(secure_boot) else { continue };
            if self.args.secure_boot.is_some_and(|wanted| wanted != state) {
                continue;
            }
            written(writeln!(out, "Secure Boot {}", if secure_boot { "on" } else { "off" }))?;
            for (number, value) in
                registers.iter().filter(|(number, _)| self.pcrs(&PREDICTED).contains(number))
            {
                let line = format!("  PCR {number:>2}  {}  {}", value.hex(bank), measure::meaning(*number));
                written(writeln!(out, "{line}"))?;
            }
        }
        let note = "A policy names 2, 3, 4, 12 and 13, and 7 with Secure Boot: what an operator adds shows in one of them \
                    (`amiforge measure --help`).";
        written(writeln!(out, "{note}").and_then(|()| out.flush()))
    }
}
