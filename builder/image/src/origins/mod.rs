//! `origins.txt`: where the content and the metadata of every path of an image come from.
//!
//! Owns the text. The build makes the values; `explain` joins them with what it finds in the image. The first line names
//! the format. Lines with `@` are the table of origins: a number, a kind, and facts as `name=value`. A line `# ID FS MOUNT`
//! begins a partition, as in `tree.txt`, and the lines of its paths follow: `CONTENT PATH`, or `CONTENT/METADATA PATH` where
//! these differ, with the name of a section behind the path for a part of a file. Words are escaped as in `tree.txt`, so
//! `grep ' /etc/motd$'` finds a path, and `grep '^12[ /]'` what is of origin 12. Times are not part of the metadata: a
//! build sets those that are later than its own.

mod text;

use std::collections::{BTreeMap, HashMap};

pub use text::OriginsError;

/// Number of an origin in the table, from 1.
pub type OriginNumber = u32;

/// Where something comes from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PathOrigin {
    /// Its kind: one word, such as `deb`, `source` or `file`.
    pub kind: String,
    /// What is known of it, by names of one word.
    pub facts: Vec<(String, String)>,
}

impl PathOrigin {
    /// An origin of a kind without facts.
    pub fn new(kind: &str) -> Self {
        Self { kind: kind.to_owned(), facts: Vec::new() }
    }

    /// The same with another fact.
    #[must_use]
    #[expect(clippy::needless_pass_by_value, reason = "numbers and texts alike, as callers have them")]
    pub fn with(mut self, name: &str, value: impl ToString) -> Self {
        self.facts.push((name.to_owned(), value.to_string()));
        self
    }

    /// A fact by its name.
    pub fn fact(&self, name: &str) -> Option<&str> {
        self.facts.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// The origins of a path, or of a part of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathOrigins {
    /// The path with a leading `/`; a name without one for a part of a partition that holds no files.
    pub path: Vec<u8>,
    /// The section of the file; none for all of it.
    pub section: Option<String>,
    /// Where its content comes from; of a directory, the first that made it.
    pub content: OriginNumber,
    /// Where mode, owner and attributes come from.
    pub metadata: OriginNumber,
}

/// The origins of a partition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PartitionOrigins {
    /// Its id in the recipe.
    pub id: String,
    /// What it holds: the name of a file system, `loader`, `raw`, `hash-tree` or `empty`.
    pub holds: String,
    /// Where it is mounted; `-` for nowhere.
    pub mount: String,
    /// Its paths, in the order of the listing.
    pub paths: Vec<PathOrigins>,
}

/// All origins of an image.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origins {
    /// The table; the first has number 1.
    pub table: Vec<PathOrigin>,
    /// The partitions, in their order on the disk.
    pub partitions: Vec<PartitionOrigins>,
}

impl Origins {
    /// An origin by its number.
    pub fn origin(&self, number: OriginNumber) -> Option<&PathOrigin> {
        self.table.get((number as usize).checked_sub(1)?)
    }

    /// The text, which is the same for equal values.
    pub fn text(&self) -> String {
        text::write(self)
    }

    /// Reads a text.
    ///
    /// # Errors
    /// [`OriginsError`] with the line that is wrong.
    pub fn parse(bytes: &[u8]) -> Result<Self, OriginsError> {
        text::parse(bytes)
    }
}

/// Gives origins their numbers in the order in which they are first used.
#[derive(Debug, Clone, Default)]
pub struct OriginTable {
    numbers: HashMap<PathOrigin, OriginNumber>,
    table: Vec<PathOrigin>,
}

impl OriginTable {
    /// The number of an origin.
    pub fn number(&mut self, origin: PathOrigin) -> OriginNumber {
        if let Some(number) = self.numbers.get(&origin) {
            return *number;
        }
        self.table.push(origin.clone());
        let number = u32::try_from(self.table.len()).unwrap_or(OriginNumber::MAX);
        self.numbers.insert(origin, number);
        number
    }

    /// The origins of an image. Those that no path has are left out, and the others are numbered as the paths have them
    /// first.
    pub fn finish(self, mut partitions: Vec<PartitionOrigins>) -> Origins {
        let mut renumbered: BTreeMap<OriginNumber, OriginNumber> = BTreeMap::new();
        let mut table = Vec::new();
        let mut renumber = |number: &mut OriginNumber| {
            let next = *renumbered.entry(*number).or_insert_with(|| {
                let origin = (*number as usize).checked_sub(1).and_then(|at| self.table.get(at));
                table.push(origin.cloned().unwrap_or_else(|| PathOrigin::new("unknown")));
                u32::try_from(table.len()).unwrap_or(OriginNumber::MAX)
            });
            *number = next;
        };
        for path in partitions.iter_mut().flat_map(|partition| &mut partition.paths) {
            renumber(&mut path.content);
            renumber(&mut path.metadata);
        }
        Origins { table, partitions }
    }
}
