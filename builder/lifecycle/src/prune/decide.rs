//! What happens to an image and why. Pure: facts in, verdict out.

use std::collections::BTreeMap;

use amiforge_publish::api::ec2::DescribedImage;
use serde::Serialize;

use super::marks::{self, DeprecationMark};
use super::options::PruneOptions;
use super::reason::KeepReason;
use super::usage::Usage;
use crate::api::images::Held;
use crate::inventory::{Uses, image_name, is_protected, moment};

/// A step of the clean-up of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// It is deprecated: listed by its id alone, and can still be launched.
    Deprecate,
    /// It is disabled: it cannot be launched, and loses its launch permissions.
    Disable,
    /// It was disabled without this program, so the grace time begins now.
    MarkDisabled,
    /// It is deregistered, and its snapshots are deleted.
    Deregister,
    /// It was disabled by the clean-up, and something names it again: it is enabled.
    Enable,
}

/// What happens to an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "action")]
pub enum Verdict {
    /// It is kept.
    Keep {
        /// Why.
        because: Vec<KeepReason>,
    },
    /// The grace time before the next step is not over.
    Wait {
        /// The next step.
        step: Step,
        /// When it is due (RFC 3339).
        until: String,
    },
    /// A step is due.
    Go {
        /// The step.
        step: Step,
    },
}

impl Step {
    /// In a word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Deprecate => "deprecate",
            Self::Disable => "disable",
            Self::MarkDisabled => "mark as disabled",
            Self::Deregister => "deregister",
            Self::Enable => "enable again",
        }
    }

    /// Whether the step takes the image from those who use it, so that other accounts are asked before.
    pub(super) fn needs_usage(self) -> bool {
        matches!(self, Self::Disable | Self::Deregister)
    }
}

/// The places of images among those of their name that can be launched, the newest first, from 1.
pub(super) fn places(images: &[DescribedImage]) -> BTreeMap<String, usize> {
    let mut launchable: Vec<_> = images.iter().filter(|image| image.state == "available").collect();
    launchable.sort_by(|a, b| (&b.created, &b.id).cmp(&(&a.created, &a.id)));
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut places = BTreeMap::new();
    for image in launchable {
        let count = counts.entry(image_name(image).unwrap_or_default()).or_default();
        *count += 1;
        places.insert(image.id.clone(), *count);
    }
    places
}

/// The reasons to keep an image that follow from its description and from its place among those of its name.
pub(super) fn own_reasons(
    image: &DescribedImage,
    place: Option<usize>,
    options: &PruneOptions,
) -> Vec<KeepReason> {
    let mut reasons = Vec::new();
    if !matches!(image.state.as_str(), "available" | "disabled") {
        reasons.push(KeepReason::State { state: image.state.clone() });
    }
    let keep = options.keep.max(1);
    if let Some(place) = place.filter(|place| *place <= keep) {
        reasons.push(KeepReason::Newest { place, keep });
    }
    let age = image.created.as_deref().and_then(moment::parse).map(|created| options.now - created);
    if age.is_none_or(|age| age < options.older_than) {
        reasons.push(KeepReason::Young { age, limit: options.older_than });
    }
    if is_protected(image) {
        let state = image.deregistration_protection.clone().unwrap_or_default();
        reasons.push(KeepReason::Protected { state });
    }
    reasons
}

/// The reasons to keep an image that follow from its use.
pub(super) fn use_reasons(
    image: &DescribedImage,
    uses: &Uses,
    usage: &Usage,
    options: &PruneOptions,
) -> Vec<KeepReason> {
    let mut reasons = Vec::new();
    for channel in uses.channels(&image.id) {
        let named =
            options.channels.iter().any(|name| *name == channel.channel() || *name == channel.parameter);
        if channel.held != Held::Earlier || named {
            reasons.push(KeepReason::Channel(channel.clone()));
        }
    }
    reasons.extend(uses.references(&image.id).iter().cloned().map(KeepReason::Reference));
    let launched = uses.launched(&image.id);
    if let Some(at) = launched.filter(|at| {
        // A time that cannot be read counts as now.
        moment::parse(at).is_none_or(|at| options.now - at < options.unused_for)
    }) {
        reasons.push(KeepReason::Launched { at: at.to_owned(), limit: options.unused_for });
    }
    match usage {
        Usage::Known { entries } => reasons.extend(entries.iter().cloned().map(KeepReason::OtherAccount)),
        Usage::Pending { report } => {
            reasons.push(KeepReason::UsageUnknown {
                why: format!("the usage report {report} is not ready yet"),
            });
        }
        Usage::Unknown { why } => reasons.push(KeepReason::UsageUnknown { why: why.clone() }),
        Usage::NotAsked => {}
    }
    reasons
}

/// What happens to an image.
pub(super) fn decide(
    image: &DescribedImage,
    place: Option<usize>,
    uses: &Uses,
    usage: &Usage,
    options: &PruneOptions,
) -> Verdict {
    let mut because = own_reasons(image, place, options);
    let used = use_reasons(image, uses, usage, options);
    let is_used = used.iter().any(KeepReason::is_use);
    if is_used && image.state == "disabled" && marks::disabled_at(image).is_some() {
        return Verdict::Go { step: Step::Enable };
    }
    because.extend(used);
    if because.is_empty() { next(image, options) } else { Verdict::Keep { because } }
}

/// The next step of an image that nothing keeps.
pub(super) fn next(image: &DescribedImage, options: &PruneOptions) -> Verdict {
    let (step, due) = due(image, options);
    if due <= options.now { Verdict::Go { step } } else { Verdict::Wait { step, until: moment::show(due) } }
}

/// The next step, and when it is due.
fn due(image: &DescribedImage, options: &PruneOptions) -> (Step, i64) {
    if image.state == "disabled" {
        return match marks::disabled_at(image) {
            Some(at) => (Step::Deregister, at + options.grace),
            None => (Step::MarkDisabled, options.now),
        };
    }
    let deprecated = image.deprecation_time.as_deref().and_then(moment::parse);
    // The time that this program sets is up to two minutes ahead, and the grace time begins at once.
    let own = DeprecationMark::of(image).filter(|mark| mark.is_set(image)).map(|mark| mark.since);
    match own.or(deprecated.filter(|at| *at <= options.now)) {
        Some(at) => (Step::Disable, at + options.grace),
        None => (Step::Deprecate, options.now),
    }
}

#[cfg(test)]
mod tests;
