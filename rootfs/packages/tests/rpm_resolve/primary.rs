//! A repository's `primary.xml`, as far as a resolution needs it. The project's own reader is tested elsewhere; this one is for
//! tests that compare choices.

use std::io::Read;
use std::path::Path;

use amiforge_packages::rpm::available::{AvailablePackage, RpmRequirement, StatedChecksum};
use amiforge_packages::rpm::evr::Evr;
use amiforge_packages::rpm::relation::{RpmCapability, RpmDependency, VersionComparison};
use roxmltree::{Document, Node};

/// The packages of the repository in a folder.
pub(crate) fn packages(folder: &Path) -> Vec<AvailablePackage> {
    let text = metadata(folder, "primary.xml.gz");
    let document = Document::parse(&text).unwrap();
    let packages = document.root_element().children().filter(|node| node.has_tag_name("package"));
    packages.map(package).collect()
}

/// The packages with all their paths.
pub(crate) fn packages_with_files(folder: &Path) -> Vec<AvailablePackage> {
    let mut packages = packages(folder);
    let text = metadata(folder, "filelists.xml.gz");
    let document = Document::parse(&text).unwrap();
    let lists = document.root_element().children().filter(|node| node.has_tag_name("package"));
    for list in lists {
        let package =
            packages.iter_mut().find(|package| package.checksum.hex == list.attribute("pkgid").unwrap());
        let files = list.children().filter(|node| node.has_tag_name("file"));
        package.unwrap().files = files.map(|node| node.text().unwrap().to_owned()).collect();
    }
    packages
}

/// The text of the file whose name ends so.
fn metadata(folder: &Path, name: &str) -> String {
    let entries = std::fs::read_dir(folder.join("repodata")).unwrap();
    let path = entries.map(|entry| entry.unwrap().path()).find(|path| path.to_string_lossy().ends_with(name));
    let mut text = String::new();
    flate2::read::GzDecoder::new(std::fs::File::open(path.unwrap()).unwrap())
        .read_to_string(&mut text)
        .unwrap();
    text
}

fn child<'a>(node: Node<'a, 'a>, name: &str) -> Node<'a, 'a> {
    node.children().find(|child| child.tag_name().name() == name).unwrap_or_else(|| panic!("no {name}"))
}

fn package(node: Node<'_, '_>) -> AvailablePackage {
    let text = |name: &str| child(node, name).text().unwrap_or_default().to_owned();
    let format = child(node, "format");
    let version = child(node, "version");
    let attribute = |name: &str| version.attribute(name).unwrap().to_owned();
    let files = format.children().filter(|child| child.has_tag_name("file"));
    AvailablePackage {
        name: text("name"),
        evr: Evr {
            epoch: Some(attribute("epoch").parse().unwrap()),
            version: attribute("ver"),
            release: Some(attribute("rel")),
        },
        arch: text("arch"),
        repository: 0,
        checksum: StatedChecksum { algorithm: "sha256".to_owned(), hex: text("checksum") },
        size: 0,
        path: child(node, "location").attribute("href").unwrap().to_owned(),
        base: None,
        header_range: None,
        source: String::new(),
        provides: entries(format, "provides").iter().map(|entry| capability(*entry)).collect(),
        requires: dependencies(format, "requires")
            .into_iter()
            .map(|dependency| RpmRequirement { dependency, before_scripts: false })
            .collect(),
        conflicts: dependencies(format, "conflicts"),
        obsoletes: entries(format, "obsoletes").iter().map(|entry| capability(*entry)).collect(),
        recommends: dependencies(format, "recommends"),
        suggests: dependencies(format, "suggests"),
        supplements: dependencies(format, "supplements"),
        enhances: dependencies(format, "enhances"),
        files: files.map(|node| node.text().unwrap().to_owned()).collect(),
    }
}

fn entries<'a>(format: Node<'a, 'a>, name: &str) -> Vec<Node<'a, 'a>> {
    let list = format.children().find(|child| child.tag_name().name() == name);
    let entries = list.into_iter().flat_map(|list| list.children());
    entries.filter(|child| child.tag_name().name() == "entry").collect()
}

fn dependencies(format: Node<'_, '_>, name: &str) -> Vec<RpmDependency> {
    let read = |entry: Node<'_, '_>| match entry.attribute("name").unwrap() {
        rich if rich.starts_with('(') => RpmDependency::parse(rich).unwrap(),
        _ => RpmDependency::Capability(capability(entry)),
    };
    entries(format, name).into_iter().map(read).collect()
}

fn capability(entry: Node<'_, '_>) -> RpmCapability {
    let versions = entry.attribute("flags").map(|flags| {
        let comparison = match flags {
            "LT" => VersionComparison::Less,
            "LE" => VersionComparison::LessOrEqual,
            "EQ" => VersionComparison::Equal,
            "GE" => VersionComparison::GreaterOrEqual,
            "GT" => VersionComparison::Greater,
            other => panic!("flags {other}"),
        };
        let epoch = entry.attribute("epoch").map(|epoch| epoch.parse().unwrap());
        let version = entry.attribute("ver").unwrap_or_default().to_owned();
        (comparison, Evr { epoch, version, release: entry.attribute("rel").map(str::to_owned) })
    });
    RpmCapability { name: entry.attribute("name").unwrap().to_owned(), versions }
}
