//! Upgrade sources of machines: the recipe's repositories as dnf reads them (dnf.conf(5), `/etc/yum.repos.d/*.repo`), each with
//! the keys that sign its packages. Packages that bring repositories of their own know better: then nothing is written.

use std::fmt::Write as _;

use amiforge_formats::path::{self, Last, PathError};
use amiforge_formats::time::Time;
use amiforge_formats::tree::{Content, Meta, Node, NodeKind, Tree};
use amiforge_store::blobs::Blobs;

use super::distributions::{self, PRIORITY};
use super::source::{MetadataSignature, RepositoryAddress, RepositorySigners, RpmRepository, RpmSource};
use crate::backend::{OpenHostFile, PackageError};

/// Programs that read the files; without one nothing is written.
const READERS: [&str; 4] = ["/usr/bin/dnf", "/usr/bin/dnf5", "/usr/bin/yum", "/usr/bin/microdnf"];
/// Folders that packages put repositories into.
const FOLDERS: [&str; 2] = ["/etc/yum.repos.d", "/usr/share/dnf5/repos.d"];
/// The file that `$releasever` is read from, whatever packages say.
const RELEASEVER: &str = "/etc/dnf/vars/releasever";
/// The folder of keys.
const KEYS: &str = "/etc/pki/rpm-gpg";

/// Writes the repositories and returns warnings.
pub(super) fn install(
    source: &RpmSource,
    tree: &mut Tree,
    blobs: &mut Blobs,
    open: &mut OpenHostFile<'_>,
    time: Time,
) -> Result<Vec<String>, PackageError> {
    let failed = |error: PathError| PackageError::UpgradeSources(Box::new(error));
    if !source.repo_files || !is_wanted(tree).map_err(failed)? {
        return Ok(Vec::new());
    }
    let (mut warnings, mut with_release) = (Vec::new(), false);
    for repository in &source.repositories {
        let Some(address) = machine_address(source, repository) else {
            warnings.push(format!(
                "machines get no upgrades from the repository `{}`, because its address is known to this host only: give it a \
                 `machine-url` in the recipe",
                repository.name
            ));
            continue;
        };
        let keys = match &repository.keys {
            RepositorySigners::File { path, name, .. } => {
                Some(open(path, name, blobs).map_err(PackageError::HostFile)?)
            }
            RepositorySigners::Known { .. } | RepositorySigners::Unsigned => None,
        };
        let key = key_address(source, repository, tree, keys, time).map_err(failed)?;
        if key.is_none() && repository.keys != RepositorySigners::Unsigned {
            warnings.push(format!(
                "the image has no keys of the repository `{}`, so dnf will refuse its packages: give them as `keyring` in the \
                 recipe, or add the package that brings them",
                repository.name
            ));
        }
        with_release |= address.text().contains("releasever");
        let text = text(source, repository, &address, key.as_deref());
        put(
            tree,
            &format!("{}/{}.repo", FOLDERS[0], repository.name),
            Content::Inline(text.as_bytes().into()),
            time,
        )
        .map_err(failed)?;
    }
    if with_release && path::find(tree, RELEASEVER.as_bytes()).map_err(failed)?.is_none() {
        let text = format!("{}\n", source.release);
        put(tree, RELEASEVER, Content::Inline(text.as_bytes().into()), time).map_err(failed)?;
    }
    Ok(warnings)
}

/// Whether the tree has a program that reads repositories, and none yet.
fn is_wanted(tree: &Tree) -> Result<bool, PathError> {
    let mut has_reader = false;
    for reader in READERS {
        has_reader |= path::find(tree, reader.as_bytes())?.is_some();
    }
    for folder in FOLDERS {
        let Some(id) = path::find(tree, folder.as_bytes())? else { continue };
        if let NodeKind::Dir(children) = &tree.node(id).kind
            && children.iter().any(|(name, _)| name.as_bytes().ends_with(b".repo"))
        {
            return Ok(false);
        }
    }
    Ok(has_reader)
}

/// Where machines fetch a repository from; variables stay. None where only this host knows the address.
fn machine_address(source: &RpmSource, repository: &RpmRepository) -> Option<RepositoryAddress> {
    if let Some(url) = &repository.machine_url {
        return Some(RepositoryAddress::Base(url.clone()));
    }
    // A folder of this host or a password is nothing for a machine.
    let portable = |text: &str| !text.starts_with("file:") && !text.contains('@');
    let known = distributions::known(&source.distribution);
    let mirrored = source.mirror.as_deref().filter(|mirror| portable(mirror));
    let place = |text: &str| match (known, mirrored) {
        (Some(known), Some(mirror)) => text
            .strip_prefix(known.root)
            .map_or_else(|| text.to_owned(), |rest| format!("{}{rest}", mirror.trim_end_matches('/'))),
        _ => text.to_owned(),
    };
    let address = match &repository.address {
        RepositoryAddress::Base(url) => RepositoryAddress::Base(place(url)),
        RepositoryAddress::MirrorList(url) => RepositoryAddress::MirrorList(place(url)),
        RepositoryAddress::Metalink(url) => RepositoryAddress::Metalink(place(url)),
    };
    portable(address.text()).then_some(address)
}

/// The address of a repository's keys for machines; writes keys of the recipe into the tree.
fn key_address(
    source: &RpmSource,
    repository: &RpmRepository,
    tree: &mut Tree,
    keys: Option<Content>,
    time: Time,
) -> Result<Option<String>, PathError> {
    if let Some(keys) = keys {
        let path = format!("{KEYS}/RPM-GPG-KEY-{}", repository.name);
        put(tree, &path, keys, time)?;
        return Ok(Some(format!("file://{path}")));
    }
    let RepositorySigners::Known { distribution, .. } = &repository.keys else { return Ok(None) };
    let Some(known) = distributions::known(distribution) else { return Ok(None) };
    for file in known.key_files.iter().filter(|file| file.starts_with(KEYS)) {
        let file = source.expand(file);
        if path::find(tree, file.as_bytes())?.is_some() {
            return Ok(Some(format!("file://{file}")));
        }
    }
    Ok(known.key_url.map(str::to_owned))
}

/// A repository as dnf reads it.
fn text(
    source: &RpmSource,
    repository: &RpmRepository,
    address: &RepositoryAddress,
    key: Option<&str>,
) -> String {
    let (key_of_address, url) = match address {
        RepositoryAddress::Base(url) => ("baseurl", url),
        RepositoryAddress::MirrorList(url) => ("mirrorlist", url),
        RepositoryAddress::Metalink(url) => ("metalink", url),
    };
    let switch = |on: bool| if on { "1" } else { "0" };
    let name = &repository.name;
    let mut text =
        format!("[{name}]\nname={} {name}\n{key_of_address}={url}\nenabled=1\n", source.distribution);
    // Writing to a String cannot fail.
    let _ = write!(
        text,
        "gpgcheck={}\nrepo_gpgcheck={}\n",
        switch(repository.keys != RepositorySigners::Unsigned),
        switch(repository.metadata == MetadataSignature::Required)
    );
    if let Some(key) = key {
        let _ = writeln!(text, "gpgkey={key}");
    }
    if repository.priority != PRIORITY {
        let _ = writeln!(text, "priority={}", repository.priority);
    }
    text
}

/// Writes a file of root's, and its parents.
fn put(tree: &mut Tree, path: &str, content: Content, time: Time) -> Result<(), PathError> {
    let at = path::resolve_with_parents(tree, path.as_bytes(), Last::Keep, time)?;
    let node = Node { meta: Meta::root_owned(0o644, time), kind: NodeKind::File(content) };
    path::put(tree, &at, node).map(|_| ())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use amiforge_formats::plan::{NoSources, Sources};

    use super::super::testing::{repository, source};
    use super::*;
    use crate::backend::KindError;

    fn tree(files: &[&str]) -> Tree {
        let mut tree = Tree::new(Meta::root_owned(0o755, Time::EPOCH));
        for path in files {
            path::write(&mut tree, path.as_bytes(), b"", 0o644, Time::EPOCH).unwrap();
        }
        tree
    }

    fn read(tree: &Tree, sources: &dyn Sources, path: &str) -> Option<String> {
        path::read(tree, sources, path.as_bytes()).unwrap().map(|bytes| String::from_utf8(bytes).unwrap())
    }

    fn install_into(tree: &mut Tree, source: &RpmSource) -> Vec<String> {
        let mut open = |_: &Path, name: &str, _: &mut Blobs| -> Result<Content, KindError> {
            Ok(Content::Inline(name.as_bytes().into()))
        };
        install(source, tree, &mut Blobs::new(), &mut open, Time::EPOCH).unwrap()
    }

    #[test]
    fn repositories_are_written_with_keys_and_release() {
        let mut own = repository("own", "https://x/$releasever/$basearch");
        own.keys = RepositorySigners::File {
            path: "own.asc".into(),
            name: "own.asc".to_owned(),
            fingerprints: Vec::new(),
        };
        own.priority = 10;
        let lab = repository("lab", "https://lab/x");
        let here = repository("here", "file:///srv/x");
        let mut system = tree(&["usr/bin/dnf"]);
        let warnings = install_into(&mut system, &source(vec![own, lab, here]));
        assert!(warnings.len() == 1 && warnings[0].contains("`here`"), "{warnings:?}");
        let text = read(&system, &NoSources, "/etc/yum.repos.d/own.repo").unwrap();
        let expected = "[own]\nname=mini own\nbaseurl=https://x/$releasever/$basearch\nenabled=1\ngpgcheck=1\nrepo_gpgcheck=0\n\
                        gpgkey=file:///etc/pki/rpm-gpg/RPM-GPG-KEY-own\npriority=10\n";
        assert_eq!(text, expected);
        assert_eq!(read(&system, &NoSources, "/etc/pki/rpm-gpg/RPM-GPG-KEY-own").unwrap(), "own.asc");
        assert_eq!(read(&system, &NoSources, RELEASEVER).unwrap(), "1\n");
        let text = read(&system, &NoSources, "/etc/yum.repos.d/lab.repo").unwrap();
        assert!(text.contains("gpgcheck=0") && !text.contains("gpgkey"), "{text}");
    }

    #[test]
    fn repositories_of_packages_stay_alone() {
        let own = source(vec![repository("lab", "https://lab/x")]);
        for files in [&["usr/bin/dnf", "etc/yum.repos.d/amazonlinux.repo"][..], &["usr/bin/rpm"]] {
            let mut system = tree(files);
            install_into(&mut system, &own);
            assert!(read(&system, &NoSources, "/etc/yum.repos.d/lab.repo").is_none());
        }
    }
}
