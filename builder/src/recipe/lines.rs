//! The lines of a recipe's text on which its tables begin.

use std::collections::BTreeMap;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The line of each table at the top of a recipe.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecipeLines(BTreeMap<String, Vec<usize>>);

impl RecipeLines {
    /// The lines of a document.
    pub(super) fn of(text: &str, document: &Spanned<DeTable<'_>>) -> Self {
        let starts: Vec<usize> =
            std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        let line = |at: usize| starts.partition_point(|start| *start <= at);
        let lines = |value: &Spanned<DeValue<'_>>| match value.get_ref() {
            DeValue::Array(items) => items.iter().map(|item| line(item.span().start)).collect(),
            _ => vec![line(value.span().start)],
        };
        let entries = document.get_ref().iter();
        Self(entries.map(|(key, value)| (key.get_ref().to_string(), lines(value))).collect())
    }

    /// The line of a table, or of one of several, by its index from 0; from 1. None where the recipe has none.
    pub fn line(&self, table: &str, index: usize) -> Option<usize> {
        self.0.get(table)?.get(index).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_table_has_the_line_of_its_header() {
        let text = "[image]\nname = \"x\"\n\n[[file]]\npath = \"/a\"\n[[file]]\npath = \"/b\"\n";
        let lines = RecipeLines::of(text, &DeTable::parse(text).unwrap());
        assert_eq!(lines.line("image", 0), Some(1));
        assert_eq!((lines.line("file", 0), lines.line("file", 1)), (Some(4), Some(6)));
        assert_eq!((lines.line("file", 2), lines.line("run", 0)), (None, None));
    }
}
