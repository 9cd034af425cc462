//! Mistakes in a recipe, each with its line and column. Knows the structure of TOML but no key of a recipe.

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The longest line that is shown below a mistake, in bytes.
const LINE_SHOWN: usize = 160;

/// The location of a value in a recipe: keys and indexes from the top.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct KeyPath(Vec<PathStep>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum PathStep {
    Key(String),
    Index(usize),
}

impl KeyPath {
    /// The whole recipe.
    pub(super) fn top() -> Self {
        Self::default()
    }

    /// The value of `key` in this table.
    pub(super) fn key(&self, key: &str) -> Self {
        let mut steps = self.0.clone();
        steps.push(PathStep::Key(key.to_owned()));
        Self(steps)
    }

    /// The item `index` of this list, counted from 0.
    pub(super) fn index(&self, index: usize) -> Self {
        let mut steps = self.0.clone();
        steps.push(PathStep::Index(index));
        Self(steps)
    }

    /// The last key, without indexes.
    pub(super) fn last_key(&self) -> Option<&str> {
        self.0.iter().rev().find_map(|step| match step {
            PathStep::Key(key) => Some(key.as_str()),
            PathStep::Index(_) => None,
        })
    }

    /// The header of this table, such as `[[partition]]`; `None` for the whole recipe.
    pub(super) fn table(&self) -> Option<String> {
        let keys = |step: &PathStep| match step {
            PathStep::Key(key) => Some(key.clone()),
            PathStep::Index(_) => None,
        };
        let name = self.0.iter().filter_map(keys).collect::<Vec<_>>().join(".");
        match self.0.last()? {
            PathStep::Key(_) => Some(format!("[{name}]")),
            PathStep::Index(_) => Some(format!("[[{name}]]")),
        }
    }
}

/// Whether a mistake is located at a key or at its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyPart {
    Key,
    Value,
}

/// A mistake before it is located.
pub(super) type UnlocatedDiagnostic = (KeyPath, KeyPart, String);

/// A mistake and its location.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// The message.
    pub message: String,
    /// The line, and the number of characters to underline; `None` for a line longer than [`LINE_SHOWN`].
    excerpt: Option<(String, usize)>,
}

impl Diagnostic {
    /// A mistake in the bytes `span` of `text`.
    pub(super) fn new(text: &str, span: Range<usize>, message: String) -> Self {
        let start = floor(text, span.start);
        let line_start = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
        let line = text[line_start..].lines().next().unwrap_or_default();
        let end = floor(text, span.end).clamp(start, line_start + line.len().max(start - line_start));
        let width = text[start..end].chars().count().max(1);
        let shown: String = line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        Self {
            line: text[..start].matches('\n').count() + 1,
            column: text[line_start..start].chars().count() + 1,
            message,
            excerpt: (line.len() <= LINE_SHOWN).then_some((shown, width)),
        }
    }
}

/// The last character boundary at or before byte `at`.
fn floor(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0)
}

/// All mistakes in one recipe, in the order of the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostics {
    path: PathBuf,
    list: Vec<Diagnostic>,
}

impl Diagnostics {
    /// Sorts the mistakes by line and column.
    pub(super) fn new(path: PathBuf, mut list: Vec<Diagnostic>) -> Self {
        list.sort_by_key(|mistake| (mistake.line, mistake.column));
        Self { path, list }
    }

    /// The mistakes.
    pub fn list(&self) -> &[Diagnostic] {
        &self.list
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        if self.list.len() > 1 {
            write!(f, "{} mistakes", self.list.len())?;
        }
        for mistake in &self.list {
            let Diagnostic { line, column, message, excerpt } = mistake;
            if self.list.len() > 1 {
                writeln!(f)?;
            }
            write!(f, "{path}:{line}:{column}: {message}")?;
            if let Some((text, width)) = excerpt {
                let (gutter, indent) = (line.to_string().len(), column - 1);
                write!(f, "\n  {line} | {text}\n  {:gutter$} | {:indent$}{}", "", "", "^".repeat(*width))?;
            }
        }
        Ok(())
    }
}

/// The bytes of the value or key at `at`; for a missing key, those of the table that should have it.
pub(super) fn locate(root: &Spanned<DeTable<'_>>, at: &KeyPath, part: KeyPart) -> Range<usize> {
    let mut span = root.span();
    let mut table = Some(root.get_ref());
    let mut list = None;
    for step in &at.0 {
        let value: Option<&Spanned<DeValue<'_>>> = match step {
            PathStep::Key(key) => match table.and_then(|table| table.get_key_value(key.as_str())) {
                Some((key, value)) => {
                    span = if part == KeyPart::Key { key.span() } else { value.span() };
                    Some(value)
                }
                None => None,
            },
            PathStep::Index(index) => list.and_then(|list: &toml::de::DeArray<'_>| list.get(*index)),
        };
        let Some(value) = value else { break };
        if matches!(step, PathStep::Index(_)) {
            span = value.span();
        }
        table = value.get_ref().as_table();
        list = value.get_ref().as_array();
    }
    span
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistake_is_shown_with_its_line_and_a_caret_under_each_character() {
        let text = "a = 1\n[x]\nkäse = \"größe\"\n";
        let start = text.find("\"g").unwrap();
        let mistake = Diagnostic::new(text, start..start + "\"größe\"".len(), "is wrong".into());
        let shown = Diagnostics::new("r.toml".into(), vec![mistake]).to_string();
        assert_eq!(shown, "r.toml:3:8: is wrong\n  3 | käse = \"größe\"\n    |        ^^^^^^^");
    }

    #[test]
    fn a_span_past_the_end_or_within_a_character_does_not_panic() {
        for span in [0..0, 5..900, 900..901, 1..1] {
            Diagnostic::new("é\n", span, String::new());
        }
        assert_eq!(Diagnostic::new("", 0..0, String::new()).line, 1);
    }

    #[test]
    fn key_paths_lead_to_keys_values_and_the_tables_of_missing_keys() {
        let text = "[image]\nname = \"x\"\n[[partition]]\n[[partition]]\nsize = 5\n";
        let root = DeTable::parse(text).unwrap();
        let shown = |at: &KeyPath, part| &text[locate(&root, at, part)];
        let size = KeyPath::top().key("partition").index(1).key("size");
        assert_eq!((shown(&size, KeyPart::Key), shown(&size, KeyPart::Value)), ("size", "5"));
        assert_eq!(shown(&KeyPath::top().key("image").key("arch"), KeyPart::Value), "[image]");
        assert_eq!(size.table().unwrap(), "[partition.size]");
        assert_eq!(KeyPath::top().key("partition").index(1).table().unwrap(), "[[partition]]");
    }
}
