//! What a change of a channel will call, and the IAM policy that it needs. Makes no call.

use amiforge_publish::request::partition;
use serde::Serialize;

use super::ChannelError;
use super::entry::ChangeKind;
use super::list::ChannelListOptions;
use super::name::{PathTemplate, Words};
use super::promote::ChannelOptions;
use crate::call_plan::{CallList, CallPlan, PlannedCall, Resources, policy};

/// A change that is not made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlannedChange {
    /// Names of the parameters; `*` for what only the service knows.
    pub parameters: Vec<String>,
    /// The regions.
    pub regions: Vec<String>,
    /// The calls.
    pub calls: Vec<PlannedCall>,
    /// The IAM policy for exactly these calls.
    pub policy: serde_json::Value,
    /// Facts that only the service knows.
    pub unknown: Vec<String>,
}

/// Plans a change. `shared` says whether launch permissions are checked.
///
/// # Errors
/// [`ChannelError::Name`].
pub fn plan(kind: ChangeKind, options: &ChannelOptions, shared: bool) -> Result<PlannedChange, ChannelError> {
    let mut regions =
        if options.regions.is_empty() { vec![options.home.clone()] } else { options.regions.clone() };
    regions.sort();
    regions.dedup();
    // Checked with words of the same length at most, so that a mistake in the template is found.
    let known = |word: &Option<String>| word.clone().unwrap_or_else(|| "x".to_owned());
    let words =
        Words { name: known(&options.name), channel: options.channel.clone(), arch: known(&options.arch) };
    options.parameters(&words)?;
    let shown = |parameter: String| {
        let parameter = if options.name.is_none() { parameter.replace("{name}", "*") } else { parameter };
        if options.arch.is_none() { parameter.replace("{arch}", "*") } else { parameter }
    };
    let parameters: Vec<_> = options
        .templates
        .iter()
        .map(|template| {
            let filled = shown(template.to_string()).replace("{channel}", &words.channel);
            filled.replace("{name}", &words.name).replace("{arch}", &words.arch)
        })
        .collect();
    let mut calls = Vec::new();
    for region in &regions {
        add_calls(&mut calls, kind, region, &parameters, shared);
    }
    if !regions.contains(&options.home) {
        let purpose = "the AMI that is named, and the regions of the channel";
        add(&mut calls, "ec2:DescribeImages", &options.home, None, purpose, Vec::new());
    }
    Ok(PlannedChange { policy: policy(&calls), unknown: unknown(options, kind), parameters, regions, calls })
}

/// The calls that list channels.
pub fn list_plan(options: &ChannelListOptions) -> CallPlan {
    let home = std::slice::from_ref(&options.home);
    let regions = if options.regions.is_empty() { home } else { &options.regions };
    let mut paths: Vec<_> = options.templates.iter().map(PathTemplate::path).collect();
    paths.sort();
    paths.dedup();
    let mut calls = CallList::new();
    for region in regions {
        calls.in_region(region);
        for path in &paths {
            let below = || Resources::Parameters(path.clone());
            calls.add("ssm:GetParametersByPath", below(), "the channels");
            calls.add("ssm:GetParameterHistory", below(), "since when each holds its AMI");
        }
        calls.add("ec2:DescribeImages", Resources::Any, "the AMIs that they hold");
    }
    let further =
        "the further regions of these channels, in which the same calls are made: name all with `--regions`";
    calls.plan(if options.regions.is_empty() { vec![further.to_owned()] } else { Vec::new() })
}

fn add(
    calls: &mut Vec<PlannedCall>,
    action: &'static str,
    region: &str,
    count: Option<u64>,
    purpose: &'static str,
    resources: Vec<String>,
) {
    calls.push(PlannedCall { action, region: region.to_owned(), count, purpose, resources, tag: None });
}

fn add_calls(
    calls: &mut Vec<PlannedCall>,
    kind: ChangeKind,
    region: &str,
    parameters: &[String],
    shared: bool,
) {
    let arn = |name: &String| format!("arn:{}:ssm:{region}:*:parameter{name}", partition(region));
    let arns = || parameters.iter().map(arn).collect::<Vec<_>>();
    let count = parameters.len() as u64;
    let purpose = "the AMI is there and can be launched; SSM checks it as the caller, too";
    add(calls, "ec2:DescribeImages", region, None, purpose, Vec::new());
    if shared && kind == ChangeKind::Promote {
        let image = vec![format!("arn:{}:ec2:{region}::image/*", partition(region))];
        add(calls, "ec2:DescribeImageAttribute", region, Some(1), "those who must use it may", image);
    }
    for (action, count, purpose) in [
        ("ssm:GetParameterHistory", None, "what the channel holds, and what others do meanwhile"),
        ("ssm:PutParameter", Some(count), "the channel gets the AMI"),
        ("ssm:GetParameter", None, "the version is visible"),
        ("ssm:LabelParameterVersion", Some(count), "the version and the manifest of the image"),
        ("ssm:UnlabelParameterVersion", Some(0), "only for the oldest of 100 versions, which makes room"),
        ("ssm:DeleteParameter", Some(0), "only to set back a channel that did not exist"),
    ] {
        // A roll back never makes a parameter.
        if kind == ChangeKind::Promote || action != "ssm:DeleteParameter" {
            add(calls, action, region, count, purpose, arns());
        }
    }
}

fn unknown(options: &ChannelOptions, kind: ChangeKind) -> Vec<String> {
    let mut unknown = Vec::new();
    if options.regions.is_empty() {
        unknown.push(
            "the regions that the channel has already: they are a part of it, unless `--regions` names them"
                .to_owned(),
        );
    }
    if options.name.is_none() {
        unknown.push("the name of the image: it is the AMI's tag, unless `--name` gives it".to_owned());
    }
    unknown.push(match kind {
        ChangeKind::Promote => {
            "what the channel holds: where it holds the AMI already, nothing is set".to_owned()
        }
        ChangeKind::Rollback => "what the channel held, and whether that AMI still exists".to_owned(),
    });
    unknown
}
