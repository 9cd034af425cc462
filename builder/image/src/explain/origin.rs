//! The origin of a range: the line of `origins.txt` that has its path, or else what wrote the structure.

use std::collections::{BTreeMap, HashMap};

use amiforge_formats::map::{RangeKind, Subject};
use serde::Serialize;

use crate::inspect::escape;
use crate::manifest::Manifest;
use crate::origins::{OriginNumber, Origins, PathOrigin, PathOrigins};

/// Finds origins by partition and path.
pub(super) struct OriginLookup {
    origins: Origins,
    /// Index in `origins` by the number of the partition.
    partitions: HashMap<u32, usize>,
    /// By index in `origins`: indices of lines by path, the whole file first.
    paths: Vec<HashMap<Vec<u8>, Vec<usize>>>,
}

/// What is known of the origin of a range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum RangeOrigin {
    /// An origin of the table.
    Known(ExplainedOrigin),
    /// What writes structures and free space: no input has it.
    Writer,
    /// A content that no line has.
    Missing,
}

/// An origin as reports show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExplainedOrigin {
    /// Its kind.
    pub kind: String,
    /// What is known of it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub facts: BTreeMap<String, String>,
    /// From the nearest cause to the input that can be had from anywhere.
    pub chain: Vec<String>,
}

impl OriginLookup {
    /// A lookup; the manifest gives partitions their numbers.
    pub(super) fn new(origins: Origins, manifest: Option<&Manifest>) -> Self {
        let numbers = manifest.into_iter().flat_map(|manifest| &manifest.partitions);
        let numbers: HashMap<&str, u32> = numbers.map(|one| (one.id.as_str(), one.number)).collect();
        let (mut partitions, mut paths) = (HashMap::new(), Vec::new());
        for (index, partition) in origins.partitions.iter().enumerate() {
            partitions.extend(numbers.get(partition.id.as_str()).map(|number| (*number, index)));
            let mut of_path: HashMap<Vec<u8>, Vec<usize>> = HashMap::with_capacity(partition.paths.len());
            for (line, path) in partition.paths.iter().enumerate() {
                of_path.entry(path.path.clone()).or_default().push(line);
            }
            paths.push(of_path);
        }
        Self { origins, partitions, paths }
    }

    /// What a partition holds by its number.
    pub(super) fn holds(&self, number: Option<u32>) -> Option<&str> {
        let index = self.partitions.get(&number?)?;
        self.origins.partitions.get(*index).map(|partition| partition.holds.as_str())
    }

    /// The number of the partition that is mounted nearest above a path, and the rest of the path.
    pub(super) fn mounted<'p>(&self, path: &'p [u8]) -> Option<(u32, &'p [u8])> {
        let below = |mount: &str| {
            let mount = mount.strip_prefix('/')?.as_bytes();
            match path.strip_prefix(mount)? {
                rest if mount.is_empty() || rest.is_empty() => Some(rest),
                rest => rest.strip_prefix(b"/"),
            }
        };
        let candidates = self.partitions.iter().filter_map(|(number, index)| {
            let partition = self.origins.partitions.get(*index)?;
            Some((partition.mount.len(), *number, below(&partition.mount)?))
        });
        candidates.max_by_key(|(len, number, _)| (*len, *number)).map(|(_, number, rest)| (number, rest))
    }

    /// The lines of a path of a partition, without a leading `/`.
    fn lines(&self, number: Option<u32>, name: &[u8]) -> impl Iterator<Item = &PathOrigins> {
        let index = number.and_then(|number| self.partitions.get(&number)).copied();
        let lines = index.and_then(|index| self.paths.get(index)?.get(name));
        let paths = index.and_then(|index| self.origins.partitions.get(index)).map(|one| &one.paths);
        lines.into_iter().flatten().filter_map(move |line| paths?.get(*line))
    }

    /// The line of a path, or of a section of it.
    fn line(&self, number: Option<u32>, name: &[u8], section: Option<&str>) -> Option<&PathOrigins> {
        let whole = self.lines(number, name).find(|line| line.section.is_none());
        let part = section.and_then(|section| {
            self.lines(number, name).find(|line| line.section.as_deref() == Some(section))
        });
        part.or(whole)
    }

    /// Origins of the content and of the metadata of a path.
    pub(super) fn of_path(
        &self,
        number: Option<u32>,
        path: &[u8],
    ) -> Option<(ExplainedOrigin, ExplainedOrigin)> {
        let line = self.line(number, &absolute(path), None)?;
        Some((self.explained(line.content)?, self.explained(line.metadata)?))
    }

    /// The origin of a range.
    pub(super) fn of(&self, number: Option<u32>, path: Option<&[u8]>, subject: &Subject) -> RangeOrigin {
        let is_content = subject.kind() == RangeKind::Content;
        let line = match (subject, path) {
            (Subject::Section { name, .. }, Some(path)) => self.line(number, &absolute(path), Some(name)),
            (Subject::Loader { name }, _) => self.line(number, name.as_bytes(), None),
            (Subject::Raw, _) => self.line(number, b"content", None),
            (_, Some(path)) => self.line(number, &absolute(path), None),
            _ => None,
        };
        let origin = line.map(|line| if is_content || path.is_none() { line.content } else { line.metadata });
        match origin.and_then(|origin| self.explained(origin)) {
            Some(origin) => RangeOrigin::Known(origin),
            None if is_content => RangeOrigin::Missing,
            None => RangeOrigin::Writer,
        }
    }

    fn explained(&self, number: OriginNumber) -> Option<ExplainedOrigin> {
        self.origins.origin(number).map(ExplainedOrigin::from)
    }
}

/// A path as the lines have it.
fn absolute(path: &[u8]) -> Vec<u8> {
    [b"/", path].concat()
}

impl From<&PathOrigin> for ExplainedOrigin {
    fn from(origin: &PathOrigin) -> Self {
        let facts = origin.facts.iter().map(|(name, value)| (escape(name), escape(value))).collect();
        let chain = chain(origin).iter().map(|step| escape(step)).collect();
        Self { kind: escape(&origin.kind), facts, chain }
    }
}

/// An origin in words, from the nearest cause on.
fn chain(origin: &PathOrigin) -> Vec<String> {
    let fact = |name: &str| origin.fact(name);
    let quoted = |name: &str| fact(name).map(|value| format!(" `{value}`")).unwrap_or_default();
    let number = fact("number").map(|number| format!(" {number}")).unwrap_or_default();
    let first = match origin.kind.as_str() {
        "deb" => {
            let words = ["name", "version", "arch"].iter().filter_map(|name| fact(name));
            format!("package {}", words.collect::<Vec<_>>().join(" "))
        }
        "scripts" => match fact("mode") {
            Some("native") => "what the packages' scripts would do, done natively".to_owned(),
            Some("none") => "the packages' configuration without scripts".to_owned(),
            _ => "the packages' scripts".to_owned(),
        },
        "database" => format!("the package database: records of{}", quoted("package")),
        "source" => format!("source{number}{}", quoted("name")),
        "stage" => format!("stage{}", quoted("name")),
        "file" => format!("`[[file]]`{number}{}", quoted("name")),
        "user" | "group" => format!("`[[{}]]`{}", origin.kind, quoted("name")),
        "accounts" => "`[[user]]` and `[[group]]`".to_owned(),
        "run" => format!("`[[run]]`{number}"),
        "system" => format!("`[system]`{}", quoted("key")),
        "normalize" => format!("`[normalize]`{}", quoted("rule")),
        "sealed" => format!("what firmware starts:{}", quoted("part")),
        "partition" => format!("`[[partition]]`{}", quoted("id")),
        other => other.replace('-', " "),
    };
    let mut chain = vec![first];
    chain.extend(fact("from").map(|from| format!("from `{from}` of the image")));
    chain.extend(fact("sha256").map(|digest| format!("SHA-256 {digest}")));
    chain.extend(fact("lock").map(|line| format!("line {line} of recipe.lock")));
    chain.extend(fact("line").map(|line| format!("line {line} of the recipe")));
    chain.extend(
        fact("archive").zip(fact("path")).map(|(archive, path)| format!("{path} of the archive {archive}")),
    );
    chain
}

impl std::fmt::Display for ExplainedOrigin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.chain.join(" <- "))
    }
}
