//! Names of new versions: a template with placeholders for what distinguishes one version from the next.

use std::fmt::Write as _;
use std::str::FromStr;

use amiforge_formats::time::Time;

/// A template such as `{name}-{date}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameTemplate(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Value(Placeholder),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Placeholder {
    Name,
    Version,
    Content,
    Date,
    Time,
    Number,
}

impl Placeholder {
    const ALL: [(&'static str, Self); 6] = [
        ("name", Self::Name),
        ("version", Self::Version),
        ("content", Self::Content),
        ("date", Self::Date),
        ("time", Self::Time),
        ("number", Self::Number),
    ];
}

/// The values of placeholders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameValues {
    /// `{name}`: name of the image in its recipe.
    pub name: String,
    /// `{version}`: version of the image in its recipe.
    pub version: Option<String>,
    /// `{content}`: the first 12 digits of the Merkle root.
    pub content: String,
    /// `{date}` and `{time}`: the moment of the update, in seconds since 1970.
    pub at: i64,
}

/// Why a template cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TemplateError {
    /// A placeholder that does not exist.
    #[error("`{{{0}}}` is none of {{name}}, {{version}}, {{content}}, {{date}}, {{time}}, {{number}}")]
    Unknown(String),
    /// A brace without its partner.
    #[error("a brace in `{0}` has no partner")]
    Brace(String),
    /// `{number}` more than once.
    #[error("`{0}` has `{{number}}` more than once")]
    SeveralNumbers(String),
    /// `{version}`, for a recipe that has none.
    #[error("the recipe has no `version` for `{{version}}`")]
    NoVersion,
}

impl FromStr for NameTemplate {
    type Err = TemplateError;

    fn from_str(text: &str) -> Result<Self, TemplateError> {
        let unmatched = || TemplateError::Brace(text.to_owned());
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some(open) = rest.find(['{', '}']) {
            let (before, from) = rest.split_at(open);
            let (word, after) =
                from.strip_prefix('{').and_then(|from| from.split_once('}')).ok_or_else(unmatched)?;
            let known = Placeholder::ALL.iter().find(|(name, _)| *name == word);
            let (_, value) = known.ok_or_else(|| TemplateError::Unknown(word.to_owned()))?;
            if !before.is_empty() {
                pieces.push(Piece::Text(before.to_owned()));
            }
            pieces.push(Piece::Value(*value));
            rest = after;
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest.to_owned()));
        }
        let numbers = pieces.iter().filter(|piece| **piece == Piece::Value(Placeholder::Number)).count();
        if numbers > 1 { Err(TemplateError::SeveralNumbers(text.to_owned())) } else { Ok(Self(pieces)) }
    }
}

impl NameTemplate {
    /// The template without `--name`: unique for each content, so that a repeated update finds its own AMI on any day and
    /// from any host.
    pub fn default_for(version: Option<&str>) -> Self {
        let text = if version.is_some() { "{name}-{version}-{content}" } else { "{name}-{content}" };
        // A template that a test parses.
        text.parse().unwrap_or_else(|_| Self(vec![Piece::Value(Placeholder::Name)]))
    }

    /// Whether the name depends on the names that there are.
    pub fn has_number(&self) -> bool {
        self.0.contains(&Piece::Value(Placeholder::Number))
    }

    /// The name.
    ///
    /// # Errors
    /// [`TemplateError::NoVersion`].
    pub fn name(&self, values: &NameValues, number: u64) -> Result<String, TemplateError> {
        self.render(values, &number.to_string())
    }

    /// What precedes `{number}`, and what follows it.
    ///
    /// # Errors
    /// [`TemplateError::NoVersion`].
    pub fn around_number(&self, values: &NameValues) -> Result<(String, String), TemplateError> {
        let at = self.0.iter().position(|piece| *piece == Piece::Value(Placeholder::Number));
        let (before, after) = self.0.split_at(at.unwrap_or(self.0.len()));
        let render = |pieces: &[Piece]| Self(pieces.to_vec()).render(values, "");
        Ok((render(before)?, render(after)?))
    }

    /// One more than the highest number among these names; 1 if there is none.
    ///
    /// # Errors
    /// [`TemplateError::NoVersion`].
    pub fn next_number<'a>(
        &self,
        values: &NameValues,
        names: impl Iterator<Item = &'a str>,
    ) -> Result<u64, TemplateError> {
        let (before, after) = self.around_number(values)?;
        let numbers = names.filter_map(|name| {
            let digits = name.strip_prefix(before.as_str())?.strip_suffix(after.as_str())?;
            digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse::<u64>().ok()).flatten()
        });
        Ok(numbers.max().unwrap_or(0).saturating_add(1))
    }

    fn render(&self, values: &NameValues, number: &str) -> Result<String, TemplateError> {
        let mut name = String::new();
        let at = Time::from_secs(values.at).utc();
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => name.push_str(text),
                Piece::Value(Placeholder::Name) => name.push_str(&values.name),
                Piece::Value(Placeholder::Version) => {
                    name.push_str(values.version.as_deref().ok_or(TemplateError::NoVersion)?);
                }
                Piece::Value(Placeholder::Content) => name.push_str(&values.content),
                // Writing to a String cannot fail.
                Piece::Value(Placeholder::Date) => {
                    let _ = write!(name, "{:04}.{:02}.{:02}", at.year, at.month, at.day);
                }
                Piece::Value(Placeholder::Time) => {
                    let _ = write!(name, "{:02}{:02}{:02}", at.hour, at.minute, at.second);
                }
                Piece::Value(Placeholder::Number) => name.push_str(number),
            }
        }
        Ok(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values() -> NameValues {
        NameValues {
            name: "web".to_owned(),
            version: Some("1.2".to_owned()),
            content: "0123456789ab".to_owned(),
            at: 1_795_791_845,
        }
    }

    #[test]
    fn placeholders_are_replaced() {
        let name = |template: &str| template.parse::<NameTemplate>().unwrap().name(&values(), 7).unwrap();
        assert_eq!(name("{name}-{date}-{time}"), "web-2026.11.27-150405");
        assert_eq!(name("{version}/{number}{content}"), "1.2/70123456789ab");
        assert_eq!(name("plain"), "plain");
        let none = NameValues { version: None, ..values() };
        assert_eq!(
            "{version}".parse::<NameTemplate>().unwrap().name(&none, 1),
            Err(TemplateError::NoVersion)
        );
    }

    #[test]
    fn the_defaults_are_templates_and_name_the_content() {
        assert_eq!(NameTemplate::default_for(None).name(&values(), 1).unwrap(), "web-0123456789ab");
        assert_eq!(
            NameTemplate::default_for(Some("1.2")).name(&values(), 1).unwrap(),
            "web-1.2-0123456789ab"
        );
    }

    #[test]
    fn mistakes_are_refused() {
        for (template, error) in [
            ("{name", TemplateError::Brace("{name".into())),
            ("name}", TemplateError::Brace("name}".into())),
            ("{Name}", TemplateError::Unknown("Name".into())),
            ("{}", TemplateError::Unknown(String::new())),
            ("{number}-{number}", TemplateError::SeveralNumbers("{number}-{number}".into())),
        ] {
            assert_eq!(template.parse::<NameTemplate>(), Err(error), "{template}");
        }
    }

    #[test]
    fn numbers_follow_the_highest_one_of_the_same_template() {
        let template: NameTemplate = "{name}-{number}-a".parse().unwrap();
        let next = |names: &[&str]| template.next_number(&values(), names.iter().copied()).unwrap();
        assert!(template.has_number());
        assert_eq!(next(&[]), 1);
        assert_eq!(next(&["web-9-a", "web-10-a", "web-11-b", "web-x-a", "web--a", "api-99-a"]), 11);
    }
}
