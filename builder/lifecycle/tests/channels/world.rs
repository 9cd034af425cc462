//! Regions in memory, with parameters and images, as the operators of a run see them: SSM's version numbers, its check
//! after the answer, its hundred versions. Every effect checks that a channel never loses its image.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use amiforge_lifecycle::api::parameters::{
    IMAGE, MAX_VERSIONS, NewVersion, Parameter, ParameterVersion, STRING,
};
use amiforge_publish::api::ec2::DescribedImage;
use amiforge_publish::service_error::{ServiceError, ServiceErrorKind};
use amiforge_publish::tags;

/// The regions of every run.
pub(crate) const REGIONS: [&str; 3] = ["r-1", "r-2", "r-3"];
/// The channel's parameter.
pub(crate) const CHANNEL: &str = "/amiforge/web/stable";

/// All regions.
#[derive(Debug, Default)]
pub(crate) struct World {
    regions: BTreeMap<String, RegionState>,
    now: Duration,
    /// Number of calls of all operators.
    pub(crate) calls: u64,
    /// What happens by itself, by the number of the call before which it does.
    pub(crate) events: Vec<(u64, Event)>,
    /// Time from a put until the version is visible.
    pub(crate) lag: Duration,
    /// What went wrong, as a reason to fail the test.
    pub(crate) violations: Vec<String>,
}

/// What others do.
#[derive(Debug, Clone)]
pub(crate) enum Event {
    /// A plain put of an image.
    Put { region: String, image: String },
    /// An image is deregistered.
    Deregister { region: String, image: String },
    /// The channel's parameter is deleted.
    Delete { region: String },
}

#[derive(Debug, Default)]
struct RegionState {
    images: BTreeMap<String, DescribedImage>,
    parameters: BTreeMap<String, Vec<Stored>>,
}

#[derive(Debug, Clone)]
struct Stored {
    version: ParameterVersion,
    visible_at: Duration,
}

/// The world, shared by operators.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shared(Arc<Mutex<World>>);

impl Shared {
    pub(crate) fn lock(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The id of version `letter` of the image in a region.
pub(crate) fn image_id(letter: char, region: &str) -> String {
    format!("ami-{letter}-{region}")
}

impl World {
    /// Regions with the images a, b and c, each with a manifest and a version of its own.
    pub(crate) fn new() -> Self {
        let mut world = Self { lag: Duration::from_secs(1), ..Self::default() };
        for region in REGIONS {
            let state = world.regions.entry(region.to_owned()).or_default();
            for letter in ['a', 'b', 'c'] {
                let tag = |key: &str, value: String| (key.to_owned(), value);
                let image = DescribedImage {
                    id: image_id(letter, region),
                    name: Some(format!("web-{letter}")),
                    state: "available".to_owned(),
                    architecture: Some("x86_64".to_owned()),
                    public: Some(false),
                    tags: [
                        tag(tags::IMAGE, "web".to_owned()),
                        tag(tags::VERSION, letter.to_string()),
                        tag(tags::MANIFEST, letter.to_string().repeat(64)),
                    ]
                    .into(),
                    ..DescribedImage::default()
                };
                state.images.insert(image.id.clone(), image);
            }
        }
        world
    }

    pub(crate) fn now(&self) -> Duration {
        self.now
    }

    pub(crate) fn advance(&mut self, time: Duration) {
        self.now += time;
    }

    /// The letter of the image that the channel holds in each region; `-` where there is none.
    pub(crate) fn held(&self) -> String {
        REGIONS.map(|region| self.letter(region)).into_iter().collect()
    }

    fn letter(&self, region: &str) -> char {
        let latest = self.latest(region, CHANNEL);
        latest.and_then(|version| version.value.chars().nth(4)).unwrap_or('-')
    }

    /// Whether every region's image is available.
    pub(crate) fn all_available(&self) -> bool {
        let good = |region: &&str| {
            self.latest(region, CHANNEL).is_none_or(|version| self.is_available(region, &version.value))
        };
        REGIONS.iter().all(good)
    }

    fn is_available(&self, region: &str, image: &str) -> bool {
        self.regions
            .get(region)
            .is_some_and(|state| state.images.get(image).is_some_and(|image| image.state == "available"))
    }

    pub(crate) fn image(&self, region: &str, image: &str) -> Option<DescribedImage> {
        self.regions.get(region)?.images.get(image).cloned()
    }

    pub(crate) fn images(&self, region: &str) -> Vec<DescribedImage> {
        self.regions.get(region).map(|state| state.images.values().cloned().collect()).unwrap_or_default()
    }

    pub(crate) fn set_image_state(&mut self, region: &str, image: &str, state: &str) {
        if let Some(image) = self.regions.get_mut(region).and_then(|region| region.images.get_mut(image)) {
            state.clone_into(&mut image.state);
        }
    }

    fn versions(&self, region: &str, name: &str) -> Vec<ParameterVersion> {
        let stored = self.regions.get(region).and_then(|state| state.parameters.get(name));
        let visible = stored.into_iter().flatten().filter(|stored| stored.visible_at <= self.now);
        visible.map(|stored| stored.version.clone()).collect()
    }

    fn latest(&self, region: &str, name: &str) -> Option<ParameterVersion> {
        self.versions(region, name).pop()
    }

    pub(crate) fn history(&self, region: &str, name: &str) -> Result<Vec<ParameterVersion>, ServiceError> {
        let versions = self.versions(region, name);
        if versions.is_empty() { Err(not_found()) } else { Ok(versions) }
    }

    pub(crate) fn parameter(&self, region: &str, name: &str) -> Result<Parameter, ServiceError> {
        let version = self.latest(region, name).ok_or_else(not_found)?;
        Ok(Parameter {
            name: name.to_owned(),
            value: version.value,
            version: version.number,
            kind: version.kind,
            data_type: version.data_type,
            modified: version.modified,
        })
    }

    pub(crate) fn below(&self, region: &str, path: &str) -> Vec<Parameter> {
        let Some(state) = self.regions.get(region) else { return Vec::new() };
        let names = state.parameters.keys().filter(|name| name.starts_with(&format!("{path}/")));
        names.filter_map(|name| self.parameter(region, name).ok()).collect()
    }

    /// A put as `user`: the answer is a version, whether or not it will be visible.
    pub(crate) fn put(&mut self, region: &str, new: &NewVersion, user: &str) -> Result<u64, ServiceError> {
        let (available, visible_at) = (self.is_available(region, &new.value), self.now + self.lag);
        let modified = self.now.as_secs() as i64;
        let Some(state) = self.regions.get_mut(region) else { return Err(not_found()) };
        let stored = state.parameters.get(&new.name).map(Vec::as_slice).unwrap_or_default();
        if !stored.is_empty() && !new.overwrite {
            return Err(refused("ParameterAlreadyExists", ServiceErrorKind::Duplicate));
        }
        if stored
            .last()
            .is_some_and(|last| (&last.version.kind, &last.version.data_type) != (&new.kind, &new.data_type))
        {
            return Err(refused("HierarchyTypeMismatchException", ServiceErrorKind::Refused));
        }
        if stored.len() >= MAX_VERSIONS && !stored[0].version.labels.is_empty() {
            return Err(refused("ParameterMaxVersionLimitExceeded", ServiceErrorKind::Quota));
        }
        let number = stored.last().map_or(1, |last| last.version.number + 1);
        if !available {
            return Ok(number);
        }
        let version = ParameterVersion {
            number,
            value: new.value.clone(),
            kind: new.kind.clone(),
            data_type: new.data_type.clone(),
            description: Some(new.description.clone()),
            labels: Vec::new(),
            modified,
            user: Some(user.to_owned()),
        };
        let stored = state.parameters.entry(new.name.clone()).or_default();
        if stored.len() >= MAX_VERSIONS {
            stored.remove(0);
        }
        stored.push(Stored { version, visible_at });
        Ok(number)
    }

    pub(crate) fn label(
        &mut self,
        region: &str,
        name: &str,
        version: u64,
        labels: &[String],
    ) -> Result<(), ServiceError> {
        let stored = self.regions.get_mut(region).and_then(|state| state.parameters.get_mut(name));
        let stored = stored.ok_or_else(not_found)?;
        if !stored.iter().any(|one| one.version.number == version) {
            return Err(not_found());
        }
        for one in stored.iter_mut() {
            one.version.labels.retain(|label| !labels.contains(label));
            if one.version.number == version {
                one.version.labels.extend(labels.iter().cloned());
            }
        }
        Ok(())
    }

    pub(crate) fn unlabel(&mut self, region: &str, name: &str, version: u64, labels: &[String]) {
        let stored = self.regions.get_mut(region).and_then(|state| state.parameters.get_mut(name));
        for one in stored.into_iter().flatten().filter(|one| one.version.number == version) {
            one.version.labels.retain(|label| !labels.contains(label));
        }
    }

    pub(crate) fn delete(&mut self, region: &str, name: &str) -> Result<(), ServiceError> {
        let removed = self.regions.get_mut(region).and_then(|state| state.parameters.remove(name));
        removed.map(drop).ok_or_else(not_found)
    }

    /// A version from before a run, visible at once.
    pub(crate) fn seed(&mut self, region: &str, image: &str) {
        let lag = std::mem::take(&mut self.lag);
        let _ = self.put(region, &plain(image), "before");
        self.lag = lag;
    }

    /// Counts a call, and lets happen what is due before it.
    pub(crate) fn count_call(&mut self) {
        self.calls += 1;
        let calls = self.calls;
        let (due, later) = std::mem::take(&mut self.events).into_iter().partition(|(at, _)| *at <= calls);
        self.events = later;
        let due: Vec<(u64, Event)> = due;
        for (_, event) in due {
            self.happen(&event);
        }
    }

    fn happen(&mut self, event: &Event) {
        match event {
            Event::Put { region, image } => {
                let _ = self.put(region, &plain(image), "another-operator");
            }
            Event::Deregister { region, image } => {
                self.regions.get_mut(region).map(|state| state.images.remove(image));
            }
            Event::Delete { region } => {
                let _ = self.delete(region, CHANNEL);
            }
        }
    }
}

fn plain(image: &str) -> NewVersion {
    NewVersion {
        name: CHANNEL.to_owned(),
        value: image.to_owned(),
        kind: STRING.to_owned(),
        data_type: IMAGE.to_owned(),
        description: String::new(),
        overwrite: true,
    }
}

pub(crate) fn not_found() -> ServiceError {
    refused("ParameterNotFound", ServiceErrorKind::NotFound)
}

pub(crate) fn refused(code: &str, kind: ServiceErrorKind) -> ServiceError {
    ServiceError { code: Some(code.to_owned()), status: Some(400), ..ServiceError::local(kind, "") }
}
