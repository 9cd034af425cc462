//! `primary.xml`: the packages of a repository, with what they provide and need (`createrepo_c`, `primary.xml`).
#![warn(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use std::io::BufRead;

use super::super::available::{AvailablePackage, RpmRequirement, StatedChecksum};
use super::super::evr::Evr;
use super::super::relation::{RpmCapability, RpmDependency, VersionComparison};
use super::error::RepodataError;
use super::xml::{RepodataElement, XmlEvent, XmlReader, malformed};

/// Most packages of a repository.
const MOST_PACKAGES: usize = 1 << 20;
/// Most relations and paths of a package.
const MOST_ENTRIES: usize = 1 << 18;

/// The packages of a repository.
#[derive(Debug, Default)]
pub struct PrimaryPackages {
    /// The packages, in the order of the file.
    pub packages: Vec<AvailablePackage>,
    /// Packages that are left out, each with the reason: sentences.
    pub left_out: Vec<String>,
}

/// Reads the packages of the repository with this index.
///
/// # Errors
/// [`RepodataError`].
pub fn read(
    file: &str,
    input: &mut dyn BufRead,
    repository: usize,
) -> Result<PrimaryPackages, RepodataError> {
    let mut reader = XmlReader::new(file, input);
    let mut all = PrimaryPackages::default();
    let (mut draft, mut text) = (None::<PackageDraft>, String::new());
    let mut is_primary = false;
    loop {
        match reader.next()? {
            XmlEvent::Start(element) => {
                text.clear();
                is_primary |= element.name() == b"metadata";
                if element.name() == b"package" {
                    let kind = element.attribute(b"type").unwrap_or_default();
                    draft = (kind.is_empty() || kind == "rpm").then(|| PackageDraft::new(repository));
                } else if let Some(draft) = &mut draft {
                    draft.start(&element);
                }
            }
            XmlEvent::Text(more) => text.push_str(&more),
            XmlEvent::End(name) => {
                if name == b"package" {
                    if let Some(draft) = draft.take() {
                        draft.finish(&mut all).map_err(|reason| malformed(file, reason))?;
                    }
                    if all.packages.len() > MOST_PACKAGES {
                        return Err(malformed(file, format!("it has more than {MOST_PACKAGES} packages")));
                    }
                } else if let Some(draft) = &mut draft {
                    draft.end(&name, text.trim());
                }
                text.clear();
            }
            XmlEvent::Eof => break,
        }
    }
    if is_primary { Ok(all) } else { Err(malformed(file, "it has no `metadata` element")) }
}

/// Which relations are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RelationList {
    Provides,
    Requires,
    Conflicts,
    Obsoletes,
    Recommends,
    Suggests,
    Supplements,
    Enhances,
}

impl RelationList {
    fn of(element: &[u8]) -> Option<Self> {
        Some(match element {
            b"provides" => Self::Provides,
            b"requires" => Self::Requires,
            b"conflicts" => Self::Conflicts,
            b"obsoletes" => Self::Obsoletes,
            b"recommends" => Self::Recommends,
            b"suggests" => Self::Suggests,
            b"supplements" => Self::Supplements,
            b"enhances" => Self::Enhances,
            _ => return None,
        })
    }
}

/// A package that is being read.
struct PackageDraft {
    package: AvailablePackage,
    list: Option<RelationList>,
    entries: usize,
    version: Option<Evr>,
    location: Option<String>,
    checksum: bool,
    wrong: Option<String>,
}

impl PackageDraft {
    fn new(repository: usize) -> Self {
        let package = AvailablePackage {
            name: String::new(),
            evr: Evr { epoch: None, version: String::new(), release: None },
            arch: String::new(),
            repository,
            checksum: StatedChecksum { algorithm: String::new(), hex: String::new() },
            size: 0,
            path: String::new(),
            base: None,
            header_range: None,
            source: String::new(),
            provides: Vec::new(),
            requires: Vec::new(),
            conflicts: Vec::new(),
            obsoletes: Vec::new(),
            recommends: Vec::new(),
            suggests: Vec::new(),
            supplements: Vec::new(),
            enhances: Vec::new(),
            files: Vec::new(),
        };
        Self { package, list: None, entries: 0, version: None, location: None, checksum: false, wrong: None }
    }

    fn start(&mut self, element: &RepodataElement<'_>) {
        let number = |name| element.attribute(name).and_then(|text| text.parse::<u64>().ok());
        match element.name() {
            b"version" => self.version = version(element),
            b"checksum" => {
                self.checksum = true;
                self.package.checksum.algorithm = element.attribute(b"type").unwrap_or_default();
            }
            b"size" => self.package.size = number(b"package").unwrap_or(0),
            b"location" => {
                self.location = element.attribute(b"href");
                self.package.base = element.attribute(b"base");
            }
            b"header-range" => self.package.header_range = number(b"start").zip(number(b"end")),
            b"entry" => self.entry(element),
            name => self.list = RelationList::of(name).or(self.list),
        }
    }

    fn end(&mut self, name: &[u8], text: &str) {
        match name {
            b"name" => text.clone_into(&mut self.package.name),
            b"arch" => text.clone_into(&mut self.package.arch),
            b"checksum" => self.package.checksum.hex = text.to_ascii_lowercase(),
            b"sourcerpm" => text.clone_into(&mut self.package.source),
            b"file" => {
                self.count();
                self.package.files.push(text.to_owned());
            }
            name if RelationList::of(name).is_some() => self.list = None,
            _ => {}
        }
    }

    fn count(&mut self) {
        self.entries = self.entries.saturating_add(1);
        if self.entries > MOST_ENTRIES {
            self.wrong = Some(format!("it has more than {MOST_ENTRIES} relations and files"));
            self.package.files.clear();
        }
    }

    fn entry(&mut self, element: &RepodataElement<'_>) {
        let Some(list) = self.list else { return };
        self.count();
        let Some(name) = element.attribute(b"name").filter(|name| !name.is_empty()) else { return };
        let capability = || RpmCapability { name: name.clone(), versions: versions(element) };
        let dependency = || {
            if name.starts_with('(') {
                RpmDependency::parse(&name).map_err(|error| format!("`{name}`: {error}"))
            } else {
                Ok(RpmDependency::Capability(capability()))
            }
        };
        let package = &mut self.package;
        let into = match list {
            RelationList::Provides => return package.provides.push(capability()),
            RelationList::Obsoletes => return package.obsoletes.push(capability()),
            RelationList::Requires => {
                let before_scripts = element.attribute(b"pre").is_some_and(|pre| pre == "1");
                match dependency() {
                    Ok(dependency) => package.requires.push(RpmRequirement { dependency, before_scripts }),
                    Err(reason) => self.wrong = Some(reason),
                }
                return;
            }
            RelationList::Conflicts => &mut package.conflicts,
            RelationList::Recommends => &mut package.recommends,
            RelationList::Suggests => &mut package.suggests,
            RelationList::Supplements => &mut package.supplements,
            RelationList::Enhances => &mut package.enhances,
        };
        match dependency() {
            Ok(dependency) => into.push(dependency),
            Err(reason) => self.wrong = Some(reason),
        }
    }

    /// Puts the package among the others, or says why not. An error is a sentence about the file.
    fn finish(self, all: &mut PrimaryPackages) -> Result<(), String> {
        let Self { mut package, version, location, checksum, wrong, .. } = self;
        let name = if package.name.is_empty() { "a package without a name" } else { &package.name };
        let (Some(evr), Some(path), true) = (version, location, checksum) else {
            return Err(format!("{name} lacks its version, its location or its checksum"));
        };
        if package.name.is_empty() || package.arch.is_empty() {
            return Err(format!("{name} lacks its name or its architecture"));
        }
        if let Some(reason) = wrong {
            let (name, arch) = (&package.name, &package.arch);
            all.left_out.push(format!(
                "`{name}-{evr}.{arch}` is left out, because a relation of it is not read: {reason}"
            ));
            return Ok(());
        }
        package.evr = evr;
        package.path = path;
        all.packages.push(package);
        Ok(())
    }
}

/// The version of a package.
fn version(element: &RepodataElement<'_>) -> Option<Evr> {
    let version = element.attribute(b"ver").filter(|version| !version.is_empty())?;
    let epoch = element.attribute(b"epoch").and_then(|epoch| epoch.parse().ok());
    Some(Evr { epoch: Some(epoch.unwrap_or(0)), version, release: element.attribute(b"rel") })
}

/// The versions of a relation.
fn versions(element: &RepodataElement<'_>) -> Option<(VersionComparison, Evr)> {
    let comparison = match element.attribute(b"flags")?.as_str() {
        "LT" => VersionComparison::Less,
        "LE" => VersionComparison::LessOrEqual,
        "EQ" => VersionComparison::Equal,
        "GE" => VersionComparison::GreaterOrEqual,
        "GT" => VersionComparison::Greater,
        _ => return None,
    };
    let epoch = element.attribute(b"epoch").and_then(|epoch| epoch.parse().ok());
    let version = element.attribute(b"ver").unwrap_or_default();
    let release = element.attribute(b"rel").filter(|release| !release.is_empty());
    Some((comparison, Evr { epoch, version, release }))
}
