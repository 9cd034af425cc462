//! Names, descriptions and tags of images.

use amiforge_image::values;

use super::{ImageFacts, RequestMistake};
use crate::api::ec2::Tags;
use crate::tags;

/// Longest description.
const MAX_DESCRIPTION: usize = 255;
/// Most tags that a resource has.
const MAX_TAGS: usize = 50;
/// Longest key of a tag: what `StartSnapshot` takes is one less than what `CreateTags` would.
const MAX_KEY: usize = 127;
/// Longest value of a tag.
const MAX_VALUE: usize = 255;

/// The name of the AMI: what is asked for, else the image's name and its version, or what tells its content where it
/// has no version (a name can be used only once in an account and region).
pub(super) fn ami_name(options: Option<&str>, facts: &ImageFacts) -> Result<String, RequestMistake> {
    let derived = || {
        let name = facts.name.as_deref()?;
        let suffix = facts.version.as_deref().or(facts.content.as_deref());
        Some(suffix.map_or_else(|| name.to_owned(), |suffix| format!("{name}-{suffix}")))
    };
    let Some(name) = options.map(str::to_owned).or_else(derived) else {
        return Err(RequestMistake::new(
            "--name",
            "nothing says what the AMI is called",
            "give `--name`, or a bundle, whose manifest has a name",
        ));
    };
    values::image_name(&name, 3, 128)
        .map_err(|problem| RequestMistake::new("--name", problem, "choose another name"))
}

/// The description: what is asked for, else what the image is.
pub(super) fn description(
    options: Option<&str>,
    facts: &ImageFacts,
) -> Result<Option<String>, RequestMistake> {
    let Some(text) = options else {
        let name = facts.name.as_deref();
        return Ok(name.map(|name| match &facts.version {
            Some(version) => format!("{name} {version}"),
            None => name.to_owned(),
        }));
    };
    let length = text.chars().count();
    if text.trim().is_empty() {
        let remedy = "leave the option out for the image's name and version";
        return Err(RequestMistake::new("--description", "it is empty", remedy));
    }
    if let Some(character) = text.chars().find(|c| !c.is_ascii()) {
        let problem = format!("`{character}` is not ASCII, and EC2 takes nothing else in a description");
        return Err(RequestMistake::new(
            "--description",
            problem,
            "spell it in ASCII; tags (`--tag`) may have any letters",
        ));
    }
    if length > MAX_DESCRIPTION {
        let problem = format!("it has {length} characters, and {MAX_DESCRIPTION} are the most");
        return Err(RequestMistake::new("--description", problem, "shorten it"));
    }
    Ok(Some(text.to_owned()))
}

/// The tags that are asked for, and `Name` where they have none. `own_tags` is how many come on top.
pub(super) fn tags(
    options: &[String],
    name: &str,
    own_tags: usize,
    mistakes: &mut Vec<RequestMistake>,
) -> Tags {
    let mut tags = parse_tags(options, mistakes);
    tags.entry(tags::NAME.to_owned()).or_insert_with(|| name.to_owned());
    check_tag_count(&tags, own_tags, mistakes);
    tags
}

/// The tags that are asked for.
pub(super) fn parse_tags(options: &[String], mistakes: &mut Vec<RequestMistake>) -> Tags {
    let mut tags = Tags::new();
    for text in options {
        match parse_tag(text) {
            Ok((key, _)) if tags.contains_key(&key) => {
                let problem = format!("`{key}` is given twice");
                mistakes.push(RequestMistake::new("--tag", problem, "leave one of them out"));
            }
            Ok((key, value)) => {
                tags.insert(key, value);
            }
            Err(mistake) => mistakes.push(mistake),
        }
    }
    tags
}

/// Refuses more tags than a resource has, with `own_tags` on top.
pub(super) fn check_tag_count(tags: &Tags, own_tags: usize, mistakes: &mut Vec<RequestMistake>) {
    let count = tags.len() + own_tags;
    if count > MAX_TAGS {
        let problem = format!("with the {own_tags} that say which bundle it is, these are {count} tags");
        mistakes.push(RequestMistake::new(
            "--tag",
            problem,
            format!("{MAX_TAGS} are the most that a resource has"),
        ));
    }
}

fn parse_tag(text: &str) -> Result<(String, String), RequestMistake> {
    let mistake = |problem: String, remedy: &str| Err(RequestMistake::new("--tag", problem, remedy));
    let Some((key, value)) = text.split_once('=') else {
        return mistake(format!("`{text}` has no `=`"), "write it as `KEY=VALUE`");
    };
    let (key_length, value_length) = (key.chars().count(), value.chars().count());
    if key.is_empty() {
        return mistake(format!("`{text}` has no key"), "write it as `KEY=VALUE`");
    }
    if key_length > MAX_KEY || value_length > MAX_VALUE {
        let problem = format!("the key `{key}` has {key_length} characters and its value {value_length}");
        return mistake(problem, "127 and 255 are the most");
    }
    if key.to_ascii_lowercase().starts_with("aws:") {
        return mistake(
            format!("`{key}` begins with `aws:`, which AWS keeps for itself"),
            "choose another key",
        );
    }
    if key.starts_with(tags::PREFIX) {
        let problem = format!("`{key}` is one of those that say which bundle it is");
        return mistake(problem, "choose another key: they are set from the manifest");
    }
    Ok((key.to_owned(), value.to_owned()))
}
