//! What has to be done, decided from the fleet alone: versions to make, defaults to set, refreshes, and everything that
//! is refused. Makes no call.

mod fit;
mod group;
mod templates;

pub(super) use self::group::conflict;

use std::collections::BTreeMap;

use self::fit::Fit;
use super::error::{Conflict, FollowError};
use super::image::LaunchableImage;
use super::report::KeptUse;
use super::request::FollowRequest;
use super::source::GroupSelector;
use super::survey::Fleet;
use crate::api::groups::LaunchSource;

/// What has to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FollowPlan {
    /// The image to follow.
    pub image: String,
    /// What versions hold: the image, or a reference to a parameter.
    pub text: String,
    /// The versions to make, or to use if they were made before.
    pub versions: Vec<VersionPlan>,
    /// The default versions to set.
    pub(super) defaults: Vec<DefaultPlan>,
    /// The groups, in their order.
    pub groups: Vec<GroupPlan>,
    /// What stays as it is, because it is of another architecture.
    pub kept: Vec<KeptUse>,
}

/// A version of a launch template to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionPlan {
    /// The template.
    pub template: String,
    /// Its name.
    pub name: String,
    /// The version from which everything but the image is taken.
    pub source: u64,
    /// The image of that version.
    pub old_image: Option<String>,
    /// The version, if an earlier run has made it.
    pub existing: Option<u64>,
}

/// A version that exists, or is planned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum VersionTarget {
    /// The version with this number.
    Existing(u64),
    /// The version that is made from this one.
    MadeFrom(u64),
}

/// When a default version is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DefaultMoment {
    /// Before the refreshes: groups launch from it.
    Before,
    /// When all refreshes have succeeded.
    After,
}

/// A default version to set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DefaultPlan {
    pub(super) template: String,
    pub(super) from: u64,
    pub(super) to: VersionTarget,
    pub(super) moment: DefaultMoment,
}

/// A use of a template in a group that follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct UsePlan {
    pub(super) position: super::source::Position,
    pub(super) template: String,
    pub(super) selector: GroupSelector,
    pub(super) target: VersionTarget,
    /// The version to return to, with its image, if the follow fails.
    pub(super) previous: Option<(u64, Option<String>)>,
}

/// What has to happen to a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum FollowNeed {
    /// All its instances run the image, and so will new ones.
    Nothing,
    /// A refresh.
    Refresh,
    /// Only instances that do not match: the configuration is right already.
    RefreshRest,
    /// The refresh with this id runs already.
    Join(String),
}

/// A group that follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupPlan {
    /// Its name.
    pub name: String,
    /// Its ARN.
    pub arn: Option<String>,
    /// What it launched from before.
    pub(super) before: LaunchSource,
    pub(super) uses: Vec<UsePlan>,
    /// The overrides that get the image.
    pub(super) images: Vec<usize>,
    /// The templates whose instances stay as they are.
    pub(super) kept: Vec<String>,
    /// Whether Auto Scaling can roll it back.
    pub(super) reversible: bool,
    pub(super) need: FollowNeed,
    /// The number of instances that do not run the image.
    pub outdated: usize,
}

/// Plans a follow.
///
/// # Errors
/// [`FollowError::Mismatch`], [`FollowError::Conflict`], [`FollowError::Unsupported`], [`FollowError::Missing`].
pub fn plan(
    fleet: &Fleet,
    request: &FollowRequest,
    image: &LaunchableImage,
) -> Result<FollowPlan, FollowError> {
    let text = request.target.text();
    let mut plan = FollowPlan {
        image: image.id.clone(),
        text,
        versions: Vec::new(),
        defaults: Vec::new(),
        groups: Vec::new(),
        kept: Vec::new(),
    };
    for group in &fleet.groups {
        let planned = group::plan_group(fleet, group, image, &mut plan)?;
        plan.groups.push(planned);
    }
    templates::plan_listed(fleet, image, &mut plan)?;
    templates::plan_defaults(fleet, &mut plan);
    templates::check_bystanders(fleet, &plan)?;
    templates::check_latest(fleet, &plan)?;
    let mut groups = plan.groups.clone();
    for planned in &mut groups {
        group::decide_need(fleet, planned, &plan)?;
    }
    Ok(FollowPlan { groups, ..plan })
}

impl FollowPlan {
    /// The planned version of a template from a source; made if there is none yet.
    pub(super) fn add_version(&mut self, fleet: &Fleet, template: &str, source: u64) {
        if self.versions.iter().any(|one| one.template == template && one.source == source) {
            return;
        }
        let Some(state) = fleet.templates.get(template) else { return };
        self.versions.push(VersionPlan {
            template: template.to_owned(),
            name: state.template.name.clone(),
            source,
            old_image: state.version(source).and_then(|version| version.image.clone()),
            existing: super::marker::made_before(&state.versions, &self.text, source),
        });
    }

    /// The versions that exist already.
    pub(super) fn existing(&self) -> Made {
        let entry = |one: &VersionPlan| Some(((one.template.clone(), one.source), one.existing?));
        self.versions.iter().filter_map(entry).collect()
    }

    /// Whether anything has to be changed.
    pub fn is_empty(&self) -> bool {
        self.versions.iter().all(|version| version.existing.is_some())
            && self.defaults.is_empty()
            && self.groups.iter().all(|group| group.need == FollowNeed::Nothing)
    }
}

/// The number of a version, if it exists.
pub(super) fn number_of(template: &str, target: VersionTarget, made: &Made) -> Option<u64> {
    match target {
        VersionTarget::Existing(number) => Some(number),
        VersionTarget::MadeFrom(source) => made.get(&(template.to_owned(), source)).copied(),
    }
}

/// The numbers of versions by template and source.
pub(super) type Made = BTreeMap<(String, u64), u64>;

impl GroupPlan {
    /// Whether its configuration changes, and not only what its selectors stand for.
    pub fn changes_configuration(&self) -> bool {
        let fixed = |one: &UsePlan| {
            matches!((one.selector, one.target), (GroupSelector::Number(_), VersionTarget::MadeFrom(_)))
        };
        !self.images.is_empty() || self.uses.iter().any(fixed)
    }

    /// Whether it needs no refresh.
    pub fn is_done(&self) -> bool {
        self.need == FollowNeed::Nothing
    }

    /// The refresh that runs already, if it is the one that is needed.
    pub fn joins(&self) -> Option<&str> {
        match &self.need {
            FollowNeed::Join(id) => Some(id),
            _ => None,
        }
    }

    /// The configuration that the group gets; `None` if it stays the same, or if a version is not made yet.
    pub(super) fn desired(&self, plan: &FollowPlan, made: &Made) -> Option<LaunchSource> {
        if !self.changes_configuration() {
            return None;
        }
        let mut source = self.before.clone();
        for one in &self.uses {
            if let (GroupSelector::Number(_), VersionTarget::MadeFrom(_)) = (one.selector, one.target) {
                let number = number_of(&one.template, one.target, made)?;
                super::source::set_version(&mut source, one.position, number);
            }
        }
        for index in &self.images {
            super::source::set_image(&mut source, *index, &plan.image);
        }
        Some(source)
    }
}

/// The error for a use that cannot follow at all.
fn unfit(group: &str, image: &LaunchableImage, fit: Fit) -> FollowError {
    fit.mismatch(group, image).map_or_else(
        || FollowError::Conflict(Conflict::Group { group: group.to_owned() }),
        FollowError::Mismatch,
    )
}
