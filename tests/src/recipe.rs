//! Recipes derived from others, such as an example with some keys changed. A change whose key or text is missing fails, so
//! that no test goes on with a recipe other than the intended one.

use toml::{Table, Value};

use crate::scratch;

/// A recipe that is being changed.
#[derive(Debug, Clone)]
pub struct Recipe(Table);

impl Recipe {
    /// The recipe of an example.
    pub fn example(name: &str) -> Self {
        let path = scratch::repository().join("examples").join(name).join("recipe.toml");
        Self::parse(&std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{name}: {error}")))
    }

    /// Parses the text of a recipe.
    pub fn parse(text: &str) -> Self {
        Self(text.parse().unwrap_or_else(|error| panic!("{error}\n{text}")))
    }

    /// Adds a key that the recipe does not have; its tables must exist. Elements of arrays are numbered from 0, as in
    /// `source.0.scripts`.
    #[must_use]
    pub fn set(mut self, key: &str, value: impl Into<Value>) -> Self {
        let (table, name) = self.table_of(key);
        let before = table.insert(name.to_owned(), value.into());
        assert!(before.is_none(), "`{key}` is set already: {before:?}");
        self
    }

    /// Replaces the value of a key that the recipe has by another value.
    #[must_use]
    pub fn change(mut self, key: &str, value: impl Into<Value>) -> Self {
        let (table, name) = self.table_of(key);
        let value = value.into();
        let before = table.insert(name.to_owned(), value.clone());
        assert!(before.is_some(), "`{key}` is not set");
        assert_ne!(before, Some(value), "`{key}` has this value already");
        self
    }

    /// Removes a key that the recipe has.
    #[must_use]
    pub fn remove(mut self, key: &str) -> Self {
        let (table, name) = self.table_of(key);
        assert!(table.remove(name).is_some(), "`{key}` is not set");
        self
    }

    /// Replaces a package of the first source by others.
    #[must_use]
    pub fn replace_package(mut self, package: &str, others: &[&str]) -> Self {
        let packages = self.table_of("source.0.packages").0.get_mut("packages").and_then(Value::as_array_mut);
        let packages = packages.expect("the source has packages");
        let at = packages.iter().position(|one| one.as_str() == Some(package));
        let at = at.unwrap_or_else(|| panic!("`{package}` is not in {packages:?}"));
        packages.splice(at..=at, others.iter().map(|name| Value::from(*name)));
        self
    }

    /// Replaces a text in the content of a `[[file]]`.
    #[must_use]
    pub fn replace_in_file(mut self, path: &str, from: &str, to: &str) -> Self {
        let files = self.0.get_mut("file").and_then(Value::as_array_mut).expect("the recipe has files");
        let file = files.iter_mut().find(|file| file.get("path").and_then(Value::as_str) == Some(path));
        let content = file.and_then(|file| file.get_mut("content"));
        let Some(Value::String(content)) = content else {
            panic!("there is no `[[file]]` {path} with content")
        };
        assert!(content.contains(from), "`{from}` is not in {path}:\n{content}");
        *content = content.replace(from, to);
        self
    }

    /// Appends a table to an array of tables such as `run`, which is added when it is missing.
    #[must_use]
    pub fn push(mut self, array: &str, table: Table) -> Self {
        let tables = self.0.entry(array).or_insert_with(|| Value::Array(Vec::new()));
        tables.as_array_mut().expect("an array of tables").push(Value::Table(table));
        self
    }

    /// Names of the packages of the first source.
    pub fn packages(&self) -> Vec<String> {
        let packages = self.0["source"][0]["packages"].as_array().expect("the source has packages");
        packages.iter().map(|name| name.as_str().expect("a name").to_owned()).collect()
    }

    /// The table of a key, and the last component of the key.
    fn table_of<'a>(&mut self, key: &'a str) -> (&mut Table, &'a str) {
        let Some((path, name)) = key.rsplit_once('.') else { return (&mut self.0, key) };
        let missing = |part: &str| -> ! { panic!("`{key}`: there is no `{part}`") };
        let mut parts = path.split('.');
        let first = parts.next().unwrap_or_default();
        let mut at = self.0.get_mut(first).unwrap_or_else(|| missing(first));
        for part in parts {
            let next = match at {
                Value::Array(array) => array.get_mut(part.parse::<usize>().expect("a number")),
                other => other.get_mut(part),
            };
            at = next.unwrap_or_else(|| missing(part));
        }
        (at.as_table_mut().expect("a table"), name)
    }
}

impl std::fmt::Display for Recipe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&toml::to_string(&self.0).map_err(|_| std::fmt::Error)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "[image]\nname = \"a\"\n[[source]]\nkind = \"deb\"\ndocs = false\npackages = [\"x\", \"y\"]\n\
                        [[file]]\npath = \"/a\"\ncontent = \"old words\"\n";

    #[test]
    fn what_is_changed_is_in_the_text() {
        let recipe = Recipe::parse(TEXT)
            .set("source.0.scripts", "native")
            .set("boot", Table::new())
            .set("boot.mode", "uefi")
            .change("image.name", "b")
            .remove("source.0.docs")
            .replace_package("x", &["v", "w"])
            .replace_in_file("/a", "old", "new")
            .push("run", Table::from_iter([("command".to_owned(), Value::from("true"))]));
        let expected = "[image]\nname = \"b\"\n[[source]]\nkind = \"deb\"\nscripts = \"native\"\n\
                        packages = [\"v\", \"w\", \"y\"]\n[[file]]\npath = \"/a\"\ncontent = \"new words\"\n\
                        [boot]\nmode = \"uefi\"\n[[run]]\ncommand = \"true\"\n";
        assert_eq!(recipe.to_string().parse::<Table>(), expected.parse::<Table>());
        assert_eq!(recipe.packages(), ["v", "w", "y"]);
    }

    #[test]
    fn a_change_that_does_not_find_its_place_fails() {
        let fails = |change: fn(Recipe) -> Recipe| {
            let recipe = Recipe::parse(TEXT);
            std::panic::catch_unwind(|| change(recipe)).is_err()
        };
        assert!(fails(|recipe| recipe.set("image.name", "b")));
        assert!(fails(|recipe| recipe.set("disk.size", 1)));
        assert!(fails(|recipe| recipe.change("image.version", "2")));
        assert!(fails(|recipe| recipe.change("image.name", "a")));
        assert!(fails(|recipe| recipe.remove("image.version")));
        assert!(fails(|recipe| recipe.replace_package("z", &[])));
        assert!(fails(|recipe| recipe.replace_in_file("/a", "other", "new")));
        assert!(fails(|recipe| recipe.replace_in_file("/b", "old", "new")));
    }
}
