//! Lists channels: which image each holds in each region, since when, and where regions differ or hold an image that is
//! gone.

use std::collections::BTreeMap;

use amiforge_publish::ami::join;
use amiforge_publish::api::ec2::{DescribedImage, Ec2, ImageOwner, ImageQuery, QueryFilter, Regions};
use amiforge_publish::service_error::ServiceErrorKind;
use amiforge_publish::tags;
use serde::Serialize;

use super::ChannelError;
use super::check::state_problem;
use super::history::{note, since};
use super::name::{PathTemplate, Words};
use super::region::ChannelRegion;
use super::work::{ChannelServices, Concurrent};
use crate::api::parameters::{IMAGE, Parameter, ParameterRegions, Parameters};

/// Which channels to list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelListOptions {
    /// The region of the connection.
    pub home: String,
    /// The regions; none for the home region and those that its channels have.
    pub regions: Vec<String>,
    /// Only channels of this image.
    pub name: Option<String>,
    /// Only this channel.
    pub channel: Option<String>,
    /// The templates of the parameters' names.
    pub templates: Vec<PathTemplate>,
    /// The present time, in seconds since 1970.
    pub now: i64,
}

/// Channels by image, name and architecture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ChannelListing {
    /// The channels, sorted.
    pub channels: Vec<ListedChannel>,
    /// Regions that could not be read.
    pub unread: Vec<UnreadRegion>,
}

/// A channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ListedChannel {
    /// Name of the image.
    pub name: String,
    /// The channel.
    pub channel: String,
    /// Architecture, if it is a part of the parameter's name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub arch: String,
    /// Whether all regions hold the same image.
    pub agreement: Agreement,
    /// What it holds in each region, sorted by region and parameter.
    pub regions: Vec<HeldImage>,
    /// Regions of the channel that lack it.
    pub missing: Vec<String>,
}

/// Whether the regions of a channel agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Agreement {
    /// They hold copies of the same image.
    Same,
    /// They hold different images, or some lack the channel.
    Drift,
}

/// What a channel holds in a region.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HeldImage {
    /// The region.
    pub region: String,
    /// Name of the parameter.
    pub parameter: String,
    /// The image.
    pub image_id: String,
    /// Version of the image, by its tag.
    pub version: Option<String>,
    /// SHA-256 of the image's manifest, by its tag.
    pub manifest: Option<String>,
    /// Number of the version of the parameter.
    pub parameter_version: u64,
    /// Labels of that version.
    pub labels: Vec<String>,
    /// Since when it has held the image, in seconds since 1970.
    pub since: i64,
    /// ARN of the user who set it.
    pub set_by: Option<String>,
    /// Why the image cannot be launched, or should not be, as the rest of a sentence that begins with the image.
    pub problem: Option<String>,
    /// What is the same for copies of an image.
    #[serde(skip)]
    identity: String,
}

/// A region that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UnreadRegion {
    /// The region.
    pub region: String,
    /// The error, with its causes.
    pub error: String,
    /// The class of the failed call, if a call failed.
    #[serde(skip)]
    pub kind: Option<ServiceErrorKind>,
}

impl ChannelListing {
    /// Whether regions agree, every image can be launched, and every region was read.
    pub fn is_sound(&self) -> bool {
        let sound = |channel: &ListedChannel| {
            channel.agreement == Agreement::Same && channel.regions.iter().all(|held| held.problem.is_none())
        };
        self.unread.is_empty() && self.channels.iter().all(sound)
    }
}

/// A parameter of a channel, what it holds, and the regions that the channel has.
struct ChannelRow {
    words: Words,
    held: HeldImage,
    regions: Vec<String>,
}

/// Lists channels.
///
/// # Errors
/// [`ChannelError::Interrupted`]; a region that cannot be read is a part of the listing.
pub async fn list<R: Regions + ParameterRegions>(
    services: ChannelServices<'_, R>,
    options: &ChannelListOptions,
) -> Result<ChannelListing, ChannelError> {
    let first = if options.regions.is_empty() { vec![options.home.clone()] } else { options.regions.clone() };
    let (mut rows, mut unread) = read_regions(services, options, &first).await?;
    if options.regions.is_empty() {
        let mut more: Vec<_> = rows.iter().flat_map(|row| row.regions.clone()).collect();
        more.sort();
        more.dedup();
        more.retain(|region| *region != options.home);
        let (further, failed) = read_regions(services, options, &more).await?;
        rows.extend(further);
        unread.extend(failed);
    }
    Ok(ChannelListing { channels: group(rows, options, &unread), unread })
}

async fn read_regions<R: Regions + ParameterRegions>(
    services: ChannelServices<'_, R>,
    options: &ChannelListOptions,
    regions: &[String],
) -> Result<(Vec<ChannelRow>, Vec<UnreadRegion>), ChannelError> {
    let one = |name: &String| -> Concurrent<'_, Result<_, ChannelError>> {
        let name = name.clone();
        Box::pin(async move { read_region(&services.region(&name), options).await })
    };
    let (mut rows, mut unread) = (Vec::new(), Vec::new());
    let read = join::all(regions.iter().map(one).collect()).await;
    for (region, result) in regions.iter().zip(read) {
        match result {
            Ok(own) => rows.extend(own),
            Err(ChannelError::Interrupted) => return Err(ChannelError::Interrupted),
            Err(error) => {
                let kind = error.call().map(|failed| failed.error.kind);
                unread.push(UnreadRegion { region: region.clone(), error: super::back::chain(&error), kind });
            }
        }
    }
    Ok((rows, unread))
}

/// Reads the channels of a region.
async fn read_region<C: Ec2, P: Parameters>(
    region: &ChannelRegion<'_, C, P>,
    options: &ChannelListOptions,
) -> Result<Vec<ChannelRow>, ChannelError> {
    let mut matching: BTreeMap<String, (Words, Parameter)> = BTreeMap::new();
    for template in &options.templates {
        for parameter in region.below(&template.path()).await? {
            let Some(words) = template.words(&parameter.name) else { continue };
            let named = options.name.as_ref().is_none_or(|name| !template.has_name() || *name == words.name);
            let meant = options.channel.as_ref().is_none_or(|channel| *channel == words.channel);
            if parameter.data_type == IMAGE && named && meant {
                matching.insert(parameter.name.clone(), (words, parameter));
            }
        }
    }
    if matching.is_empty() {
        return Ok(Vec::new());
    }
    let ids = matching.values().map(|(_, parameter)| parameter.value.clone()).collect();
    let filters = vec![QueryFilter { name: "image-id".to_owned(), values: ids }];
    let images = region.images(&ImageQuery { ids: Vec::new(), owner: ImageOwner::Any, filters }).await?;
    let mut rows = Vec::new();
    for (words, parameter) in matching.into_values() {
        let image = images.iter().find(|image| image.id == parameter.value);
        rows.push(row(region, words, parameter, image, options.now).await?);
    }
    Ok(rows)
}

async fn row<C: Ec2, P: Parameters>(
    region: &ChannelRegion<'_, C, P>,
    words: Words,
    parameter: Parameter,
    image: Option<&DescribedImage>,
    now: i64,
) -> Result<ChannelRow, ChannelError> {
    let history = region.history(&parameter.name).await?;
    // The history may be newer than the list; what launches get is in the list.
    let upto = history.iter().filter(|version| version.number <= parameter.version);
    let history: Vec<_> = upto.cloned().collect();
    let latest = history.last();
    let tag = |key: &str| image.and_then(|image| image.tags.get(key).cloned());
    let source = image.and_then(|image| image.source_image.clone());
    let problem = match image {
        None => Some("does not exist, or is not shared with this account".to_owned()),
        Some(image) => state_problem(image, now, region.name).map(|(_, problem, _)| problem),
    };
    let held = HeldImage {
        region: region.name.to_owned(),
        version: tag(tags::VERSION),
        manifest: tag(tags::MANIFEST),
        identity: tag(tags::MANIFEST).or(source).unwrap_or_else(|| parameter.value.clone()),
        image_id: parameter.value,
        parameter_version: parameter.version,
        labels: latest.map(|latest| latest.labels.clone()).unwrap_or_default(),
        since: since(&history).map_or(parameter.modified, |version| version.modified),
        set_by: latest.and_then(|latest| latest.user.clone()),
        parameter: parameter.name,
        problem,
    };
    let regions = latest.and_then(note).map(|note| note.regions).unwrap_or_default();
    Ok(ChannelRow { words, held, regions })
}

/// Groups the parameters of one channel.
fn group(rows: Vec<ChannelRow>, options: &ChannelListOptions, unread: &[UnreadRegion]) -> Vec<ListedChannel> {
    let mut channels: BTreeMap<Words, Vec<ChannelRow>> = BTreeMap::new();
    for row in rows {
        channels.entry(row.words.clone()).or_default().push(row);
    }
    let channel = |(words, mut rows): (Words, Vec<ChannelRow>)| {
        rows.sort_by(|a, b| (&a.held.region, &a.held.parameter).cmp(&(&b.held.region, &b.held.parameter)));
        let mut missing: Vec<_> = rows.iter().flat_map(|row| row.regions.clone()).collect();
        missing.sort();
        missing.dedup();
        missing.retain(|region| {
            let listed = options.regions.is_empty() || options.regions.contains(region);
            let held = rows.iter().any(|row| row.held.region == *region);
            listed && !held && unread.iter().all(|unread| unread.region != *region)
        });
        let same = rows.windows(2).all(|pair| pair[0].held.identity == pair[1].held.identity);
        let agreement = if same && missing.is_empty() { Agreement::Same } else { Agreement::Drift };
        let regions = rows.into_iter().map(|row| row.held).collect();
        ListedChannel {
            name: words.name,
            channel: words.channel,
            arch: words.arch,
            agreement,
            regions,
            missing,
        }
    };
    channels.into_iter().map(channel).collect()
}
