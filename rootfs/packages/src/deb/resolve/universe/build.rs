//! Entering packages into the universe, with the names that they mention and provide.

use std::cell::OnceCell;

use super::super::ResolveError;
use super::{
    ArchIndex, CandidateVersion, NamedPackage, Package, Pkg, Provided, Universe, Ver, relation_error,
};
use crate::deb::index::MultiArch;
use crate::deb::relation;
use amiforge_rootfs::version;

impl<'a> Universe<'a> {
    pub(super) fn add(&mut self, record: &'a Package<'a>, suite: usize) -> Result<(), ResolveError> {
        let Some(arch) = self.arch(record.arch) else { return Ok(()) };
        let pkg = self.intern(record.name, arch);
        for known in self.pkg(pkg).versions.clone() {
            let known = &mut self.vers[known.0 as usize];
            // What is installed has no file: it is that of the archive's version, if one has it.
            let same = known.record.sha256 == record.sha256 || record.path.is_empty();
            if known.record.version == record.version && same {
                known.suites.push(suite);
                known.suites.dedup();
                return Ok(());
            }
        }
        let ver = Ver(self.vers.len() as u32);
        self.vers.push(CandidateVersion { pkg, record, suites: vec![suite], deps: OnceCell::new() });
        let versions = &self.pkgs[pkg.0 as usize].versions;
        let position = versions.iter().position(|other| {
            version::compare(self.vers[other.0 as usize].record.version, record.version).is_lt()
        });
        let position = position.unwrap_or(versions.len());
        self.pkgs[pkg.0 as usize].versions.insert(position, ver);
        // In the order in which apt reads the fields: who is mentioned first has the lower number.
        for field in [
            record.pre_depends,
            record.depends,
            record.conflicts,
            record.breaks,
            record.recommends,
            record.suggests,
            record.replaces,
            record.enhances,
        ] {
            self.mention(field, arch);
        }
        self.provide(ver, arch)
    }

    /// Gives a number to every package that a field names. Errors are reported when the field is evaluated.
    fn mention(&mut self, field: &'a str, arch: ArchIndex) {
        for word in field.split([',', '|']) {
            let word = word.trim_start();
            let end = word.find(|c: char| c == '(' || c.is_whitespace()).unwrap_or(word.len());
            let (name, qualifier) =
                word.split_at(end).0.split_once(':').unwrap_or((word.split_at(end).0, ""));
            if !name.is_empty() {
                let target = self.target_arch(Some(qualifier).filter(|text| !text.is_empty()), arch);
                self.intern(name, target.unwrap_or(arch));
            }
        }
    }

    fn provide(&mut self, ver: Ver, arch: ArchIndex) -> Result<(), ResolveError> {
        let record = self.ver(ver).record;
        for group in relation::groups(record.provides) {
            let group = group.map_err(|source| relation_error(record, "Provides", source))?;
            for relation in group {
                let said = Provided { by: ver, version: relation.restriction.map(|(_, version)| version) };
                let own = self.target_arch(relation.arch, arch).unwrap_or(arch);
                self.add_provided(relation.name, own, said);
                match record.multi_arch {
                    MultiArch::Foreign => self.provide_elsewhere(relation.name, own, said),
                    MultiArch::Allowed => self.add_provided(relation.name, ArchIndex::Any, said),
                    MultiArch::No | MultiArch::Same => {}
                }
            }
        }
        Ok(())
    }

    /// Adds the implicit provides of a version for other architectures.
    pub(super) fn add_multi_arch(&mut self, ver: Ver) {
        let record = self.ver(ver).record;
        let arch = self.pkg(self.ver(ver).pkg).arch;
        let said = Provided { by: ver, version: Some(record.version) };
        match record.multi_arch {
            MultiArch::Foreign => self.provide_elsewhere(record.name, arch, said),
            MultiArch::Allowed => self.add_provided(record.name, ArchIndex::Any, said),
            MultiArch::No | MultiArch::Same => {}
        }
    }

    fn provide_elsewhere(&mut self, name: &'a str, own: ArchIndex, said: Provided<'a>) {
        for other in (0..self.archs.len()).map(|at| ArchIndex::Of(at as u8)).filter(|other| *other != own) {
            self.add_provided(name, other, said);
        }
    }

    fn add_provided(&mut self, name: &'a str, arch: ArchIndex, said: Provided<'a>) {
        let pkg = self.intern(name, arch);
        self.pkgs[pkg.0 as usize].provided.push(said);
    }

    fn intern(&mut self, name: &'a str, arch: ArchIndex) -> Pkg {
        let next = Pkg(self.pkgs.len() as u32);
        let pkg = *self.ids.entry((name, arch)).or_insert(next);
        if pkg == next {
            self.pkgs.push(NamedPackage { name, arch, versions: Vec::new(), provided: Vec::new() });
        }
        pkg
    }
}
