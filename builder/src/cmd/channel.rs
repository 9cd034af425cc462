//! What `promote`, `rollback` and `channels` share: the arguments for a channel, the folder of its ledger, the failures
//! with their hints, and how outcomes and plans are shown.

use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use amiforge_lifecycle::channel::{
    ChannelError, ChannelOptions, DEFAULT_TEMPLATE, DEFAULT_WAIT, Outcome, PathTemplate, PlannedChange, now,
};
use amiforge_publish::service_error::ServiceErrorKind;

use super::region;
use crate::outcome::{CommandResult, Failure, Outcome as CommandOutcome, service_hint};
use crate::ui::{Ui, written};

/// The arguments for the parameters of a channel.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Channel")]
#[group(skip)]
pub(crate) struct Args {
    /// The regions [default: those of the image's publish and those that the channel has already]
    #[arg(long, value_name = "REGION", value_delimiter = ',')]
    pub(super) regions: Vec<String>,

    /// Name of the image [default: the name in its bundle or in the AMI's tags]
    #[arg(long, value_name = "NAME")]
    pub(super) name: Option<String>,

    /// Name of the parameter in each region: a path with `{name}`, `{channel}` and `{arch}`
    #[arg(long, value_name = "TEMPLATE", default_value = DEFAULT_TEMPLATE)]
    path: String,

    /// Keep the channel under this path, too, such as `/public/images`; its AMIs have to be public
    #[arg(long, value_name = "PATH")]
    pub(super) public_prefix: Option<String>,

    /// Architecture as EC2 names it, for a path with `{arch}` [default: the image's]
    #[arg(long, value_name = "ARCH")]
    pub(super) arch: Option<String>,
}

/// The arguments for changes of a channel.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Change")]
#[group(skip)]
pub(crate) struct ChangeArgs {
    /// Print the calls and the IAM policy that they need; makes no call
    #[arg(long)]
    pub(super) dry_run: bool,

    /// Seconds to wait until SSM, which checks an AMI after its answer, shows it
    #[arg(long, value_name = "N", default_value_t = DEFAULT_WAIT.as_secs())]
    wait: u64,

    /// Folder of the ledgers [default: amiforge/channels in `$XDG_STATE_HOME`]
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
}

impl Args {
    /// The templates of the parameters.
    pub(super) fn templates(&self, cannot: &str) -> Result<Vec<PathTemplate>, Failure> {
        let wrong = |error: amiforge_lifecycle::channel::NameError| {
            Failure::usage(anyhow::Error::from(error).context(cannot.to_owned()))
                .hint(format!("write it as `{DEFAULT_TEMPLATE}`"))
        };
        let own = PathTemplate::parse(&self.path).map_err(wrong)?;
        let public = self.public_prefix.as_deref().map(|prefix| own.below(prefix)).transpose();
        Ok(std::iter::once(own.clone()).chain(public.map_err(wrong)?).collect())
    }
}

/// The options of a change in a region.
pub(super) fn options(
    (args, change): (&Args, &ChangeArgs),
    aws: &region::Args,
    channel: &str,
    home: &str,
    cannot: &str,
) -> Result<ChannelOptions, Failure> {
    check_regions(&args.regions, cannot)?;
    Ok(ChannelOptions {
        home: home.to_owned(),
        regions: args.regions.clone(),
        channel: channel.to_owned(),
        name: args.name.clone(),
        arch: args.arch.clone(),
        templates: args.templates(cannot)?,
        folder: ledgers(change.state.as_ref(), aws, cannot)?,
        wait: Duration::from_secs(change.wait),
        now: now(),
    })
}

/// Refuses texts that are not names of regions: they become parts of host names and of messages.
pub(super) fn check_regions(regions: &[String], cannot: &str) -> Result<(), Failure> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    match regions.iter().find(|region| region.is_empty() || !region.chars().all(plain)) {
        None => Ok(()),
        Some(region) => {
            let error = anyhow::anyhow!("`{region}` is not the name of a region").context(cannot.to_owned());
            Err(Failure::usage(error).hint("write it as `eu-central-1`; further regions after a comma"))
        }
    }
}

/// The folder of the ledgers for the account that is called: local regions and profiles have their own.
fn ledgers(given: Option<&PathBuf>, aws: &region::Args, cannot: &str) -> Result<PathBuf, Failure> {
    let set = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let state = given.cloned().or_else(|| {
        let state = set("XDG_STATE_HOME").or_else(|| set("HOME").map(|home| home.join(".local/state")));
        state.map(|state| state.join("amiforge/channels"))
    });
    let state = state.ok_or_else(|| {
        let error = anyhow::anyhow!("neither `XDG_STATE_HOME` nor `HOME` is set");
        Failure::usage(error.context(cannot.to_owned()))
            .hint("name the folder of the ledgers with `--state DIR`")
    })?;
    let profile = aws.profile.clone().or_else(|| std::env::var("AWS_PROFILE").ok());
    let profile = profile.filter(|profile| !profile.is_empty()).unwrap_or_else(|| "default".to_owned());
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' || c == '_' { c } else { '_' };
    let account: String = profile.chars().map(plain).collect();
    Ok(state.join(if aws.is_local() { "local-region".to_owned() } else { account }))
}

/// The region that is named without a call, for a dry run.
pub(super) fn offline_region(aws: &region::Args, cannot: &str) -> Result<String, Failure> {
    region::named_region(aws).ok_or_else(|| {
        let error = anyhow::anyhow!("a dry run makes no calls, so the region must be named");
        Failure::usage(error.context(cannot.to_owned())).hint("add `--region eu-west-1`, or set AWS_REGION")
    })
}

/// A failure with its hint; `again` is the command without its options, such as `amiforge promote`.
pub(super) fn failure(error: ChannelError, cannot: String, again: &str) -> Failure {
    let hint = hint(&error, again);
    if let ChannelError::Name(_) = &error {
        return Failure::usage(anyhow::Error::from(error).context(cannot));
    }
    let failure = Failure::from(anyhow::Error::from(error).context(cannot));
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

fn hint(error: &ChannelError, again: &str) -> Option<String> {
    let denied = |error: &ChannelError| {
        error.call().is_some_and(|failed| failed.error.kind == ServiceErrorKind::Denied)
    };
    Some(match error {
        _ if denied(error) => format!("`{again} … --dry-run` prints the IAM policy that is needed"),
        ChannelError::Refused(_) => "nothing was changed".to_owned(),
        ChannelError::Nameless { .. } => "name the image with `--name`".to_owned(),
        ChannelError::SetBack { .. } | ChannelError::Overtaken { .. } => match error.cause() {
            ChannelError::Conflict { .. } | ChannelError::Deleted { .. } => {
                "`amiforge channels` shows what the channel holds now; agree on who goes on, and repeat the command"
                    .to_owned()
            }
            ChannelError::HistoryFull { .. } => "move that label to a newer version".to_owned(),
            _ => "the same command tries again".to_owned(),
        },
        ChannelError::SetBackIncomplete { .. } => {
            "the same command sets back what is left and tries again; with `--abandon` it sets back alone".to_owned()
        }
        ChannelError::OtherChange { verb, .. } => {
            format!("repeat that `amiforge {verb}`, or set it back with `amiforge promote --abandon`")
        }
        ChannelError::Ledger(ledger) if ledger.is_busy() => {
            "wait for the other command, or stop it: nothing is lost by that".to_owned()
        }
        ChannelError::Interrupted => {
            "the same command goes on; `amiforge promote --abandon` sets back what was changed".to_owned()
        }
        ChannelError::Call { source, .. } => {
            return service_hint(source).or_else(|| Some("the same command goes on".to_owned()));
        }
        _ => return None,
    })
}

/// Shows what a channel holds after a change, and records that it was shown.
pub(super) fn show(outcome: &Outcome, ui: &Ui) -> CommandResult {
    if ui.json() {
        ui.object(outcome)?;
    } else {
        for moved in &outcome.moved {
            let before = match &moved.before {
                Some(before) if before.image == moved.image_id => "unchanged",
                Some(before) => &before.image,
                None => "-",
            };
            let (region, parameter) = (&moved.region, &moved.parameter);
            let (image, version) = (&moved.image_id, moved.parameter_version);
            ui.line(format_args!("{region} {parameter}:{version} {image} {before}"))?;
        }
    }
    outcome.record_shown().map_err(anyhow::Error::from)?;
    Ok(CommandOutcome::Success)
}

/// Shows a plan.
pub(super) fn show_plan(plan: &PlannedChange, ui: &Ui) -> CommandResult {
    if ui.json() {
        ui.object(plan)?;
        return Ok(CommandOutcome::Success);
    }
    let mut out = ui.out();
    let mut write = || {
        writeln!(out, "{} in {}", plan.parameters.join(" and "), plan.regions.join(", "))?;
        writeln!(out, "\ncalls:")?;
        for call in &plan.calls {
            let count = call.count.map_or_else(|| "some".to_owned(), |count| count.to_string());
            writeln!(out, "  {:>8} {:<32} {:<16} {}", count, call.action, call.region, call.purpose)?;
        }
        writeln!(out, "\nnot known without a call:")?;
        for unknown in &plan.unknown {
            writeln!(out, "  {unknown}")?;
        }
        writeln!(out, "\nIAM policy:\n{:#}", plan.policy)?;
        out.flush()
    };
    written(write())?;
    Ok(CommandOutcome::Success)
}
