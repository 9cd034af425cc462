//! `amiforge channels`: lists channels, and where their regions differ.

use std::io::{self, Write};

use amiforge_formats::time::Time;
use amiforge_image::inspect::Utc;
use amiforge_lifecycle::channel::{
    self, Agreement, ChannelListOptions, ChannelListing, ChannelServices, HeldImage, ListedChannel,
};
use amiforge_progress::Monitor;
use amiforge_publish::timer::Timer;

use super::call_plan::DryRunArgs;
use super::{channel as shared, region};
use crate::outcome::{CommandResult, Failure, Outcome, kind_hint};
use crate::signals::interrupt_on_signals;
use crate::ui::{Ui, written};

/// List channels: the image of each region, since when, and where regions differ
///
/// A region differs if it holds an image of another manifest (or, without our tags, no copy of the same image). Images
/// that are gone, disabled or deprecated are named, and regions that a channel should have and has not.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  amiforge channels --region eu-west-1\n  \
    amiforge channels --name web --regions eu-west-1,us-east-1 --region eu-west-1 --check --json")]
pub(crate) struct Args {
    /// Only this channel
    #[arg(long, value_name = "NAME")]
    channel: Option<String>,

    /// End with exit code 3 if regions differ or an image cannot be launched
    #[arg(long)]
    check: bool,

    #[command(flatten)]
    plan: DryRunArgs,

    #[command(flatten)]
    parameters: shared::Args,

    #[command(flatten)]
    aws: region::Args,
}

/// Runs the command.
pub(crate) fn run(args: &Args, ui: &Ui) -> CommandResult {
    let cannot = "cannot list channels";
    let cancel = interrupt_on_signals()?;
    let templates = args.parameters.templates(cannot)?;
    shared::check_regions(&args.parameters.regions, cannot)?;
    let options = |home: &str| ChannelListOptions {
        home: home.to_owned(),
        regions: args.parameters.regions.clone(),
        name: args.parameters.name.clone(),
        channel: args.channel.clone(),
        templates: templates.clone(),
        now: channel::now(),
    };
    let calls = |region: &str| channel::list_plan(&options(region));
    if let Some(shown) = args.plan.shown("list channels", &args.aws, calls, ui) {
        return shown;
    }
    let connected = args.aws.connect(&cancel)?;
    let options = options(connected.name());
    let timer = Timer::default();
    let monitor = Monitor::new(ui, &cancel);
    let services = ChannelServices { regions: connected.config(), timer: &timer, monitor };
    let listing = connected.block_on(channel::list(services, &options));
    let listing = listing.map_err(|error| shared::failure(error, cannot.to_owned(), "amiforge channels"))?;
    if ui.json() {
        ui.object(&listing)?;
    } else {
        let mut out = ui.out();
        written(print(&listing, &mut out).and_then(|()| out.flush()))?;
    }
    finish(&listing, args.check)
}

/// The outcome: regions that could not be read are a failure.
fn finish(listing: &ChannelListing, check: bool) -> CommandResult {
    if let Some(first) = listing.unread.first() {
        let error = anyhow::anyhow!("{}: {}", first.region, first.error);
        let cannot = format!("cannot list the channels of {} regions", listing.unread.len());
        let failure = Failure::from(error.context(cannot));
        return Err(match first.kind.and_then(kind_hint) {
            Some(hint) => failure.hint(hint),
            None => failure,
        });
    }
    Ok(if check && !listing.is_sound() { Outcome::Difference } else { Outcome::Success })
}

fn print(listing: &ChannelListing, out: &mut impl Write) -> io::Result<()> {
    for channel in &listing.channels {
        let arch = if channel.arch.is_empty() { String::new() } else { format!(" {}", channel.arch) };
        let drift = if channel.agreement == Agreement::Drift { "  regions differ" } else { "" };
        writeln!(out, "{} {}{arch}{drift}", channel.name, channel.channel)?;
        print_regions(channel, out)?;
    }
    Ok(())
}

fn print_regions(channel: &ListedChannel, out: &mut impl Write) -> io::Result<()> {
    for HeldImage {
        region, parameter, image_id, version, parameter_version, since, set_by, problem, ..
    } in &channel.regions
    {
        let version = version.as_deref().unwrap_or("-");
        let since = Utc(Time::from_secs(*since));
        let by = set_by.as_deref().map(|by| format!(" by {by}")).unwrap_or_default();
        let problem = problem.as_deref().map(|problem| format!("; {image_id} {problem}")).unwrap_or_default();
        writeln!(
            out,
            "  {region:<16} {image_id:<24} {version:<16} since {since}{by}, {parameter}:{parameter_version}{problem}"
        )?;
    }
    for region in &channel.missing {
        writeln!(out, "  {region:<16} missing")?;
    }
    Ok(())
}
