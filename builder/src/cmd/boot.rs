//! `amiforge boot`: launches an image on this machine, as EC2 would.

mod args;
#[cfg(feature = "aws")]
mod remote;
mod show;
mod subject;

use std::fs;

use amiforge_image::inspect::Medium;
use amiforge_machine::boot::machine::InstanceIdentity;
use amiforge_machine::boot::receipt::{self, BootRecord};
use amiforge_machine::boot::{BootError, DiskState, Launch, LaunchEnd, LaunchOutcome as Launched, launch};
use anyhow::Context as _;

pub(crate) use args::Args;
use show::LaunchView;
use subject::Subject;

use super::{CommandResult, Done, Failure};
use crate::ui::Ui;

/// Runs the command.
pub(crate) fn run(args: &Args, ui: &Ui) -> CommandResult {
    let interrupt = super::stop_on_signals()?;
    let subject = Subject::find(args, ui, &interrupt)?;
    let cannot = || format!("cannot boot `{}`", args.image.display());
    let before = args.needs_login().then(|| Medium::open(&subject.disk)).transpose().with_context(cannot)?;
    let before = before.as_ref().map(DiskState::read);
    let wanted = args.launch(&subject, before.as_ref())?;
    if let Some(before) = before {
        refuse_without_key(&wanted, &before, cannot)?;
    }
    let log = args.log.as_deref().map(fs::File::create).transpose();
    let log = log.with_context(|| {
        format!("cannot write `{}`", args.log.as_deref().unwrap_or(&args.image).display())
    })?;
    let face = LaunchView::new(ui, &wanted, args.has_output(), log);
    face.begin(&subject, &wanted);
    let launched = launch(&wanted, &face, &interrupt).map_err(|error| failure(error, cannot()))?;
    face.end();
    let receipt = keep_receipt(args, &subject, &wanted, &launched, ui, &interrupt)?;
    show::outcome(&subject, &wanted, &launched, receipt.as_deref(), ui)?;
    Ok(match launched.ended {
        LaunchEnd::Passed | LaunchEnd::PoweredOff | LaunchEnd::Interrupted => Done::Well,
        LaunchEnd::Failed { .. } => Done::Differs,
    })
}

/// A command needs a login, and an image takes a key at its first boot only.
fn refuse_without_key(
    wanted: &Launch,
    before: &DiskState,
    cannot: impl Fn() -> String,
) -> Result<(), Failure> {
    let facts = &wanted.instance;
    let identity = InstanceIdentity::from_seed(&facts.seed, facts.id.as_deref(), &facts.kind);
    if wanted.key.is_some() || !before.was_booted_as(&identity) {
        return Ok(());
    }
    let id = &identity.instance;
    let why = anyhow::anyhow!(
        "it was booted before as the instance {id}, which took its key then and takes no other one"
    );
    let hint = "name that key by `--ssh-key`; or boot it as another instance, which takes the key of this launch: \
                `--instance-id i-00000000000000001`";
    Err(Failure::usage(why.context(cannot())).hint(hint))
}

fn failure(error: BootError, cannot: String) -> Failure {
    let hint = error.hint();
    let failure = Failure::from(anyhow::Error::from(error).context(cannot));
    Failure { hint, ..failure }
}

/// Writes the receipt of a boot that passed, takes back that of one that failed.
fn keep_receipt(
    args: &Args,
    subject: &Subject,
    wanted: &Launch,
    launched: &Launched,
    ui: &Ui,
    interrupt: &amiforge_progress::Interrupt,
) -> Result<Option<std::path::PathBuf>, Failure> {
    let Some(image) = subject.vouched.as_deref().filter(|_| !args.leaves_no_receipt()) else {
        return Ok(None);
    };
    let cannot = || format!("cannot keep the receipt of `{}`", image.display());
    let (arch, firmware, bus) = (wanted.arch, wanted.firmware, wanted.bus);
    match launched.ended {
        LaunchEnd::Failed { .. } => receipt::remove_boot(image, arch, firmware, bus).with_context(cannot)?,
        LaunchEnd::Passed => {
            // Lengths first: a file that was made longer may be of a size that takes hours.
            let digests = if subject.expected.is_some_and(|(_, size)| size != subject.size) {
                None
            } else {
                let found = receipt::compute_digests(image, ui, interrupt).with_context(cannot)?;
                Some(found).filter(|found| subject.expected.is_none_or(|(expected, _)| expected == *found))
            };
            let Some(digests) = digests else {
                ui.warn(format_args!(
                    "`{}` is not what its manifest says, so there is no receipt; `amiforge verify` tells more",
                    image.display()
                ));
                return Ok(None);
            };
            let boot = BootRecord::new(arch, firmware, bus, launched.accel, launched.passed.clone());
            return Ok(Some(receipt::add_boot(image, digests, boot).with_context(cannot)?));
        }
        LaunchEnd::PoweredOff | LaunchEnd::Interrupted => {}
    }
    Ok(None)
}
