//! The world of a run: images, templates, groups with their instances, and refreshes that advance with the simulated
//! clock. What the services do, without their calls.

use std::collections::{BTreeMap, BTreeSet};

use amiforge_lifecycle::api::groups::{LaunchSource, PolicyNode, RefreshPreferences, TemplateUse};

/// The image before, the one to follow, one of another operator, and one of another architecture.
pub(crate) const OLD: &str = "ami-00000001";
pub(crate) const NEW: &str = "ami-00000002";
pub(crate) const OTHER: &str = "ami-00000003";
pub(crate) const ARM: &str = "ami-0000000a";
/// The parameter of the channel.
pub(crate) const PARAMETER: &str = "/amiforge/web/stable";

/// Seconds that the replacement of an instance takes.
const STEP: u64 = 10;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Version {
    pub(crate) number: u64,
    pub(crate) image: String,
    pub(crate) description: Option<String>,
    pub(crate) instance_type: Option<String>,
    pub(crate) token: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Template {
    pub(crate) default: u64,
    pub(crate) versions: Vec<Version>,
    pub(crate) tags: BTreeMap<String, String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Instance {
    pub(crate) id: String,
    /// The index of the override that launched it.
    pub(crate) slot: usize,
    pub(crate) image: String,
    pub(crate) template: TemplateUse,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refresh {
    pub(crate) id: String,
    pub(crate) status: &'static str,
    pub(crate) desired: Option<LaunchSource>,
    pub(crate) preferences: RefreshPreferences,
    /// Instances that are still to be replaced.
    pub(crate) left: Vec<String>,
    pub(crate) total: usize,
    /// When the next instance is replaced.
    pub(crate) due: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Group {
    pub(crate) source: LaunchSource,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) instances: Vec<Instance>,
    pub(crate) refreshes: Vec<Refresh>,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct World {
    /// Seconds.
    pub(crate) now: u64,
    pub(crate) templates: BTreeMap<String, Template>,
    pub(crate) groups: BTreeMap<String, Group>,
    pub(crate) parameter: String,
    /// Images whose instances fail their health check.
    pub(crate) bad: BTreeSet<String>,
    /// Whether forward refreshes hang.
    pub(crate) hangs: bool,
    pub(crate) next_id: u64,
}

pub(crate) fn fixed(template: &str, version: &str) -> LaunchSource {
    LaunchSource::Template(TemplateUse { id: template.to_owned(), version: version.to_owned() })
}

fn text(text: &str) -> PolicyNode {
    PolicyNode::Text(text.to_owned())
}

fn members<const N: usize>(pairs: [(&str, PolicyNode); N]) -> PolicyNode {
    PolicyNode::Members(pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

/// A mixed instances policy: a type of the main template, one of another architecture, and one with an image.
pub(crate) fn mixed(main: &str, version: &str, image: &str) -> LaunchSource {
    let specification =
        |id: &str, version: &str| members([("LaunchTemplateId", text(id)), ("Version", text(version))]);
    let entries = vec![
        members([("InstanceType", text("m5.large"))]),
        members([
            ("InstanceType", text("m6g.large")),
            ("LaunchTemplateSpecification", specification("lt-arm", "1")),
        ]),
        members([("InstanceType", text("c5.large")), ("ImageId", text(image))]),
    ];
    LaunchSource::Policy(members([
        (
            "LaunchTemplate",
            members([
                ("LaunchTemplateSpecification", specification(main, version)),
                ("Overrides", PolicyNode::List { item: "member".to_owned(), entries }),
            ]),
        ),
        ("InstancesDistribution", members([("OnDemandBaseCapacity", text("1"))])),
    ]))
}

impl World {
    pub(crate) fn add_template(&mut self, id: &str, images: &[&str], default: u64) {
        let version = |(index, image): (usize, &&str)| Version {
            number: index as u64 + 1,
            image: (*image).to_owned(),
            description: None,
            instance_type: Some(if *image == ARM { "m6g.large" } else { "m5.large" }.to_owned()),
            token: None,
        };
        let versions = images.iter().enumerate().map(version).collect();
        self.templates.insert(id.to_owned(), Template { default, versions, tags: BTreeMap::new() });
    }

    pub(crate) fn add_group(&mut self, name: &str, source: LaunchSource, size: usize) {
        let mut group = Group { source, tags: BTreeMap::new(), instances: Vec::new(), refreshes: Vec::new() };
        for slot in 0..size {
            let instance = self.launch(&group.source.clone(), slot);
            group.instances.push(instance);
        }
        self.groups.insert(name.to_owned(), group);
    }

    fn fresh(&mut self, prefix: &str) -> String {
        self.next_id += 1;
        format!("{prefix}-{:08}", self.next_id)
    }

    /// The number that a selector stands for now.
    pub(crate) fn number(&self, used: &TemplateUse) -> u64 {
        let template = &self.templates[&used.id];
        match used.version.as_str() {
            "$Default" => template.default,
            "$Latest" => template.versions.iter().map(|version| version.number).max().unwrap(),
            digits => digits.parse().unwrap(),
        }
    }

    /// The template version and the image of a launch in a slot.
    pub(crate) fn choice(&self, source: &LaunchSource, slot: usize) -> (TemplateUse, String) {
        let (used, image) = match source {
            LaunchSource::Template(used) => (used.clone(), None),
            LaunchSource::Policy(policy) => {
                let entries = policy.entries(&["LaunchTemplate", "Overrides"]);
                let entry = &entries[slot % entries.len()];
                let main = policy.at(&["LaunchTemplate", "LaunchTemplateSpecification"]).unwrap();
                let own = entry.at(&["LaunchTemplateSpecification"]).unwrap_or(main);
                let used = TemplateUse {
                    id: own.text(&["LaunchTemplateId"]).unwrap().to_owned(),
                    version: own.text(&["Version"]).unwrap().to_owned(),
                };
                (used, entry.text(&["ImageId"]).map(str::to_owned))
            }
            LaunchSource::Other(_) => unreachable!(),
        };
        let number = self.number(&used);
        let version =
            self.templates[&used.id].versions.iter().find(|version| version.number == number).unwrap();
        let image = image.unwrap_or_else(|| version.image.clone());
        let image = if image.starts_with("resolve:ssm:") { self.parameter.clone() } else { image };
        (TemplateUse { id: used.id, version: number.to_string() }, image)
    }

    fn launch(&mut self, source: &LaunchSource, slot: usize) -> Instance {
        let (template, image) = self.choice(source, slot);
        Instance { id: self.fresh("i"), slot, image, template }
    }

    /// The images of the next launches of a group, by slot.
    pub(crate) fn launches(&self, group: &str) -> Vec<String> {
        let group = &self.groups[group];
        (0..3).map(|slot| self.choice(&group.source, slot).1).collect()
    }

    /// Begins a refresh and returns its id.
    pub(crate) fn begin(
        &mut self,
        name: &str,
        desired: Option<LaunchSource>,
        preferences: RefreshPreferences,
    ) -> String {
        let id = self.fresh("refresh");
        let target = desired.clone().unwrap_or_else(|| self.groups[name].source.clone());
        let matches = |world: &Self, instance: &Instance| {
            world.choice(&target, instance.slot) == (instance.template.clone(), instance.image.clone())
        };
        let left: Vec<_> = self.groups[name]
            .instances
            .iter()
            .filter(|instance| !(preferences.skip_matching && matches(self, instance)))
            .map(|instance| instance.id.clone())
            .collect();
        let refresh = Refresh {
            id: id.clone(),
            status: "InProgress",
            desired,
            preferences,
            total: left.len(),
            left,
            due: self.now + STEP,
        };
        self.groups.get_mut(name).unwrap().refreshes.push(refresh);
        id
    }

    /// The refresh that runs.
    pub(crate) fn running(&self, name: &str) -> Option<&Refresh> {
        let last = self.groups[name].refreshes.last();
        last.filter(|refresh| matches!(refresh.status, "InProgress" | "RollbackInProgress" | "Cancelling"))
    }

    /// Lets time pass.
    pub(crate) fn advance(&mut self, seconds: u64) {
        let end = self.now + seconds;
        loop {
            let names: Vec<_> = self.groups.keys().cloned().collect();
            let due = |name: &String| self.running(name).map(|refresh| (refresh.due, name.clone()));
            let Some((at, name)) = names.iter().filter_map(due).min().filter(|(at, _)| *at <= end) else {
                break;
            };
            self.now = self.now.max(at);
            self.step(&name);
        }
        self.now = end;
    }

    /// Replaces one instance of a running refresh, or ends it.
    fn step(&mut self, name: &str) {
        let mut group = self.groups.remove(name).unwrap();
        let mut refresh = group.refreshes.pop().unwrap();
        refresh.due = self.now + STEP;
        let forward = refresh.status == "InProgress";
        if refresh.status == "Cancelling" {
            refresh.status = "Cancelled";
        } else if refresh.left.is_empty() {
            refresh.status = if forward { "Successful" } else { "RollbackSuccessful" };
            if let Some(desired) = refresh.desired.clone().filter(|_| forward) {
                group.source = desired;
            }
        } else if !(forward && self.hangs) {
            let id = refresh.left.remove(0);
            let target = refresh.desired.clone().filter(|_| forward).unwrap_or_else(|| group.source.clone());
            if let Some(place) = group.instances.iter().position(|instance| instance.id == id) {
                let instance = self.launch(&target, group.instances[place].slot);
                let is_bad = self.bad.contains(&instance.image);
                group.instances[place] = instance;
                if is_bad && forward {
                    self.fail(&mut group, &mut refresh);
                }
            }
        }
        group.refreshes.push(refresh);
        self.groups.insert(name.to_owned(), group);
    }

    /// A bad instance fails the refresh; the group replaces it by its own configuration.
    fn fail(&mut self, group: &mut Group, refresh: &mut Refresh) {
        if refresh.preferences.auto_rollback {
            Self::roll_back(group, refresh);
        } else {
            refresh.status = "Failed";
        }
        let source = group.source.clone();
        for index in 0..group.instances.len() {
            let (slot, bad) = (group.instances[index].slot, self.bad.contains(&group.instances[index].image));
            if bad && !self.bad.contains(&self.choice(&source, slot).1) {
                group.instances[index] = self.launch(&source, slot);
            }
        }
    }

    /// Begins a rollback: the instances that were replaced are replaced again.
    pub(crate) fn roll_back(group: &mut Group, refresh: &mut Refresh) {
        refresh.status = "RollbackInProgress";
        let original: BTreeSet<_> = refresh.left.iter().cloned().collect();
        refresh.left =
            group.instances.iter().map(|one| one.id.clone()).filter(|id| !original.contains(id)).collect();
    }
}
