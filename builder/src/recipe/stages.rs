//! `[[stage]]`, `[[run]]` and `[sandbox]`: from keys to specs.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use amiforge_packages::PackageSource;
use amiforge_sandbox::SandboxLimits;

use super::checker::Checker;
use super::deb::{RunStep, SourceFrom, Stage, StageSource};
use super::diagnostic::KeyPath;
use super::keys::{NumberOrText, RunKeys, SandboxKeys, StageInstallKeys, StageKeys, StageSourceKeys};
use super::{debian_syntax, package_filters, packages, parse, sources};

/// File name extensions of archives, which are removed from a folder's name.
const ENDINGS: [&str; 7] = [".tar.gz", ".tgz", ".tar.xz", ".txz", ".tar.zst", ".tar", ".git"];

/// Checks every stage.
pub(super) fn check(
    all: &[StageKeys],
    packages: Option<&PackageSource>,
    at: &KeyPath,
    checker: &mut Checker<'_>,
) -> Vec<Stage> {
    let mut names = BTreeSet::new();
    let mut stages = Vec::new();
    for (index, keys) in all.iter().enumerate() {
        let at = at.index(index);
        if packages.is_none() {
            let message = "a stage takes its tools from the archives of a `deb` or `rpm` source, and this recipe has none";
            checker.reject(at.clone(), message);
        }
        checker.accept(at.key("name"), debian_syntax::archive_name(&keys.name));
        if !names.insert(&keys.name) {
            checker.reject(at.key("name"), format!("there is another stage named `{}`", keys.name));
        }
        stages.push(stage(keys, packages, &at, checker));
    }
    stages
}

/// Checks every command.
pub(super) fn runs(all: &[RunKeys], at: &KeyPath, checker: &mut Checker<'_>) -> Vec<RunStep> {
    let mut runs = Vec::new();
    for (index, keys) in all.iter().enumerate() {
        let at = at.index(index);
        command(&keys.command, at.key("command"), checker);
        let env = env(&keys.env, &at, checker);
        runs.push(RunStep { command: keys.command.clone(), env });
    }
    runs
}

/// The limits, with defaults for those that are not given.
pub(super) fn limits(keys: &SandboxKeys, at: &KeyPath, checker: &mut Checker<'_>) -> SandboxLimits {
    let mut limits = SandboxLimits::default();
    // The schema has checked that numbers are within bounds.
    if let Some(seconds) = keys.seconds {
        limits.time = Duration::from_secs(seconds.unsigned_abs());
    }
    if let Some(processes) = keys.processes.and_then(|count| u32::try_from(count).ok()) {
        limits.processes = processes;
    }
    for (key, given, limit) in
        [("memory", &keys.memory, &mut limits.memory), ("disk", &keys.disk, &mut limits.disk)]
    {
        let text = match given {
            Some(NumberOrText::Text(text)) => text.clone(),
            Some(NumberOrText::Number(gib)) => format!("{gib} GiB"),
            None => continue,
        };
        if let Some(bytes) = checker.accept(at.key(key), parse::size(&text)) {
            *limit = bytes;
        }
    }
    limits
}

fn stage(
    keys: &StageKeys,
    source_of_packages: Option<&PackageSource>,
    at: &KeyPath,
    checker: &mut Checker<'_>,
) -> Stage {
    let archives = source_of_packages.map(|source| source.backend().archives()).unwrap_or_default();
    if let Some(source) = source_of_packages {
        packages::tools(source, &keys.packages, &at.key("packages"), checker);
    }
    for (index, text) in keys.run.iter().enumerate() {
        command(text, at.key("run").index(index), checker);
    }
    if keys.run.is_empty() {
        checker.reject(at.key("run"), "a stage without commands builds nothing");
    }
    if keys.install.is_empty() {
        checker.reject(at.key("install"), "a stage of which nothing is installed gives nothing");
    }
    let patches = keys
        .patches
        .iter()
        .enumerate()
        .map(|(index, name)| (checker.host_path(at.key("patches").index(index), name), name.clone()));
    let patches: Vec<_> = patches.collect();
    if !patches.is_empty() && keys.source.is_empty() {
        checker.reject(at.key("patches"), "there is no `[[stage.source]]` to apply them to");
    }
    Stage {
        name: keys.name.clone(),
        packages: keys.packages.clone(),
        recommends: package_filters::recommends(keys.recommends),
        patches,
        run: keys.run.clone(),
        env: env(&keys.env, at, checker),
        sources: stage_sources(keys, &archives, at, checker),
        installs: keys
            .install
            .iter()
            .enumerate()
            .filter_map(|(index, install)| installed(install, &at.key("install").index(index), checker))
            .collect(),
    }
}

fn stage_sources(
    keys: &StageKeys,
    archives: &[&str],
    at: &KeyPath,
    checker: &mut Checker<'_>,
) -> Vec<StageSource> {
    let mut folders = BTreeSet::new();
    let mut sources = Vec::new();
    for (index, source) in keys.source.iter().enumerate() {
        let at = at.key("source").index(index);
        let Some(source) = stage_source(source, &at, checker) else { continue };
        if let SourceFrom::Archive { archive, .. } = &source.from
            && !archives.contains(&archive.as_str())
        {
            let names: Vec<_> = archives.iter().map(|known| format!("`{known}`")).collect();
            let message = format!("there is no archive `{archive}` but {}", names.join(", "));
            checker.reject(at.key("archive"), message);
        }
        if !folders.insert(source.folder.clone()) {
            let message = format!("another source is unpacked to `{}`; give one a `folder`", source.folder);
            checker.reject(at, message);
        }
        sources.push(source);
    }
    sources
}

fn stage_source(keys: &StageSourceKeys, at: &KeyPath, checker: &mut Checker<'_>) -> Option<StageSource> {
    let (from, name) = from(keys, at, checker)?;
    let sha256 = checker.accept_optional(at.key("sha256"), keys.sha256.as_ref(), sources::exact);
    if matches!(from, SourceFrom::Url(_) | SourceFrom::Archive { .. }) && keys.sha256.is_none() {
        checker.reject(at.key("sha256"), "what is fetched needs the `sha256` of what is there");
    }
    let base = name.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    let base = base.split(['?', '#']).next().unwrap_or_default();
    let stem = ENDINGS.iter().find_map(|ending| base.strip_suffix(ending)).unwrap_or(base);
    let folder = keys.folder.clone().unwrap_or_else(|| stem.to_owned());
    if folder.is_empty() || folder == "." || folder == ".." || folder.contains(['/', '\0']) {
        checker.reject(at.key("folder"), format!("`{folder}` is not a name of a folder; `folder` gives one"));
    }
    // Release archives have one top-level folder; those that git makes have none.
    let usual = u32::from(!matches!(from, SourceFrom::Git { .. }));
    let strip = keys.strip.and_then(|strip| u32::try_from(strip).ok()).unwrap_or(usual);
    Some(StageSource { label: base.to_owned(), from, sha256, folder, strip })
}

/// The location of a source, and its file name.
fn from(keys: &StageSourceKeys, at: &KeyPath, checker: &mut Checker<'_>) -> Option<(SourceFrom, String)> {
    if keys.git.is_some() != keys.commit.is_some() {
        checker.reject(at.clone(), "`git` and `commit` go together");
    }
    if keys.archive.is_some() && keys.path.is_none() {
        checker.reject(at.clone(), "`archive` needs the `path` of a file in it");
    }
    match (&keys.url, &keys.path, &keys.git) {
        (Some(url), None, None) => {
            let url = checker.accept(at.key("url"), debian_syntax::url(url))?;
            Some((SourceFrom::Url(url.clone()), url))
        }
        (None, Some(path), None) if keys.archive.is_some() => {
            let archive = keys.archive.clone()?;
            let path = checker.accept(at.key("path"), debian_syntax::archive_path(path))?;
            Some((SourceFrom::Archive { archive, path: path.clone() }, path))
        }
        (None, Some(name), None) => {
            let path = checker.host_path(at.key("path"), name);
            Some((SourceFrom::Path(path, name.clone()), name.clone()))
        }
        (None, None, Some(git)) => {
            let url = checker.accept(at.key("git"), debian_syntax::git_url(git))?;
            let commit = checker.accept(at.key("commit"), debian_syntax::commit(keys.commit.as_ref()?))?;
            Some((SourceFrom::Git { url: url.clone(), commit }, url))
        }
        _ => {
            checker.reject(at.clone(), "a `[[stage.source]]` needs one of `url`, `path` and `git`");
            None
        }
    }
}

fn installed(keys: &StageInstallKeys, at: &KeyPath, checker: &mut Checker<'_>) -> Option<(String, String)> {
    let from = checker.accept(at.key("from"), parse::image_path(&keys.from));
    let to = match &keys.to {
        Some(to) => checker.accept(at.key("to"), parse::image_path(to)),
        None => from.clone(),
    };
    Some((from?, to?))
}

fn command(text: &str, at: KeyPath, checker: &mut Checker<'_>) {
    if text.trim().is_empty() || text.contains('\0') {
        checker.reject(at, "an empty command does nothing");
    }
}

fn env(all: &BTreeMap<String, String>, at: &KeyPath, checker: &mut Checker<'_>) -> BTreeMap<String, String> {
    for (name, value) in all {
        checker.accept(at.key("env").key(name), debian_syntax::variable(name, value));
    }
    all.clone()
}
