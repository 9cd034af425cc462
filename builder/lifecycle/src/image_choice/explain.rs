//! What is said of AMIs that are not taken, and of too many. Their names are foreign text: each is escaped.

use std::collections::{BTreeMap, BTreeSet};

use amiforge_formats::tree::Printable;
use amiforge_publish::api::ec2::DescribedImage;

use super::{ImageChoiceError, ImageTerms, deprecated_since};

/// AMIs that are named in a message.
const NAMED: usize = 4;

/// A foreign text on one line.
pub(super) fn plain(text: &str) -> String {
    Printable(text.as_bytes()).to_string()
}

/// An AMI with its name and its time.
pub(super) fn shown(image: &DescribedImage) -> String {
    let mut facts = Vec::new();
    facts.extend(image.name.as_deref().map(|name| format!("`{}`", plain(name))));
    facts.extend(image.created.as_deref().map(|created| format!("of {}", plain(created))));
    if facts.is_empty() { plain(&image.id) } else { format!("{} ({})", plain(&image.id), facts.join(" ")) }
}

/// Why an AMI cannot be taken, as the rest of a sentence that begins with it. Deprecation is no reason.
pub(super) fn unusable(image: &DescribedImage, arch: Option<&str>) -> Option<String> {
    match image.state.as_str() {
        "available" => {}
        "disabled" => return Some("is disabled".to_owned()),
        state => {
            let reason = image.state_reason.as_deref().map(|reason| format!(": {}", plain(reason)));
            return Some(format!("is `{}`{}", plain(state), reason.unwrap_or_default()));
        }
    }
    let found = image.architecture.as_deref().unwrap_or("an unknown architecture");
    arch.filter(|arch| *arch != found).map(|arch| format!("is for {}, not for {arch}", plain(found)))
}

/// Why one of several AMIs, sorted by their times, is not clearly the newest; `None` if it is.
pub(super) fn ambiguity(images: &[DescribedImage]) -> Option<String> {
    let archs: BTreeSet<&str> = images.iter().filter_map(|image| image.architecture.as_deref()).collect();
    if archs.len() > 1 {
        let archs: Vec<_> = archs.into_iter().map(plain).collect();
        return Some(format!("there are some for {}: name the architecture", archs.join(" and for ")));
    }
    let created = &images.first()?.created;
    let newest: Vec<_> = images.iter().take_while(|image| image.created == *created).collect();
    (newest.len() > 1).then(|| format!("{} are equally new: narrow the name", list(&newest)))
}

/// The error for a choice of which nothing is left; `all` are the AMIs that have the owner and the name.
pub(super) fn nothing(
    all: &[DescribedImage],
    (owner, name): (&str, &str),
    region: &str,
    terms: &ImageTerms<'_>,
) -> ImageChoiceError {
    let mut reasons: BTreeMap<String, Vec<&DescribedImage>> = BTreeMap::new();
    for image in all {
        let reason = unusable(image, terms.arch).or_else(|| {
            deprecated_since(image, terms.now).map(|_| "is deprecated, and named only by its id".to_owned())
        });
        reasons
            .entry(reason.unwrap_or_else(|| "came meanwhile: try again".to_owned()))
            .or_default()
            .push(image);
    }
    let found = if all.is_empty() {
        "there is none (a name is matched as a whole: `*` stands for any characters, `?` for one)".to_owned()
    } else {
        let reasons = reasons.into_iter().map(|(reason, mut images)| {
            images.sort_by(|one, other| other.created.cmp(&one.created));
            format!("{} {reason}", list(&images))
        });
        reasons.collect::<Vec<_>>().join("; ")
    };
    let (owner, name) = (owner.to_owned(), name.to_owned());
    ImageChoiceError::Nothing { owner, name, region: region.to_owned(), found }
}

/// The first of several AMIs, and the number of the others.
fn list(images: &[&DescribedImage]) -> String {
    let mut named: Vec<_> = images.iter().take(NAMED).map(|image| shown(image)).collect();
    let more = images.len().saturating_sub(NAMED);
    if more > 0 {
        named.push(format!("{more} more"));
    }
    match named.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, before)) => format!("{} and {last}", before.join(", ")),
        None => String::new(),
    }
}
