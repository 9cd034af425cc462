//! The options of `amiforge follow`, and their check.

use std::time::Duration;

use amiforge_lifecycle::api::groups::RefreshPreferences;
use amiforge_lifecycle::follow::{FOLLOW_TAG, FollowRequest, ImageTarget, Selection, TagChoice, WaitPolicy};

use super::super::region;
use crate::outcome::Failure;

/// The longest pause of a checkpoint or bake time, in seconds: two days.
const MAX_PAUSE: u64 = 172_800;
/// The most alarms of a refresh.
const MAX_ALARMS: usize = 10;

/// Let launch templates and Auto Scaling groups follow an AMI or a channel
///
/// Makes a version of each launch template with the new image and everything else as before, sets the default version,
/// and replaces the instances by an instance refresh. If a refresh fails, hangs, or an alarm rings, everything that the run
/// changed is taken back. Only groups and templates that opt in are changed: those that are listed, or have the tag
/// `amiforge:follow` with the value NAME/CHANNEL. Can be stopped at any moment: the same command continues.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  amiforge follow --channel web/stable --region eu-west-1 --min-healthy 90 --auto-rollback\n  \
    amiforge follow ami-0abcdef1234567890 --groups web-a,web-b --checkpoints 10,50,100 --checkpoint-delay 600\n  \
    amiforge follow --status --region eu-west-1"
)]
pub(crate) struct Args {
    /// The AMI
    #[arg(value_name = "AMI", conflicts_with = "channel")]
    image: Option<String>,

    /// The channel whose AMI is followed
    #[arg(long, value_name = "NAME/CHANNEL")]
    channel: Option<String>,

    /// The parameter of the channel [default: /amiforge/NAME/CHANNEL]
    #[arg(long, value_name = "NAME", requires = "channel")]
    parameter: Option<String>,

    /// Show who follows, which image each instance runs, and the drift; exit code 3 if there is any
    #[arg(long, conflicts_with_all = ["no_wait", "resolve_ssm"])]
    pub(super) status: bool,

    /// Print what would be done, the calls, and the IAM policy that they need; changes nothing. With `--status` print the calls
    /// and the policy alone, without a call
    #[arg(long)]
    pub(super) dry_run: bool,

    #[command(flatten)]
    selection: SelectionArgs,

    #[command(flatten)]
    refresh: RefreshArgs,

    #[command(flatten)]
    pub(super) aws: region::Args,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Who follows")]
#[group(skip)]
struct SelectionArgs {
    /// These groups
    #[arg(long, value_name = "GROUP", value_delimiter = ',')]
    groups: Vec<String>,

    /// These launch templates, by id or name, without a group
    #[arg(long, value_name = "TEMPLATE", value_delimiter = ',')]
    templates: Vec<String>,

    /// Groups and launch templates with this tag [default with --channel: amiforge:follow=NAME/CHANNEL]
    #[arg(long, value_name = "KEY=VALUE")]
    tag: Option<String>,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Instance refresh")]
#[group(skip)]
#[expect(clippy::struct_excessive_bools, reason = "one switch of the command line each")]
struct RefreshArgs {
    /// Let templates refer to the parameter of the channel (`resolve:ssm:`) instead of the image
    #[arg(long, requires = "channel")]
    resolve_ssm: bool,

    /// Percentage of the group that stays healthy
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u64).range(0..=100))]
    min_healthy: Option<u64>,

    /// Percentage of the group that may be there at once
    #[arg(long, value_name = "PERCENT", requires = "min_healthy", value_parser = clap::value_parser!(u64).range(100..=200))]
    max_healthy: Option<u64>,

    /// Percentages at which the refresh pauses; the last one is 100, unless it should end before
    #[arg(long, value_name = "PERCENT", value_delimiter = ',', value_parser = clap::value_parser!(u64).range(1..=100))]
    checkpoints: Vec<u64>,

    /// Seconds of a pause [default: 3600]
    #[arg(long, value_name = "SECONDS", requires = "checkpoints", value_parser = clap::value_parser!(u64).range(0..=MAX_PAUSE))]
    checkpoint_delay: Option<u64>,

    /// Seconds until a new instance counts as ready [default: as the group says]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(0..=MAX_PAUSE))]
    warmup: Option<u64>,

    /// Seconds to wait at the end before the refresh counts as successful
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(0..=MAX_PAUSE))]
    bake: Option<u64>,

    /// Leave instances that match already
    #[arg(long)]
    skip_matching: bool,

    /// Let Auto Scaling roll back by itself, also if this program is not there any more; only for groups with fixed versions
    #[arg(long)]
    auto_rollback: bool,

    /// Alarms of `CloudWatch` that fail the refresh
    #[arg(long, value_name = "ALARM", value_delimiter = ',')]
    alarms: Vec<String>,

    /// Minutes without progress after which a refresh is taken back; pauses are added
    #[arg(long, value_name = "MINUTES", default_value_t = 90)]
    stall_limit: u64,

    /// Start the refreshes and do not wait; the same command shows their end, and sets default versions then
    #[arg(long)]
    no_wait: bool,
}

/// A channel and its parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Channel {
    pub(super) name: String,
    pub(super) parameter: String,
}

impl Channel {
    /// Parses `NAME/CHANNEL`.
    pub(super) fn parse(text: &str, parameter: Option<&str>) -> Option<Self> {
        let (name, channel) = text.split_once('/')?;
        let plain = |part: &str| {
            !part.is_empty() && part.chars().all(|one| one.is_ascii_alphanumeric() || ".-_".contains(one))
        };
        if !plain(name) || !plain(channel) {
            return None;
        }
        let parameter = parameter.map_or_else(|| format!("/amiforge/{name}/{channel}"), str::to_owned);
        Some(Self { name: text.to_owned(), parameter })
    }
}

/// Options without mistakes.
pub(super) struct Checked {
    pub(super) image: Option<String>,
    pub(super) channel: Option<Channel>,
    pub(super) selection: Selection,
    preferences: RefreshPreferences,
    wait: WaitPolicy,
    resolve: bool,
}

/// Whether a text is the id of an image.
pub(super) fn is_image_id(text: &str) -> bool {
    let digits = text.strip_prefix("ami-").unwrap_or_default();
    matches!(digits.len(), 8 | 17) && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn mistake(problem: String, hint: &str) -> Failure {
    Failure::usage(anyhow::anyhow!(problem)).hint(hint)
}

impl Args {
    /// The top of every error.
    pub(super) fn cannot(&self) -> String {
        let what = self.image.as_ref().or(self.channel.as_ref()).map_or("an AMI", String::as_str);
        format!("cannot let the fleet follow `{what}`")
    }

    /// Checks the options.
    pub(super) fn check(&self) -> Result<Checked, Failure> {
        if let Some(image) = self.image.as_ref().filter(|image| !is_image_id(image)) {
            return Err(mistake(
                format!("`{image}` is not the id of an AMI"),
                "write it as `ami-0abcdef1234567890`",
            ));
        }
        let channel = match &self.channel {
            None => None,
            Some(text) => Some(Channel::parse(text, self.parameter.as_deref()).ok_or_else(|| {
                mistake(format!("`{text}` is not a channel"), "write it as `web/stable`: NAME/CHANNEL")
            })?),
        };
        if self.image.is_none() && channel.is_none() && !self.status {
            return Err(mistake(
                "nothing to follow is named".to_owned(),
                "name an AMI, or a channel with `--channel`",
            ));
        }
        let selection = self.selection(channel.as_ref())?;
        if selection == Selection::default() && !self.status {
            return Err(mistake(
                "no group or launch template opts in".to_owned(),
                "name groups with `--groups` or launch templates with `--templates`, or a tag with `--tag`",
            ));
        }
        let preferences = self.refresh.preferences()?;
        let stall = Duration::from_mins(self.refresh.stall_limit);
        let wait = if self.refresh.no_wait { WaitPolicy::Start } else { WaitPolicy::UntilDone { stall } };
        let (image, resolve) = (self.image.clone(), self.refresh.resolve_ssm);
        Ok(Checked { image, channel, selection, preferences, wait, resolve })
    }

    fn selection(&self, channel: Option<&Channel>) -> Result<Selection, Failure> {
        let given = &self.selection;
        let listed = !given.groups.is_empty() || !given.templates.is_empty();
        let tag = match (&given.tag, channel) {
            (Some(text), _) => Some(parse_tag(text)?),
            (None, Some(channel)) if !listed => {
                Some(TagChoice { key: FOLLOW_TAG.to_owned(), value: Some(channel.name.clone()) })
            }
            _ => None,
        };
        Ok(Selection { groups: given.groups.clone(), templates: given.templates.clone(), tag })
    }
}

fn parse_tag(text: &str) -> Result<TagChoice, Failure> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => {
            Ok(TagChoice { key: key.to_owned(), value: Some(value.to_owned()) })
        }
        _ => Err(mistake(format!("`{text}` is not a tag"), "write it as `amiforge:follow=web/stable`")),
    }
}

impl RefreshArgs {
    fn preferences(&self) -> Result<RefreshPreferences, Failure> {
        if let (Some(min), Some(max)) = (self.min_healthy, self.max_healthy)
            && max - min > 100
        {
            let problem = format!("{min} and {max} percent are more than 100 apart");
            return Err(mistake(problem, "raise `--min-healthy`, or lower `--max-healthy`"));
        }
        if self.checkpoints.windows(2).any(|pair| pair[0] >= pair[1]) {
            return Err(mistake("the checkpoints do not ascend".to_owned(), "write them as `10,50,100`"));
        }
        if self.alarms.len() > MAX_ALARMS {
            let problem = format!("{} alarms are named", self.alarms.len());
            return Err(mistake(problem, "a refresh takes at most 10: combine some into a composite alarm"));
        }
        Ok(RefreshPreferences {
            min_healthy: self.min_healthy,
            max_healthy: self.max_healthy,
            warmup: self.warmup,
            checkpoints: self.checkpoints.clone(),
            checkpoint_delay: self.checkpoint_delay,
            skip_matching: self.skip_matching,
            auto_rollback: self.auto_rollback,
            alarms: self.alarms.clone(),
            bake: self.bake,
        })
    }
}

impl Checked {
    /// The request for an image.
    pub(super) fn request(&self, image: &str) -> FollowRequest {
        let parameter = self.channel.as_ref().filter(|_| self.resolve).map(|one| one.parameter.clone());
        FollowRequest {
            target: ImageTarget { image: image.to_owned(), parameter },
            selection: self.selection.clone(),
            preferences: self.preferences.clone(),
            wait: self.wait,
        }
    }
}
