//! The changes of a run, in their order: versions, defaults that groups launch from, refreshes, and the other defaults.

use amiforge_formats::digest::Digest;

use super::error::{Conflict, FollowError};
use super::marker;
use super::plan::{DefaultMoment, DefaultPlan, FollowPlan, Made, VersionPlan, number_of};
use super::region::FollowRegion;
use super::report::{FollowedGroup, FollowedTemplate, Following};
use super::request::FollowRequest;
use crate::api::groups::Groups;
use crate::api::templates::{NewVersion, Template, TemplateQuery, Templates};

/// A run of a plan, and what it has done so far.
pub(super) struct FollowRun<'a, G, T> {
    pub(super) region: &'a FollowRegion<'a, G, T>,
    pub(super) request: &'a FollowRequest,
    pub(super) plan: &'a FollowPlan,
    /// The numbers of the versions that were made.
    pub(super) made: Made,
    /// The names of the groups whose refresh this run started or joined.
    pub(super) touched: Vec<String>,
    /// The templates whose default is the new version.
    defaults: Vec<String>,
    pub(super) groups: Vec<FollowedGroup>,
}

impl<'a, G: Groups, T: Templates> FollowRun<'a, G, T> {
    pub(super) fn new(
        region: &'a FollowRegion<'a, G, T>,
        request: &'a FollowRequest,
        plan: &'a FollowPlan,
    ) -> Self {
        Self {
            region,
            request,
            plan,
            made: Made::new(),
            touched: Vec::new(),
            defaults: Vec::new(),
            groups: Vec::new(),
        }
    }

    /// Makes the versions, and sets the defaults that groups launch from.
    pub(super) async fn prepare(&mut self) -> Result<(), FollowError> {
        for version in &self.plan.versions {
            let number = self.make_version(version).await?;
            self.made.insert((version.template.clone(), version.source), number);
        }
        for default in self.plan.defaults.iter().filter(|one| one.moment == DefaultMoment::Before) {
            self.set_default(default).await?;
        }
        Ok(())
    }

    /// Sets the other defaults. With refreshes that are only started it waits for the run that sees their end.
    pub(super) async fn settle_defaults(&mut self) -> Result<(), FollowError> {
        let started = |group: &FollowedGroup| group.outcome == super::report::GroupOutcome::Started;
        let waits = self.groups.iter().any(started);
        for default in self.plan.defaults.iter().filter(|one| one.moment == DefaultMoment::After) {
            let used = self.plan.groups.iter().flat_map(|group| &group.uses);
            if waits && used.into_iter().any(|one| one.template == default.template) {
                self.region.say(&format!(
                    "the default version of {} is set when the refreshes have ended: run the same command then",
                    default.template
                ));
                continue;
            }
            self.set_default(default).await?;
        }
        Ok(())
    }

    /// What the run has done.
    pub(super) fn into_report(self) -> Following {
        let templates = self.plan.versions.iter().filter_map(|version| {
            let number = self.made.get(&(version.template.clone(), version.source))?;
            Some(FollowedTemplate {
                id: version.template.clone(),
                name: version.name.clone(),
                source: version.source,
                version: *number,
                is_default: self.defaults.contains(&version.template),
            })
        });
        Following {
            image: self.plan.image.clone(),
            templates: templates.collect(),
            groups: self.groups,
            kept: self.plan.kept.clone(),
        }
    }

    /// The number of a version that has the image: made now, or by an earlier run.
    async fn make_version(&self, version: &VersionPlan) -> Result<u64, FollowError> {
        if let Some(number) = version.existing {
            return Ok(number);
        }
        let new = NewVersion {
            template: version.template.clone(),
            source: version.source,
            image: self.plan.text.clone(),
            description: marker::follow(&self.plan.text, version.source),
            token: token(&["follow", &version.template, &version.source.to_string(), &self.plan.text]),
        };
        self.create(&new).await
    }

    /// Makes a version, and reads back that it has the image.
    pub(super) async fn create(&self, new: &NewVersion) -> Result<u64, FollowError> {
        let id = &new.template;
        let action = format!("making a version of {id} with `{}`", new.image);
        let number = self.region.call(action, || self.region.templates.create_version(new)).await?;
        let action = format!("reading version {number} of {id} back");
        let versions = self.region.call(action, || self.region.templates.describe_versions(id)).await?;
        let made = versions.into_iter().find(|version| version.number == number);
        let actual = made.and_then(|version| version.image).unwrap_or_else(|| "nothing".to_owned());
        if actual != new.image {
            let (template, expected) = (id.clone(), new.image.clone());
            return Err(FollowError::Version { template, version: number, expected, actual });
        }
        self.region.say(&format!("{id}: version {number} launches `{}`", new.image));
        Ok(number)
    }

    /// Sets a default version, unless another operator has moved it, and reads it back.
    async fn set_default(&mut self, default: &DefaultPlan) -> Result<(), FollowError> {
        let id = &default.template;
        let Some(to) = number_of(id, default.to, &self.made) else { return Ok(()) };
        let before = self.read_template(id).await?.default;
        if before != to {
            refuse_moved(id, default.from, before)?;
            self.write_default(id, to).await?;
            let after = self.read_template(id).await?.default;
            refuse_moved(id, to, after)?;
            self.region.say(&format!("{id}: version {to} is the default"));
        }
        self.defaults.push(id.clone());
        Ok(())
    }

    /// Sets a default version.
    pub(super) async fn write_default(&self, template: &str, version: u64) -> Result<(), FollowError> {
        let action = format!("setting the default version of {template} to {version}");
        let templates = self.region.templates;
        self.region.call(action, || templates.set_default_version(template, version)).await
    }

    /// A template as it is now.
    pub(super) async fn read_template(&self, id: &str) -> Result<Template, FollowError> {
        let query = TemplateQuery::Ids(vec![id.to_owned()]);
        let action = format!("describing the launch template {id}");
        let templates = self.region.call(action, || self.region.templates.describe_templates(&query)).await?;
        let found = templates.into_iter().next();
        found.ok_or_else(|| FollowError::Missing { kind: "launch template", name: id.to_owned() })
    }
}

/// Refuses a default version that another operator has moved.
fn refuse_moved(template: &str, expected: u64, actual: u64) -> Result<(), FollowError> {
    if expected == actual {
        return Ok(());
    }
    Err(Conflict::Default { template: template.to_owned(), expected, actual }.into())
}

/// A client token of 64 characters: equal for equal requests. No part has a line break.
pub(super) fn token(parts: &[&str]) -> String {
    Digest::of(parts.join("\n").as_bytes()).to_string()
}
