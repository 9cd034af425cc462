//! The names of a channel's parameters: a template with the name of the image and of the channel, checked against the
//! rules of SSM before any call.

use std::fmt;

use amiforge_publish::request::partition;

use crate::api::parameters::{MAX_ARN, MAX_LEVELS};

/// The template without an option.
pub const DEFAULT_TEMPLATE: &str = "/amiforge/{name}/{channel}";

/// The placeholders of a template.
const PLACEHOLDERS: [&str; 3] = ["name", "channel", "arch"];

/// A template of parameter names, such as [`DEFAULT_TEMPLATE`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    text: String,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    /// A placeholder, without its braces.
    Placeholder(&'static str),
}

/// The words that a parameter name is made of, or that were read from one.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Words {
    /// Name of the image.
    pub name: String,
    /// Name of the channel.
    pub channel: String,
    /// Architecture of the image as EC2 names it; empty if the template has no such placeholder.
    pub arch: String,
}

/// Why a template or a word cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// The template is wrong.
    #[error("the path `{template}` {problem}")]
    Template {
        /// The template.
        template: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A word has a character that a parameter name cannot have, or would add a level to the path.
    #[error(
        "the {what} `{word}` has a `{character}`, and a level of a parameter name is of A-Z a-z 0-9 . - _"
    )]
    Word {
        /// What the word is.
        what: &'static str,
        /// The word.
        word: String,
        /// The character.
        character: char,
    },
    /// A word is empty.
    #[error("the {0} is empty")]
    Empty(&'static str),
    /// The name would be too long.
    #[error("the parameter `{name}` would have {length} characters with its ARN, and {MAX_ARN} are the most")]
    Long {
        /// The name.
        name: String,
        /// Number of characters of its ARN in the region with the longest.
        length: usize,
    },
    /// The name belongs to AWS.
    #[error("the parameter `{name}` begins with `{prefix}`, which SSM keeps for AWS")]
    Reserved {
        /// The name.
        name: String,
        /// Its first level.
        prefix: String,
    },
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Default for Template {
    fn default() -> Self {
        let text = |text: &str| Part::Text(text.to_owned());
        let parts =
            vec![text("/amiforge/"), Part::Placeholder("name"), text("/"), Part::Placeholder("channel")];
        Self { text: DEFAULT_TEMPLATE.to_owned(), parts }
    }
}

impl Template {
    /// Parses a template.
    ///
    /// # Errors
    /// [`NameError::Template`].
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let wrong = |problem: String| NameError::Template { template: text.to_owned(), problem };
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let Some((word, after)) = after.split_once('}') else {
                return Err(wrong("has a `{` without its `}`".to_owned()));
            };
            let Some(placeholder) = PLACEHOLDERS.into_iter().find(|known| *known == word) else {
                let known = PLACEHOLDERS.map(|known| format!("{{{known}}}")).join(", ");
                return Err(wrong(format!("has `{{{word}}}`, and there are {known}")));
            };
            if parts.contains(&Part::Placeholder(placeholder)) {
                return Err(wrong(format!("has `{{{word}}}` twice")));
            }
            if before.is_empty() && matches!(parts.last(), Some(Part::Placeholder(_))) {
                return Err(wrong(format!("has nothing between `{{{word}}}` and what precedes it")));
            }
            parts.extend((!before.is_empty()).then(|| Part::Text(before.to_owned())));
            parts.push(Part::Placeholder(placeholder));
            rest = after;
        }
        parts.extend((!rest.is_empty()).then(|| Part::Text(rest.to_owned())));
        let template = Self { text: text.to_owned(), parts };
        match template.problem() {
            Some(problem) => Err(wrong(problem)),
            None => Ok(template),
        }
    }

    /// What is wrong with the text between the placeholders.
    fn problem(&self) -> Option<String> {
        if !self.text.starts_with('/') {
            return Some("does not begin with `/`".to_owned());
        }
        if !self.parts.contains(&Part::Placeholder("channel")) {
            return Some("has no `{channel}`, so every channel would be the same parameter".to_owned());
        }
        if self.text.ends_with('/') || self.text.contains("//") {
            return Some("has an empty level".to_owned());
        }
        for part in &self.parts {
            if let Part::Text(text) = part
                && let Some(bad) = text.chars().find(|&one| !is_name_character(one) && one != '/')
            {
                return Some(format!("has a `{bad}`, and a parameter name is of A-Z a-z 0-9 . - _ and /"));
            }
        }
        let levels = self.text.matches('/').count();
        (levels > MAX_LEVELS).then(|| format!("has {levels} levels, and {MAX_LEVELS} are the most"))
    }

    /// Whether parameter names depend on the image's name.
    pub fn has_name(&self) -> bool {
        self.parts.contains(&Part::Placeholder("name"))
    }

    /// Whether parameter names depend on the image's architecture.
    pub fn has_arch(&self) -> bool {
        self.parts.contains(&Part::Placeholder("arch"))
    }

    /// The same with another beginning: the text before the first placeholder is replaced by `prefix`.
    ///
    /// # Errors
    /// [`NameError::Template`].
    pub fn below(&self, prefix: &str) -> Result<Self, NameError> {
        let first = self.text.find('{').unwrap_or_default();
        Self::parse(&format!("{}/{}", prefix.trim_end_matches('/'), &self.text[first..]))
    }

    /// The parameter name for words, in regions.
    ///
    /// # Errors
    /// [`NameError`].
    pub fn parameter(&self, words: &Words, regions: &[String]) -> Result<String, NameError> {
        let mut name = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => name.push_str(text),
                Part::Placeholder(placeholder) => name.push_str(words.checked(placeholder)?),
            }
        }
        let first = name.trim_start_matches('/').split('/').next().unwrap_or_default();
        let lower = first.to_ascii_lowercase();
        // `/aws/…` are public parameters, which AWS lets some publishers write; every other such name is refused.
        let public = first == "aws" && name.starts_with("/aws/");
        if (lower.starts_with("aws") && !public) || lower.starts_with("ssm") {
            let prefix = first.to_owned();
            return Err(NameError::Reserved { name, prefix });
        }
        let length = regions.iter().map(|region| arn_length(region, &name)).max().unwrap_or(name.len());
        if length > MAX_ARN {
            return Err(NameError::Long { name, length });
        }
        Ok(name)
    }

    /// The path above all parameters of the template.
    pub fn path(&self) -> String {
        let fixed = match self.parts.first() {
            Some(Part::Text(text)) => text.as_str(),
            _ => "/",
        };
        let end = fixed.rfind('/').unwrap_or_default();
        if end == 0 { "/".to_owned() } else { fixed[..end].to_owned() }
    }

    /// The words of a parameter name; `None` if it is not one of this template.
    pub fn words(&self, parameter: &str) -> Option<Words> {
        let mut words = Words::default();
        let mut rest = parameter;
        let mut parts = self.parts.iter().peekable();
        while let Some(part) = parts.next() {
            match part {
                Part::Text(text) => rest = rest.strip_prefix(text.as_str())?,
                Part::Placeholder(placeholder) => {
                    let end = match parts.peek() {
                        Some(Part::Text(text)) => rest.find(text.as_str())?,
                        _ => rest.len(),
                    };
                    let (word, after) = rest.split_at(end);
                    if word.is_empty() || !word.chars().all(is_name_character) {
                        return None;
                    }
                    word.clone_into(words.word_mut(placeholder));
                    rest = after;
                }
            }
        }
        rest.is_empty().then_some(words)
    }
}

impl Words {
    /// The word of a placeholder, if it can be a part of one level of a name.
    fn checked(&self, placeholder: &'static str) -> Result<&str, NameError> {
        let (what, word) = match placeholder {
            "name" => ("name of the image", &self.name),
            "arch" => ("architecture", &self.arch),
            _ => ("channel", &self.channel),
        };
        if word.is_empty() {
            return Err(NameError::Empty(what));
        }
        match word.chars().find(|&one| !is_name_character(one)) {
            Some(character) => Err(NameError::Word { what, word: word.clone(), character }),
            None => Ok(word),
        }
    }

    fn word_mut(&mut self, placeholder: &str) -> &mut String {
        match placeholder {
            "name" => &mut self.name,
            "arch" => &mut self.arch,
            _ => &mut self.channel,
        }
    }
}

fn is_name_character(one: char) -> bool {
    one.is_ascii_alphanumeric() || matches!(one, '.' | '-' | '_')
}

/// Number of characters of a parameter's ARN: `arn:aws:ssm:us-east-2:111122223333:parameter/a/b`.
fn arn_length(region: &str, name: &str) -> usize {
    format!("arn:{}:ssm:{region}:111122223333:parameter{name}", partition(region)).len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(name: &str, channel: &str) -> Words {
        Words { name: name.to_owned(), channel: channel.to_owned(), arch: "arm64".to_owned() }
    }

    fn parameter(template: &str, words: &Words) -> Result<String, NameError> {
        Template::parse(template)?.parameter(words, &["eu-west-1".to_owned()])
    }

    #[test]
    fn a_template_makes_names_and_reads_them_back() {
        let stable = words("web-2.0", "stable");
        assert_eq!(parameter(DEFAULT_TEMPLATE, &stable).unwrap(), "/amiforge/web-2.0/stable");
        assert_eq!(Template::parse(DEFAULT_TEMPLATE).unwrap(), Template::default());
        assert_eq!(parameter("/x/{arch}/{channel}-{name}", &stable).unwrap(), "/x/arm64/stable-web-2.0");
        for template in
            [DEFAULT_TEMPLATE, "/x/{arch}/{channel}/{name}", "/{channel}", "/{name}/a/{channel}/ami"]
        {
            let parsed = Template::parse(template).unwrap();
            let name = parsed.parameter(&stable, &[]).unwrap();
            let read = parsed.words(&name).unwrap();
            assert_eq!(read.channel, "stable", "{template}");
            assert_eq!(
                parsed
                    .parameter(&Words { arch: "arm64".to_owned(), name: stable.name.clone(), ..read }, &[])
                    .unwrap(),
                name
            );
            assert!(format!("{name}/").starts_with(&format!("{}/", parsed.path().trim_end_matches('/'))));
        }
        let template = Template::default();
        for other in ["/amiforge/web/stable/x", "/amiforge/stable", "/amiforge//stable", "/other/web/stable"]
        {
            assert_eq!(template.words(other), None, "{other}");
        }
        assert_eq!(template.path(), "/amiforge");
        assert_eq!(template.below("/public/images/").unwrap().to_string(), "/public/images/{name}/{channel}");
    }

    #[test]
    fn templates_that_make_no_parameter_are_refused() {
        for (template, problem) in [
            ("amiforge/{channel}", "does not begin"),
            ("/a/{name}", "no `{channel}`"),
            ("/a/{channel}/", "empty level"),
            ("/a//{channel}", "empty level"),
            ("/a/{chanel}", "there are {name}, {channel}, {arch}"),
            ("/a/{channel", "without its `}`"),
            ("/a/{channel}{name}", "nothing between"),
            ("/a/{channel}/{channel}", "twice"),
            ("/a b/{channel}", "has a ` `"),
            ("/a:b/{channel}", "has a `:`"),
            ("/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/{channel}", "16 levels"),
        ] {
            let error = Template::parse(template).unwrap_err().to_string();
            assert!(error.contains(problem), "{template}: {error}");
        }
    }

    #[test]
    fn words_and_names_that_ssm_refuses_are_refused() {
        let refused = |template: &str, words: &Words| parameter(template, words).unwrap_err();
        assert!(matches!(
            refused(DEFAULT_TEMPLATE, &words("a b", "stable")),
            NameError::Word { character: ' ', .. }
        ));
        assert!(matches!(
            refused(DEFAULT_TEMPLATE, &words("web", "a/b")),
            NameError::Word { character: '/', .. }
        ));
        assert_eq!(refused(DEFAULT_TEMPLATE, &words("", "stable")), NameError::Empty("name of the image"));
        for template in ["/awsome/{channel}", "/SSM-x/{channel}", "/AWS/{channel}"] {
            assert!(matches!(refused(template, &words("a", "b")), NameError::Reserved { .. }), "{template}");
        }
        assert!(parameter("/aws/service/x/{channel}", &words("a", "b")).is_ok());
        let long = "x".repeat(970);
        assert!(matches!(refused(DEFAULT_TEMPLATE, &words(&long, "b")), NameError::Long { .. }));
        // The ARN counts, so the same name fits in a region with a shorter one.
        let name = "x".repeat(1011 - arn_length("eu-west-1", "/amiforge//b"));
        assert!(parameter(DEFAULT_TEMPLATE, &words(&name, "b")).is_ok());
        assert!(parameter(DEFAULT_TEMPLATE, &words(&format!("{name}x"), "b")).is_err());
    }
}
