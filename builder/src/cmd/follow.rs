//! `amiforge follow`: launch templates and Auto Scaling groups get a new image.

mod args;
mod show;

use std::collections::BTreeMap;
use std::fmt;

use amiforge_aws::{AutoScalingClient, Ec2Client};
use amiforge_lifecycle::api::parameters::Parameters as _;
use amiforge_lifecycle::follow::{self, FOLLOW_TAG, FollowError, FollowRegion, Selection, TagChoice};
use amiforge_progress::{CancelToken, Monitor};
use amiforge_publish::retry::{CallStep, NoObserver, retry};
use amiforge_publish::timer::Timer;

pub(crate) use self::args::Args;
use self::args::Channel;
use super::call_plan;
use super::region::ConnectedRegion;
use crate::outcome::{CommandResult, Failure, Outcome};
use crate::signals::interrupt_on_signals;
use crate::ui::Ui;

/// The clients of a region.
struct Clients {
    groups: AutoScalingClient,
    templates: Ec2Client,
    timer: Timer,
}

/// Runs the command.
pub(crate) fn run(args: &Args, ui: &Ui) -> CommandResult {
    let cancel = interrupt_on_signals()?;
    // Mistakes in the options are reported before any call, and before a local region is started.
    let options = args.check()?;
    if args.status && args.dry_run {
        let region = call_plan::named_region(&args.aws)?;
        let parameter = options.channel.as_ref().map(|channel| channel.parameter.as_str());
        let plan = follow::status_calls(&region, parameter, options.image.is_some());
        return call_plan::show(&format!("who follows in {region}"), &plan, ui);
    }
    let connected = args.aws.connect(&cancel)?;
    let clients = Clients {
        groups: connected.config().auto_scaling(),
        templates: connected.config().ec2(),
        timer: Timer::default().with_cancel(&cancel),
    };
    let region = FollowRegion {
        name: connected.name(),
        groups: &clients.groups,
        templates: &clients.templates,
        timer: &clients.timer,
        monitor: Monitor::new(ui, &cancel),
    };
    if args.status {
        return show_status(&options, &connected, &region, ui);
    }
    let image = match (&options.image, &options.channel) {
        (Some(image), _) => image.clone(),
        (None, Some(channel)) => channel_image(channel, &connected, &cancel, &args.cannot())?,
        (None, None) => return Err(Failure::usage(anyhow::anyhow!("neither an AMI nor a channel is named"))),
    };
    let request = options.request(&image);
    if args.dry_run {
        let plan = connected
            .block_on(follow::preview(&region, &request))
            .map_err(|error| failure(error, args.cannot()))?;
        return show::dry_run(&plan, &request, region.name, options.channel.as_ref(), ui);
    }
    let following = connected
        .block_on(follow::follow(&region, &request))
        .map_err(|error| failure(error, args.cannot()))?;
    show::following(&following, ui)
}

/// The image of a channel: the value of its parameter.
fn channel_image(
    channel: &Channel,
    connected: &ConnectedRegion,
    cancel: &CancelToken,
    cannot: &str,
) -> Result<String, Failure> {
    let client = connected.config().ssm();
    let timer = Timer::default().with_cancel(cancel);
    let read = retry(&timer, CallStep::Idempotent, &NoObserver, || client.parameter(&channel.parameter));
    let value = connected.block_on(read).map(|parameter| parameter.value).map_err(|error| {
        let action = format!("reading the parameter `{}`", channel.parameter);
        Failure::from(anyhow::Error::from(error).context(action).context(cannot.to_owned()))
    })?;
    if args::is_image_id(&value) {
        return Ok(value);
    }
    let wrong = format!("the parameter `{}` holds `{value}`, which is no image id", channel.parameter);
    let error = anyhow::anyhow!(wrong).context(cannot.to_owned());
    Err(Failure::from(error).hint("a channel is a parameter that holds the id of an AMI"))
}

fn show_status(
    options: &args::Checked,
    connected: &ConnectedRegion,
    region: &FollowRegion<'_, AutoScalingClient, Ec2Client>,
    ui: &Ui,
) -> CommandResult {
    let cannot = "cannot tell who follows".to_owned();
    let mut selection = options.selection.clone();
    if selection == Selection::default() {
        selection.tag = Some(TagChoice { key: FOLLOW_TAG.to_owned(), value: None });
    }
    let fleet = connected
        .block_on(follow::survey(region, &selection))
        .map_err(|error| failure(error, cannot.clone()))?;
    let mut expected = BTreeMap::new();
    match (&options.image, &options.channel) {
        (Some(image), _) => {
            expected.insert(None, image.clone());
        }
        (None, Some(channel)) => {
            let image = channel_image(channel, connected, region.monitor.cancel, &cannot)?;
            expected.insert(None, image);
        }
        (None, None) => {
            for value in fleet.tag_values(FOLLOW_TAG) {
                let Some(channel) = Channel::parse(&value, None) else { continue };
                // A channel that is not there is drift of all its groups, not the end of the report.
                match channel_image(&channel, connected, region.monitor.cancel, &cannot) {
                    Ok(image) => drop(expected.insert(Some(value), image)),
                    Err(failure) => ui.warn(format_args!("{value}: {:#}", failure.error)),
                }
            }
        }
    }
    let groups = follow::status(&fleet, FOLLOW_TAG, &expected);
    show::status(&groups, ui)?;
    let drift = groups.iter().any(|group| group.drift);
    Ok(if drift { Outcome::Difference } else { Outcome::Success })
}

/// The failure of a follow, with what to do next.
fn failure(error: FollowError, cannot: impl fmt::Display) -> Failure {
    let hint = error.hint();
    let failure = Failure::from(anyhow::Error::from(error).context(cannot.to_string()));
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}
