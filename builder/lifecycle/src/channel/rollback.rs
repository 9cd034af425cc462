//! Rolls a channel back: every parameter gets an image that it held before. Also abandons a change that is not finished.

use amiforge_publish::ami::join;
use amiforge_publish::api::ec2::{DescribedImage, Ec2, ImageOwner, ImageQuery, QueryFilter, Regions};
use amiforge_publish::tags;

use super::check::state_problem;
use super::entry::{Change, ChangeKind, Entry, Stage, Target};
use super::find::Subject;
use super::history::{predecessor, type_problem};
use super::label;
use super::name::Words;
use super::outcome::Outcome;
use super::promote::ChannelOptions;
use super::region::ChannelRegion;
use super::set::OTHER_PATH;
use super::work::{ChannelServices, Concurrent, Work};
use super::{ChannelError, Refusal, RefusalReason};
use crate::api::parameters::{ParameterRegions, ParameterVersion, Parameters};

/// Number of versions that a refusal lists.
const LISTED: usize = 5;

/// Rolls a channel back to what it held before, or to `to`: a number of a version of the parameter, a label, a version
/// of the image, or the id of an AMI. A promotion that is not finished is set back. A repeated call completes what an
/// earlier one began.
///
/// # Errors
/// As of [`super::promote`].
pub async fn rollback<R: Regions + ParameterRegions>(
    services: ChannelServices<'_, R>,
    options: &ChannelOptions,
    to: Option<&str>,
) -> Result<Outcome, ChannelError> {
    let words = words(options)?;
    let parameters = options.parameters(&words)?;
    let work = Work::open(services, &options.ledger(&parameters), options.wait)?;
    if let Some(outcome) = finish_earlier(&work, to).await? {
        return Ok(outcome);
    }
    let regions = match options.regions.as_slice() {
        [] => {
            let mut regions = options.channel_regions(services, &parameters).await?;
            regions.push(options.home.clone());
            regions.sort();
            regions.dedup();
            regions
        }
        regions => regions.to_vec(),
    };
    let other_regions = options.other_regions(services, &parameters, &regions).await?;
    let change = plan(services, options, &words, &regions, to).await?;
    work.begin(Change { other_regions, ..change })?;
    work.carry_out().await
}

/// Sets a change back that is not finished. Returns its regions and parameters with what each holds now.
///
/// # Errors
/// [`ChannelError::NothingToAbandon`]; [`ChannelError::SetBackIncomplete`], after which the same call goes on.
pub async fn abandon<R: Regions + ParameterRegions>(
    services: ChannelServices<'_, R>,
    options: &ChannelOptions,
    subject: Option<&Subject>,
) -> Result<Outcome, ChannelError> {
    let name = options.name.clone().or_else(|| match subject {
        Some(Subject::Bundle(bundle)) => bundle.tags.get(tags::IMAGE).cloned(),
        _ => None,
    });
    let options = &ChannelOptions { name, ..options.clone() };
    let parameters = options.parameters(&words(options)?)?;
    let work = Work::open(services, &options.ledger(&parameters), options.wait)?;
    let reason = match work.entry() {
        Some(entry) if matches!(entry.stage, Stage::Open | Stage::SettingBack) => {
            return set_back(&work, &entry).await;
        }
        Some(Entry { stage: Stage::Committed | Stage::Done { .. }, change, .. }) => {
            format!(
                "the {} of {} is complete; `amiforge rollback` takes it back",
                change.kind.verb(),
                change.title()
            )
        }
        Some(_) => "the last change is set back".to_owned(),
        None => "this machine has changed nothing".to_owned(),
    };
    Err(ChannelError::NothingToAbandon { reason })
}

/// The words of the parameters' names; the name of the image must be given.
fn words(options: &ChannelOptions) -> Result<Words, ChannelError> {
    let name = options.name.clone().unwrap_or_default();
    if name.is_empty() && options.templates.iter().any(super::Template::has_name) {
        return Err(super::NameError::Empty("name of the image").into());
    }
    Ok(Words { name, channel: options.channel.clone(), arch: options.arch.clone().unwrap_or_default() })
}

/// Brings a change that an earlier run left to its end; the outcome, if that is what was asked for.
async fn finish_earlier<R: Regions + ParameterRegions>(
    work: &Work<'_, R>,
    to: Option<&str>,
) -> Result<Option<Outcome>, ChannelError> {
    let Some(entry) = work.entry() else { return Ok(None) };
    let same = entry.change.kind == ChangeKind::Rollback && entry.change.to.as_deref() == to;
    let progress = work.services.monitor.progress;
    match (entry.stage, entry.change.kind) {
        (Stage::Done { shown: false }, ChangeKind::Rollback) if same => {
            progress.message("the last run rolled back and ended before it said so");
            Ok(work.outcome())
        }
        (Stage::Open | Stage::SettingBack, ChangeKind::Promote) if to.is_none() => {
            progress.message(&format!(
                "the promotion of {} is not finished: it is set back",
                entry.change.title()
            ));
            set_back(work, &entry).await.map(Some)
        }
        (Stage::SettingBack, _) => work.finish_setting_back().await.map(|()| None),
        (Stage::Open, ChangeKind::Rollback) if same => work.carry_out().await.map(Some),
        (Stage::Committed, _) => {
            let outcome = work.carry_out().await?;
            Ok(same.then_some(outcome))
        }
        (Stage::Open, kind) => {
            Err(ChannelError::OtherChange { title: entry.change.title(), verb: kind.verb() })
        }
        (Stage::Done { .. } | Stage::Closed, _) => Ok(None),
    }
}

/// Sets a change back, and returns what its parameters hold then.
async fn set_back<R: Regions + ParameterRegions>(
    work: &Work<'_, R>,
    entry: &Entry,
) -> Result<Outcome, ChannelError> {
    match work.set_back(ChannelError::Unfinished).await {
        ChannelError::SetBack { kept, .. } if kept.is_empty() => {}
        error => return Err(error),
    }
    let mut moved = Vec::new();
    for (target, slot) in entry.change.targets.iter().zip(&entry.slots) {
        let region = work.services.region(&target.region);
        if let Some(latest) = region.latest(&target.parameter).await? {
            moved.push(super::Moved {
                region: target.region.clone(),
                parameter: target.parameter.clone(),
                image_id: latest.value,
                parameter_version: latest.version,
                before: slot.before.clone(),
                unchanged: !slot.touched,
            });
        }
    }
    let change = &entry.change;
    Ok(Outcome {
        kind: ChangeKind::Rollback,
        name: change.name.clone(),
        channel: change.channel.clone(),
        version: None,
        moved,
        ledger: work.folder(),
    })
}

/// A version to go back to, and its image.
struct Earlier {
    target: Target,
    image: DescribedImage,
}

/// The change, or every reason against it.
async fn plan<R: Regions + ParameterRegions>(
    services: ChannelServices<'_, R>,
    options: &ChannelOptions,
    words: &Words,
    regions: &[String],
    to: Option<&str>,
) -> Result<Change, ChannelError> {
    let parameters = options.parameters(words)?;
    let (mut versions, mut refusals) = (Vec::new(), Vec::new());
    let pairs = regions.iter().flat_map(|region| parameters.iter().map(move |parameter| (region, parameter)));
    let one = |(region, parameter): (&String, &String)| -> Concurrent<'_, Result<_, ChannelError>> {
        let (name, parameter) = (region.clone(), parameter.clone());
        Box::pin(async move {
            let region = services.region(&name);
            earlier(&region, &parameter, to, options.now).await
        })
    };
    for one in join::all(pairs.map(one).collect()).await {
        match one? {
            Ok(earlier) => versions.push(earlier),
            Err(refusal) => refusals.push(refusal),
        }
    }
    let is_number = to.is_some_and(|to| to.parse::<u64>().is_ok());
    refusals.extend(if is_number { differing(&versions) } else { None });
    if !refusals.is_empty() {
        return Err(ChannelError::Refused(refusals));
    }
    let mut titles: Vec<_> =
        versions.iter().map(|earlier| earlier.image.tags.get(tags::VERSION).cloned()).collect();
    titles.dedup();
    let mut targets: Vec<_> = versions.into_iter().map(|earlier| earlier.target).collect();
    targets.sort();
    Ok(Change {
        kind: ChangeKind::Rollback,
        name: words.name.clone(),
        channel: words.channel.clone(),
        version: if titles.len() == 1 { titles.swap_remove(0) } else { None },
        to: to.map(str::to_owned),
        other_regions: Vec::new(),
        targets,
    })
}

/// Refuses a number that stands for different images in different regions: the numbers of each region are its own.
fn differing(versions: &[Earlier]) -> Option<Refusal> {
    let manifest = |earlier: &Earlier| earlier.image.tags.get(tags::MANIFEST).cloned();
    let first = versions.first()?;
    let other = versions.iter().find(|earlier| manifest(earlier) != manifest(first))?;
    let title = |earlier: &Earlier| match earlier.image.tags.get(tags::VERSION) {
        Some(version) => format!("{} ({version})", earlier.target.image),
        None => earlier.target.image.clone(),
    };
    Some(Refusal {
        region: other.target.region.clone(),
        reason: RefusalReason::Differing,
        problem: format!("that version is {}, and {} in {}", title(other), title(first), first.target.region),
        remedy: "name the version of the image, which is the same in every region".to_owned(),
    })
}

/// The version of a parameter to go back to, or why there is none.
async fn earlier<C: Ec2, P: Parameters>(
    region: &ChannelRegion<'_, C, P>,
    parameter: &str,
    to: Option<&str>,
    now: i64,
) -> Result<Result<Earlier, Refusal>, ChannelError> {
    let refusal = |reason, problem: String, remedy: String| {
        Ok(Err(Refusal { region: region.name.to_owned(), reason, problem, remedy }))
    };
    let history = region.history(parameter).await?;
    let Some(latest) = history.last() else {
        let remedy = "is the name right? `amiforge channels` lists those that there are".to_owned();
        return refusal(RefusalReason::NoChannel, format!("there is no `{parameter}`"), remedy);
    };
    if let Some(problem) = type_problem(parameter, latest) {
        return refusal(RefusalReason::ParameterType, problem, OTHER_PATH.to_owned());
    }
    let images = history_images(region, &history).await?;
    let version = match to {
        None => predecessor(&history),
        Some(to) => match named(&history, &images, to) {
            Ok(version) => version,
            Err((number, name)) => {
                let problem = format!(
                    "`{to}` is version {} of `{parameter}`, which held {}, and the version of {}, which version {} held",
                    number.number, number.value, name.value, name.number
                );
                let remedy = format!("name the image (`{}` or `{}`), or the label", number.value, name.value);
                return refusal(RefusalReason::Ambiguous, problem, remedy);
            }
        },
    };
    let Some(version) = version else {
        let problem = match to {
            None => format!("`{parameter}` held nothing before {}", latest.value),
            Some(to) => format!("`{parameter}` has no version `{to}`"),
        };
        return refusal(RefusalReason::NoVersion, problem, listed(&history, &images));
    };
    let Some(image) = images.into_iter().find(|image| image.id == version.value) else {
        let problem =
            format!("{}, which version {} held, does not exist any more", version.value, version.number);
        let images = history_images(region, &history).await?;
        return refusal(RefusalReason::Missing, problem, listed(&history, &images));
    };
    // A deprecated image can be launched as before: better than the version to get rid of.
    let launchable = DescribedImage { deprecation_time: None, ..image.clone() };
    if let Some((reason, problem, remedy)) = state_problem(&launchable, now, region.name) {
        return refusal(reason, format!("{} {problem}", image.id), remedy);
    }
    let target = Target {
        region: region.name.to_owned(),
        parameter: parameter.to_owned(),
        image: image.id.clone(),
        to: Some(version.number),
        labels: label::of_image(&image.tags),
    };
    Ok(Ok(Earlier { target, image }))
}

/// The images of all versions that still exist.
async fn history_images<C: Ec2, P: Parameters>(
    region: &ChannelRegion<'_, C, P>,
    history: &[ParameterVersion],
) -> Result<Vec<DescribedImage>, ChannelError> {
    let mut ids: Vec<_> = history.iter().map(|version| version.value.clone()).collect();
    ids.sort();
    ids.dedup();
    // A filter, because an id that does not exist would fail the call.
    let filters = vec![QueryFilter { name: "image-id".to_owned(), values: ids }];
    region.images(&ImageQuery { ids: Vec::new(), owner: ImageOwner::Any, filters }).await
}

/// The version that a user means: by its number, the id of its image, a label, or the version of its image.
///
/// # Errors
/// The two versions with different images that could be meant: by the number, and by another name.
fn named<'h>(
    history: &'h [ParameterVersion],
    images: &[DescribedImage],
    to: &str,
) -> Result<Option<&'h ParameterVersion>, (&'h ParameterVersion, &'h ParameterVersion)> {
    let newest =
        |matches: &dyn Fn(&ParameterVersion) -> bool| history.iter().rev().find(|version| matches(version));
    let version_of = |version: &ParameterVersion| {
        let image = images.iter().find(|image| image.id == version.value)?;
        image.tags.get(tags::VERSION)
    };
    let number: Option<u64> = to.parse().ok();
    let label = label::of_version(to);
    let by_number = newest(&|version| Some(version.number) == number);
    let by_name = newest(&|version| version.value == to)
        .or_else(|| newest(&|version| version.labels.iter().any(|own| own == to || *own == label)))
        .or_else(|| newest(&|version| version_of(version).is_some_and(|own| own == to)));
    match (by_number, by_name) {
        (Some(number), Some(name)) if number.value != name.value => Err((number, name)),
        (number, name) => Ok(number.or(name)),
    }
}

/// The newest versions whose images exist, as a remedy.
fn listed(history: &[ParameterVersion], images: &[DescribedImage]) -> String {
    let mut listed: Vec<String> = Vec::new();
    let present = history.last().map(|latest| latest.value.as_str());
    for version in history.iter().rev().filter(|version| Some(version.value.as_str()) != present) {
        let Some(image) = images.iter().find(|image| image.id == version.value) else { continue };
        let title = match image.tags.get(tags::VERSION) {
            Some(own) => format!("{} ({own}, {})", version.number, image.id),
            None => format!("{} ({})", version.number, image.id),
        };
        listed.push(title);
    }
    listed.truncate(LISTED);
    match listed.as_slice() {
        [] => "promote another image instead".to_owned(),
        all => format!("name one with `--to`: {}", all.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_named_by_number_label_image_version_or_image() {
        let version = |number: u64, image: &str, labels: &[&str]| ParameterVersion {
            number,
            value: image.to_owned(),
            labels: labels.iter().map(|&label| label.to_owned()).collect(),
            ..ParameterVersion::default()
        };
        let history = [
            version(3, "ami-a", &["version-1.0", "golden"]),
            version(4, "ami-b", &["version-2026"]),
            version(5, "ami-c", &[]),
            version(6, "ami-a", &[]),
        ];
        let image = |id: &str, own: &str| DescribedImage {
            id: id.to_owned(),
            tags: [(tags::VERSION.to_owned(), own.to_owned())].into(),
            ..DescribedImage::default()
        };
        let images = [image("ami-a", "1.0"), image("ami-c", "3.0")];
        let number = |to: &str| named(&history, &images, to).unwrap().map(|version| version.number);
        for (to, expected) in [
            ("4", Some(4)),
            ("golden", Some(3)),
            ("1.0", Some(3)),
            ("2026", Some(4)),
            ("version-2026", Some(4)),
            ("3.0", Some(5)),
            ("ami-a", Some(6)),
            ("9", None),
            ("9.9", None),
        ] {
            assert_eq!(number(to), expected, "{to}");
        }
        let images_of_five = [image("ami-b", "5"), image("ami-c", "3.0")];
        let (by_number, by_version) = named(&history, &images_of_five, "5").unwrap_err();
        assert_eq!((by_number.number, by_version.number), (5, 4));
        assert_eq!(listed(&history, &images), "name one with `--to`: 5 (3.0, ami-c)");
        assert_eq!(listed(&history, &[]), "promote another image instead");
    }
}
