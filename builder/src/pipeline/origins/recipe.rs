//! The origins that a recipe gives, each with the line of its table.

use std::collections::BTreeMap;

use amiforge_image::origins::PathOrigin;
use amiforge_rootfs::normalize::RuleChange;
use amiforge_sandbox::PathSteps;

use crate::recipe::{FilePut, Recipe, RecipeLines};

/// The origins of a recipe's settings.
#[derive(Clone, Copy)]
pub(in crate::pipeline) struct RecipeOrigins<'a>(pub(in crate::pipeline) &'a Recipe);

/// The origins that the commands of a recipe give.
#[derive(Clone, Copy)]
pub(in crate::pipeline) struct RunOrigins<'a> {
    pub(in crate::pipeline) recipe: &'a Recipe,
    /// Whether the first step makes the initrds again.
    pub(in crate::pipeline) stale: bool,
    /// The steps of paths that have something from a later step than the first.
    pub(in crate::pipeline) steps: &'a BTreeMap<Vec<u8>, PathSteps>,
}

impl RunOrigins<'_> {
    /// The origins of content and metadata of a path, without a leading `/`, that changed.
    pub(super) fn of(&self, path: &[u8]) -> (PathOrigin, PathOrigin) {
        let PathSteps { content, metadata } = self.steps.get(path).copied().unwrap_or_default();
        (self.step(content), self.step(metadata))
    }

    /// What a step made, by its number from 0.
    fn step(&self, number: u32) -> PathOrigin {
        let Some(index) = (number as usize).checked_sub(usize::from(self.stale)) else {
            return PathOrigin::new("initrds-made-again");
        };
        lined(PathOrigin::new("run").with("number", index + 1), &self.recipe.lines, "run", index)
    }
}

/// A source by its number among those that are merged, from 1. Its label has its number among all and its name.
pub(super) fn source(recipe: &Recipe, number: usize) -> PathOrigin {
    let label = number.checked_sub(1).and_then(|at| recipe.sources.get(at)).map(|spec| spec.label.as_str());
    let words = label.and_then(|label| label.strip_prefix("source ")?.strip_suffix(')')?.split_once(" ("));
    let Some((among_all, name)) = words else { return PathOrigin::new("source").with("number", number) };
    let origin = PathOrigin::new("source").with("number", among_all).with("name", name);
    let index = among_all.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
    match index {
        Some(index) => lined(origin, &recipe.lines, "source", index),
        None => origin,
    }
}

/// The label that the source of an origin has in messages.
pub(super) fn source_label(origin: &PathOrigin) -> Option<String> {
    Some(format!("source {} ({})", origin.fact("number")?, origin.fact("name")?))
}

/// An origin with the line of a table.
fn lined(origin: PathOrigin, lines: &RecipeLines, table: &str, index: usize) -> PathOrigin {
    match lines.line(table, index) {
        Some(line) => origin.with("line", line),
        None => origin,
    }
}

/// A path with a leading `/`.
fn absolute(path: &[u8]) -> Vec<u8> {
    [b"/", path].concat()
}

/// Whether a path is at a folder or below it.
fn is_within(path: &[u8], folder: &str) -> bool {
    let rest = path.strip_prefix(folder.trim_end_matches('/').as_bytes());
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
}

impl RecipeOrigins<'_> {
    /// A source by its number among those that are merged, from 1.
    pub(in crate::pipeline) fn source(self, number: usize) -> PathOrigin {
        source(self.0, number)
    }

    /// What a stage installs.
    pub(in crate::pipeline) fn stage(self, name: &str, index: usize) -> PathOrigin {
        lined(PathOrigin::new("stage").with("name", name), &self.0.lines, "stage", index)
    }

    /// What users and groups bring: home directories are of a user, the databases of all.
    pub(in crate::pipeline) fn accounts(self, path: &[u8]) -> PathOrigin {
        let path = absolute(path);
        for (index, user) in self.0.users.iter().enumerate() {
            let home = user.home.clone().unwrap_or_else(|| format!("/home/{}", user.name));
            if is_within(&path, &home) {
                return lined(PathOrigin::new("user").with("name", &user.name), &self.0.lines, "user", index);
            }
        }
        PathOrigin::new("accounts")
    }

    /// What a `[[file]]` put at a path, or made above it.
    pub(in crate::pipeline) fn file(self, path: &[u8]) -> PathOrigin {
        let path = absolute(path);
        let files = self.0.files.iter().enumerate();
        let exact = files.clone().rfind(|(_, file)| file.path.as_bytes() == path);
        let below = || {
            let folder = String::from_utf8_lossy(&path).into_owned();
            files.clone().find(|(_, file)| is_within(file.path.as_bytes(), &folder))
        };
        let Some((index, file)) = exact.or_else(below) else { return PathOrigin::new("file") };
        let origin = PathOrigin::new("file").with("number", index + 1);
        let origin = match &file.put {
            FilePut::HostFile { name, .. } if file.path.as_bytes() == path => origin.with("name", name),
            _ => origin,
        };
        lined(origin, &self.0.lines, "file", index)
    }

    /// What a table of the recipe has the build make, under a kind of its own.
    pub(in crate::pipeline) fn table(self, kind: &str, table: &str) -> PathOrigin {
        lined(PathOrigin::new(kind), &self.0.lines, table, 0)
    }

    /// What a rule of normalization changed.
    pub(in crate::pipeline) fn normalize(self, path: &[u8], changes: &[RuleChange]) -> PathOrigin {
        let path = absolute(path);
        let rule = changes.iter().find(|change| change.path == path).map(|change| change.rule.name());
        let origin = PathOrigin::new("normalize");
        let origin = match rule {
            Some(rule) => origin.with("rule", rule),
            None => origin,
        };
        lined(origin, &self.0.lines, "normalize", 0)
    }

    /// A partition, with its bytes where a file of the host has them.
    pub(super) fn partition(self, index: usize) -> PathOrigin {
        let origin = match self.0.partitions.get(index) {
            Some(partition) => PathOrigin::new("partition").with("id", &partition.id),
            None => PathOrigin::new("partition"),
        };
        lined(origin, &self.0.lines, "partition", index)
    }
}
