//! The plan of a clean-up: every image of this program in a region, with what happens to it and why. Changes nothing.

use std::collections::BTreeMap;

use amiforge_publish::api::ec2::DescribedImage;
use amiforge_publish::tags;
use serde::Serialize;

use super::decide::{self, Step, Verdict};
use super::marks;
use super::options::PruneOptions;
use super::usage::{self, Usage};
use crate::api::images::{ImageCalls, ImageUse, StoredSnapshot};
use crate::inventory::{ImageError, ImageRegion, RowState, Uses, image_name, in_parallel, look_up, moment};

/// The plan of a clean-up in one region.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PrunePlan {
    /// The region.
    pub region: String,
    /// Every image of this program, by name, the newest first.
    pub images: Vec<PlannedImage>,
}

/// An image with what happens to it.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlannedImage {
    /// Its id.
    pub image_id: String,
    /// Its name in EC2.
    pub ami_name: Option<String>,
    /// The name of the image in its recipe.
    pub image: String,
    /// The version of the image.
    pub version: Option<String>,
    /// Its state.
    pub state: RowState,
    /// When it was registered (RFC 3339).
    pub created: Option<String>,
    /// What happens to it.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// What was looked up, in words.
    pub facts: Vec<String>,
    /// Who loses the permission to launch it when it is disabled.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub loses: Vec<String>,
    /// Its snapshots.
    pub snapshots: Vec<String>,
    /// Length of its snapshots in bytes, including blocks that other snapshots share.
    pub full_bytes: Option<u64>,
    /// What must not have changed when the step is done.
    #[serde(skip)]
    pub(super) fingerprint: Fingerprint,
}

impl PlannedImage {
    /// The step that is due, if one is.
    pub fn step(&self) -> Option<Step> {
        match self.verdict {
            Verdict::Go { step } => Some(step),
            _ => None,
        }
    }
}

/// The fields of an image that the steps of the clean-up change, or that another operator changes to stop it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fingerprint {
    state: String,
    deprecation: Option<String>,
    protection: Option<String>,
    marks: [Option<String>; 3],
}

impl Fingerprint {
    pub(super) fn of(image: &DescribedImage) -> Self {
        Self {
            state: image.state.clone(),
            deprecation: image.deprecation_time.clone(),
            protection: image.deregistration_protection.clone(),
            marks: marks::OF_IMAGE.map(|key| image.tags.get(key).cloned()),
        }
    }
}

/// Plans the clean-up of a region.
///
/// # Errors
/// [`ImageError`]; nothing is planned unless everything is known.
pub async fn plan<C: ImageCalls, U: ImageUse>(
    region: &ImageRegion<'_, C>,
    other: &U,
    options: &PruneOptions,
) -> Result<PrunePlan, ImageError> {
    region.monitor.progress.begin(&format!("listing the images of {}", region.name), None);
    let images = region.own_images(options.name.as_deref()).await?;
    let stored = region.own_snapshots().await?;
    let places = decide::places(&images);
    let place = |image: &DescribedImage| places.get(&image.id).copied();
    // Who uses an image that is kept anyway is not asked: that may be most of them. One that was disabled may have to
    // be enabled again, whatever keeps it.
    let is_open = |image: &&DescribedImage| {
        let taken = image.state == "disabled" && marks::disabled_at(image).is_some();
        taken || decide::own_reasons(image, place(image), options).is_empty()
    };
    let open: Vec<String> = images.iter().filter(is_open).map(|image| image.id.clone()).collect();
    region.monitor.progress.begin(&format!("asking who uses {} images of {}", open.len(), region.name), None);
    let uses = look_up(region, other, &options.channels_below, &open).await?;
    let usage = ask_accounts(region, &images, &open, &uses, options).await?;
    let mut planned = Vec::with_capacity(images.len());
    for image in &images {
        let usage = usage.get(&image.id).unwrap_or(&Usage::NotAsked);
        let verdict = decide::decide(image, place(image), &uses, usage, options);
        let looked_up = open.contains(&image.id);
        planned.push(PlannedImage {
            loses: loses(region, image, &verdict).await?,
            facts: facts(image, &uses, usage, &verdict, looked_up, options),
            verdict,
            ..describe(image, &stored, options.now)
        });
    }
    planned.sort_by(|a, b| {
        a.image.cmp(&b.image).then_with(|| (&b.created, &b.image_id).cmp(&(&a.created, &a.image_id)))
    });
    region.monitor.progress.end();
    Ok(PrunePlan { region: region.name.to_owned(), images: planned })
}

/// What existing usage reports say about the images of which a step would take something from other accounts.
async fn ask_accounts<C: ImageCalls>(
    region: &ImageRegion<'_, C>,
    images: &[DescribedImage],
    open: &[String],
    uses: &Uses,
    options: &PruneOptions,
) -> Result<BTreeMap<String, Usage>, ImageError> {
    if !options.other_accounts {
        return Ok(BTreeMap::new());
    }
    let due = |image: &&DescribedImage| {
        open.contains(&image.id)
            && decide::use_reasons(image, uses, &Usage::NotAsked, options).is_empty()
            && matches!(decide::next(image, options), Verdict::Go { step } if step.needs_usage())
    };
    let due: Vec<&DescribedImage> = images.iter().filter(due).collect();
    let answers = in_parallel(&due, |image| async move {
        let usage = usage::known(region, &image.id, image.owner.as_deref(), options.now).await;
        (image.id.clone(), usage)
    });
    answers.await.into_iter().map(|(image, usage)| Ok((image, usage?))).collect()
}

/// Who loses launch permissions by the step that is due.
async fn loses<C: ImageCalls>(
    region: &ImageRegion<'_, C>,
    image: &DescribedImage,
    verdict: &Verdict,
) -> Result<Vec<String>, ImageError> {
    if *verdict != (Verdict::Go { step: Step::Disable }) {
        return Ok(Vec::new());
    }
    let action = format!("asking who may launch {}", image.id);
    let grantees = region.call(&action, || region.ec2.launch_permissions(&image.id)).await?;
    Ok(grantees.iter().map(ToString::to_string).collect())
}

/// The description of an image in a plan, without a verdict.
fn describe(image: &DescribedImage, stored: &BTreeMap<String, StoredSnapshot>, now: i64) -> PlannedImage {
    let snapshots = image.snapshots();
    PlannedImage {
        image_id: image.id.clone(),
        ami_name: image.name.clone(),
        image: image_name(image).unwrap_or_default().to_owned(),
        version: image.tags.get(tags::VERSION).cloned(),
        state: RowState::of(image, now),
        created: image.created.clone(),
        verdict: Verdict::Keep { because: Vec::new() },
        facts: Vec::new(),
        loses: Vec::new(),
        full_bytes: snapshots.iter().map(|id| stored.get(id)?.full_bytes).sum(),
        snapshots,
        fingerprint: Fingerprint::of(image),
    }
}

/// What was looked up about an image, in words.
fn facts(
    image: &DescribedImage,
    uses: &Uses,
    usage: &Usage,
    verdict: &Verdict,
    looked_up: bool,
    options: &PruneOptions,
) -> Vec<String> {
    let mut facts = Vec::new();
    if let Some(created) = image.created.as_deref().and_then(moment::parse) {
        facts.push(format!("registered {} ago", moment::span(options.now - created)));
    }
    if !looked_up {
        facts.push("who uses it was not asked".to_owned());
        return facts;
    }
    facts.push(match uses.launched(&image.id) {
        Some(at) => format!("launched last at {at}"),
        None => "never launched".to_owned(),
    });
    if uses.references(&image.id).is_empty() {
        facts.push("no instance, launch template, group or parameter names it".to_owned());
    }
    match usage {
        Usage::Known { entries } if entries.is_empty() => {
            facts.push("no other account uses it".to_owned());
        }
        Usage::NotAsked if options.other_accounts && is_due(verdict, Step::needs_usage) => {
            facts.push("other accounts are asked before the step".to_owned());
        }
        _ => {}
    }
    facts
}

fn is_due(verdict: &Verdict, of: impl Fn(Step) -> bool) -> bool {
    matches!(verdict, Verdict::Go { step } if of(*step))
}
