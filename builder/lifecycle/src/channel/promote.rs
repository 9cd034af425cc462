//! Promotes an image: every parameter of a channel gets the image's AMI of its region.

use std::path::{Path, PathBuf};
use std::time::Duration;

use amiforge_formats::digest::Digest;
use amiforge_publish::ami::join;
use amiforge_publish::api::ec2::{DescribedImage, Ec2, Regions};
use amiforge_publish::tags;

use super::check::{self, Audience};
use super::entry::{Change, ChangeKind, Stage, Target};
use super::error::Kept;
use super::find::{Identity, Subject};
use super::history::{note, type_problem};
use super::label;
use super::name::{Template, Words};
use super::outcome::Outcome;
use super::region::ChannelRegion;
use super::set::{OTHER_PATH, blocking_label};
use super::work::{ChannelServices, Concurrent, Work};
use super::{ChannelError, Refusal, RefusalReason};
use crate::api::parameters::{ParameterRegions, Parameters};

/// Which channel, where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelOptions {
    /// The region of the connection: an AMI is looked up there, and an existing channel tells its regions.
    pub home: String,
    /// The regions; none for those that the image was published to and that the channel has.
    pub regions: Vec<String>,
    /// The channel.
    pub channel: String,
    /// Name of the image; by default its own.
    pub name: Option<String>,
    /// Architecture of the image as EC2 names it, for templates with it; by default its own.
    pub arch: Option<String>,
    /// The templates of the parameters' names, one parameter in each region for each.
    pub templates: Vec<Template>,
    /// Folder of the ledgers.
    pub folder: PathBuf,
    /// Maximum time until SSM shows a version.
    pub wait: Duration,
    /// The present time, in seconds since 1970.
    pub now: i64,
}

/// What to promote, and who must be able to use it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PromoteOptions {
    /// The channel.
    pub channel: ChannelOptions,
    /// The image.
    pub subject: Subject,
    /// Who must be able to use it.
    pub audience: Audience,
}

/// The time until SSM shows a version, by default.
pub const DEFAULT_WAIT: Duration = Duration::from_mins(3);

/// Promotes an image. A repeated call completes what an earlier one began.
///
/// # Errors
/// [`ChannelError`]. After [`ChannelError::Refused`] nothing was changed; after [`ChannelError::SetBack`] everything is
/// as before; after any other the same call goes on, and [`super::abandon`] sets back.
pub async fn promote<R: Regions + ParameterRegions>(
    services: ChannelServices<'_, R>,
    options: &PromoteOptions,
) -> Result<Outcome, ChannelError> {
    let channel = &options.channel;
    let (identity, image) = identify(services, options).await?;
    let words = words(channel, &options.subject, image.as_ref())?;
    let parameters = channel.parameters(&words)?;
    let work = Work::open(services, &channel.ledger(&parameters), channel.wait)?;
    work.finish_setting_back().await?;
    let regions = channel.all_regions(services, &parameters, &options.subject).await?;
    let other_regions = channel.other_regions(services, &parameters, &regions).await?;
    let change = plan(services, options, &identity, &words, &regions).await?;
    let change = Change { other_regions, ..change };
    work.finish_earlier(&change).await?;
    if !work.continues(&change) {
        work.begin(change)?;
    }
    work.carry_out().await
}

/// How the image is recognized in every region, and the image that was named.
async fn identify<R: Regions + ParameterRegions>(
    services: ChannelServices<'_, R>,
    options: &PromoteOptions,
) -> Result<(Identity, Option<DescribedImage>), ChannelError> {
    let home = &options.channel.home;
    match &options.subject {
        Subject::Bundle(bundle) => Ok((Identity::of_bundle(bundle), None)),
        Subject::Image(id) => match services.region(home).image(id).await? {
            Some(image) => Ok((Identity::of_image(&image, home), Some(image))),
            None => Err(ChannelError::Refused(vec![Refusal {
                region: home.clone(),
                reason: RefusalReason::Missing,
                problem: format!("{id} does not exist, or is not shared with this account"),
                remedy: "name its region with `--region`".to_owned(),
            }])),
        },
    }
}

/// The words of the parameters' names.
fn words(
    channel: &ChannelOptions,
    subject: &Subject,
    image: Option<&DescribedImage>,
) -> Result<Words, ChannelError> {
    let tagged = |key: &str| match subject {
        Subject::Bundle(bundle) => bundle.tags.get(key).cloned(),
        Subject::Image(_) => image.and_then(|image| image.tags.get(key).cloned()),
    };
    let Some(name) = channel.name.clone().or_else(|| tagged(tags::IMAGE)) else {
        let image = match subject {
            Subject::Image(id) => id.clone(),
            Subject::Bundle(bundle) => format!("`{}`", bundle.path),
        };
        return Err(ChannelError::Nameless { image });
    };
    let own = image.and_then(|image| image.architecture.clone());
    let arch = channel.arch.clone().or(own).unwrap_or_default();
    Ok(Words { name, channel: channel.channel.clone(), arch })
}

/// The change, or every reason against it.
async fn plan<R: Regions + ParameterRegions>(
    services: ChannelServices<'_, R>,
    options: &PromoteOptions,
    identity: &Identity,
    words: &Words,
    regions: &[String],
) -> Result<Change, ChannelError> {
    let parameters = options.channel.parameters(words)?;
    let one = |name: &String| -> Concurrent<'_, Result<_, ChannelError>> {
        let (name, parameters) = (name.clone(), &parameters);
        Box::pin(async move {
            let region = services.region(&name);
            check_region(&region, identity, parameters, &options.audience, options.channel.now).await
        })
    };
    let (mut targets, mut refusals, mut versions) = (Vec::new(), Vec::new(), Vec::new());
    for checked in join::all(regions.iter().map(one).collect()).await {
        let CheckedRegion { image, targets: own, refusals: refused } = checked?;
        versions.extend(image.map(|image| image.tags.get(tags::VERSION).cloned()));
        targets.extend(own);
        refusals.extend(refused);
    }
    if !refusals.is_empty() {
        return Err(ChannelError::Refused(refusals));
    }
    targets.sort();
    versions.dedup();
    Ok(Change {
        kind: ChangeKind::Promote,
        name: words.name.clone(),
        channel: words.channel.clone(),
        version: if versions.len() == 1 { versions.swap_remove(0) } else { None },
        to: None,
        other_regions: Vec::new(),
        targets,
    })
}

/// What the checks of a region found.
struct CheckedRegion {
    image: Option<DescribedImage>,
    targets: Vec<Target>,
    refusals: Vec<Refusal>,
}

/// Finds the image in a region, and checks it and the parameters.
async fn check_region<C: Ec2, P: Parameters>(
    region: &ChannelRegion<'_, C, P>,
    identity: &Identity,
    parameters: &[String],
    audience: &Audience,
    now: i64,
) -> Result<CheckedRegion, ChannelError> {
    let image = match identity.find(region).await? {
        Ok(image) => image,
        Err(refusal) => {
            return Ok(CheckedRegion { image: None, targets: Vec::new(), refusals: vec![refusal] });
        }
    };
    let mut refusals = check::refusals(region, &image, audience, now).await?;
    let mut targets = Vec::new();
    for parameter in parameters {
        refusals.extend(check_parameter(region, parameter, &image).await?);
        targets.push(Target {
            region: region.name.to_owned(),
            parameter: parameter.clone(),
            image: image.id.clone(),
            to: None,
            labels: label::of_image(&image.tags),
        });
    }
    Ok(CheckedRegion { image: Some(image), targets, refusals })
}

/// Refuses a parameter that is not a channel, whose history is full, or that holds an image of another architecture.
async fn check_parameter<C: Ec2, P: Parameters>(
    region: &ChannelRegion<'_, C, P>,
    parameter: &str,
    image: &DescribedImage,
) -> Result<Option<Refusal>, ChannelError> {
    let history = region.history(parameter).await?;
    let Some(latest) = history.last() else { return Ok(None) };
    let refusal = |reason, problem: String, remedy: &str| {
        Some(Refusal { region: region.name.to_owned(), reason, problem, remedy: remedy.to_owned() })
    };
    if let Some(problem) = type_problem(parameter, latest) {
        return Ok(refusal(RefusalReason::ParameterType, problem, OTHER_PATH));
    }
    if let Some((version, label)) = blocking_label(&history) {
        let problem = format!(
            "`{parameter}` has as many versions as SSM keeps, and the oldest, {version}, has the label `{label}`"
        );
        return Ok(refusal(RefusalReason::HistoryFull, problem, "move that label to a newer version"));
    }
    if latest.value == image.id {
        return Ok(None);
    }
    let present = region.image(&latest.value).await?.and_then(|present| present.architecture);
    let (Some(present), Some(own)) = (present, &image.architecture) else { return Ok(None) };
    if present == *own {
        return Ok(None);
    }
    let problem = format!(
        "{} is for {own}, and `{parameter}` holds {}, which is for {present}",
        image.id, latest.value
    );
    let remedy = "use a channel for each architecture, such as `--path '/amiforge/{name}/{arch}/{channel}'`";
    Ok(refusal(RefusalReason::Architecture, problem, remedy))
}

impl ChannelOptions {
    /// The parameter of each template.
    pub(super) fn parameters(&self, words: &Words) -> Result<Vec<String>, ChannelError> {
        let regions: Vec<_> = std::iter::once(self.home.clone()).chain(self.regions.clone()).collect();
        let names = self.templates.iter().map(|template| template.parameter(words, &regions));
        Ok(names.collect::<Result<_, _>>()?)
    }

    /// The folder of the ledger for parameters of these names.
    pub(super) fn ledger(&self, parameters: &[String]) -> PathBuf {
        ledger_folder(&self.folder, parameters)
    }

    /// The regions of a change: the named ones; else those of an existing channel, of the bundle's publish, and home.
    pub(super) async fn all_regions<R: Regions + ParameterRegions>(
        &self,
        services: ChannelServices<'_, R>,
        parameters: &[String],
        subject: &Subject,
    ) -> Result<Vec<String>, ChannelError> {
        let mut regions = self.regions.clone();
        if regions.is_empty() {
            if let Subject::Bundle(bundle) = subject {
                regions.extend(bundle.published.keys().cloned());
            }
            if regions.is_empty() {
                regions.push(self.home.clone());
            }
            regions.extend(self.channel_regions(services, parameters).await?);
        }
        regions.sort();
        regions.dedup();
        Ok(regions)
    }

    /// The regions of an existing channel that are not among `regions`. Where the parameter is gone it is no region of
    /// the channel any more; where that cannot be asked, it stays one.
    pub(super) async fn other_regions<R: Regions + ParameterRegions>(
        &self,
        services: ChannelServices<'_, R>,
        parameters: &[String],
        regions: &[String],
    ) -> Result<Vec<String>, ChannelError> {
        let mut others = Vec::new();
        let Some(parameter) = parameters.first().filter(|_| !self.regions.is_empty()) else {
            return Ok(others);
        };
        for name in self.channel_regions(services, parameters).await? {
            if regions.contains(&name) {
                continue;
            }
            match services.region(&name).latest(parameter).await {
                Ok(None) => {}
                Err(ChannelError::Interrupted) => return Err(ChannelError::Interrupted),
                Ok(Some(_)) | Err(_) => others.push(name),
            }
        }
        if !others.is_empty() {
            let text = format!("`{}` is in {} too, where it stays as it is", self.channel, others.join(", "));
            services.monitor.progress.message(&text);
        }
        Ok(others)
    }

    /// The regions that an existing channel has, by the note of its latest version in the home region.
    pub(super) async fn channel_regions<R: Regions + ParameterRegions>(
        &self,
        services: ChannelServices<'_, R>,
        parameters: &[String],
    ) -> Result<Vec<String>, ChannelError> {
        let Some(parameter) = parameters.first() else { return Ok(Vec::new()) };
        let history = services.region(&self.home).history(parameter).await?;
        Ok(history.last().and_then(note).map(|note| note.regions).unwrap_or_default())
    }
}

/// The folder of the ledger of a channel, below that of all ledgers: its name and a digest, because a name may be long.
fn ledger_folder(folder: &Path, parameters: &[String]) -> PathBuf {
    let digest = Digest::of(parameters.join("\n").as_bytes()).to_string();
    let first = parameters.first().map_or("", String::as_str).trim_start_matches('/');
    let readable: String = first.chars().take(80).map(|one| if one == '/' { '+' } else { one }).collect();
    folder.join(format!("{readable}.{}", digest.get(..16).unwrap_or_default()))
}

impl<R: Regions + ParameterRegions> Work<'_, R> {
    /// Whether the ledger's change is this one, and not over: then it goes on.
    pub(super) fn continues(&self, change: &Change) -> bool {
        self.entry().is_some_and(|entry| {
            matches!(entry.stage, Stage::Open | Stage::Committed) && entry.change.is_same(change)
        })
    }

    /// Completes a change that an earlier run left, if it is another one than `change` and all its parameters are set.
    ///
    /// # Errors
    /// [`ChannelError::OtherChange`] for one that is in the middle.
    pub(super) async fn finish_earlier(&self, change: &Change) -> Result<(), ChannelError> {
        let Some(entry) = self.entry().filter(|entry| !entry.change.is_same(change)) else { return Ok(()) };
        let title = entry.change.title();
        match entry.stage {
            Stage::Committed => {
                let text = format!("completing the change of {title} that began before");
                self.services.monitor.progress.message(&text);
                self.carry_out().await.map(drop)
            }
            Stage::Open => Err(ChannelError::OtherChange { title, verb: entry.change.kind.verb() }),
            _ => Ok(()),
        }
    }

    /// Sets a change back that an earlier run began to set back.
    pub(super) async fn finish_setting_back(&self) -> Result<(), ChannelError> {
        let Some(entry) = self.entry().filter(|entry| entry.stage == Stage::SettingBack) else {
            return Ok(());
        };
        let progress = self.services.monitor.progress;
        progress.message(&format!("setting the change of {} back that failed before", entry.change.title()));
        match self.set_back(ChannelError::Unfinished).await {
            ChannelError::SetBack { kept, .. } => {
                for Kept { region, parameter, reason } in kept {
                    progress.message(&format!("{region}: `{parameter}` stays as it is: {reason}"));
                }
                Ok(())
            }
            error => Err(error),
        }
    }
}
