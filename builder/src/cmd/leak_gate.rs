//! The leak gate before an image is sent: it looks for leaks, and refuses the image because of each that neither the recipe
//! nor the command line allows.
//!
//! A scan is kept in the user's cache folder, under a digest of the image, of the files beside it and of the rules, so that
//! a publish that resumes does not look again. What is kept is what was found, not whether it was allowed.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use amiforge::leaks::{self, LeakOptions};
use amiforge_formats::digest::Digest;
use amiforge_image::bundle::DISK;
use amiforge_image::image::EmitOptions;
use amiforge_image::inspect::Medium;
use amiforge_leaks::{Allowance, LeakFinding, Report, RuleFilter, rules_version};
use amiforge_progress::{CancelToken, Monitor};
#[cfg(feature = "aws")]
use amiforge_publish::request::Request;
#[cfg(feature = "aws")]
use amiforge_publish::tags;
use anyhow::Context as _;

use super::inputs::default_store;
use super::leaks::line;
use crate::outcome::Failure;
use crate::ui::Ui;

/// Findings that a refusal lists.
const LISTED: usize = 5;

/// Longest report that is kept or read.
const REPORT_MAX: u64 = 64 << 20;

/// The option of commands that send an image, or write it for another host that does.
#[derive(Debug, Clone, clap::Args)]
#[group(skip)]
pub(crate) struct GateArgs {
    /// Send the image although the leak gate finds this: a rule, or a rule and a path (`*` and `**` in it as in `exclude`);
    /// `*` is every rule. An AMI is tagged with the rules that were allowed so. `[[allow]]` of the recipe, which states a
    /// reason, is the better way
    #[arg(long, value_name = "RULE[:PATH]", value_parser = by_hand)]
    allow_leaks: Vec<Allowance>,
}

/// Parses a rule, or a rule and a path.
fn by_hand(text: &str) -> Result<Allowance, String> {
    let (rule, path) = text.split_once(':').unwrap_or((text, "**"));
    let allowance = Allowance {
        rule: rule.to_owned(),
        path: path.to_owned(),
        sha256: None,
        reason: format!("`--allow-leaks {text}`"),
    };
    allowance.check().map_err(|error| error.to_string())?;
    Ok(allowance)
}

impl GateArgs {
    /// Refuses a request whose image, or a bundle of a further volume, has leaks; tags the AMI with the rules that are
    /// allowed by hand.
    #[cfg(feature = "aws")]
    pub(crate) fn demand_of(
        &self,
        image: &Path,
        request: &mut Request,
        cannot: &str,
        ui: &Ui,
        cancel: &CancelToken,
    ) -> Result<(), Failure> {
        let mut allowed = Vec::new();
        for bundle in request.bundles(image) {
            allowed.extend(self.demand(bundle, cannot, ui, cancel)?);
        }
        allowed.sort();
        allowed.dedup();
        if !allowed.is_empty() {
            request.tags.insert(tags::LEAKS_ALLOWED.to_owned(), tags::joined(&allowed));
        }
        Ok(())
    }

    /// Refuses an image with leaks; gives the names of the rules whose findings are allowed by hand, sorted.
    pub(crate) fn demand(
        &self,
        image: &Path,
        cannot: &str,
        ui: &Ui,
        cancel: &CancelToken,
    ) -> Result<Vec<String>, Failure> {
        let handover = super::handover::opened(image);
        if handover.as_ref().is_some_and(|opened| opened.contents().parent.is_some()) {
            ui.warn("a delta holds a part of the image: `export` looked for leaks where the bundle is");
            return Ok(Vec::new());
        }
        let own = handover.map(|opened| opened.contents().manifest.manifest.clone());
        let medium = super::handover::medium(image).with_context(|| cannot.to_owned())?;
        let report = scanned(&medium, image, ui, cancel).with_context(|| cannot.to_owned())?;
        let manifest = own.or_else(|| leaks::manifest_of(&medium));
        let recipe =
            leaks::allow(report.clone(), manifest.as_ref(), &[]).with_context(|| cannot.to_owned())?;
        let all =
            leaks::allow(report, manifest.as_ref(), &self.allow_leaks).with_context(|| cannot.to_owned())?;
        for needless in &all.needless {
            ui.warn(needless);
        }
        let refused: Vec<&LeakFinding> = all.report.refused().collect();
        if !refused.is_empty() {
            return Err(refusal(&refused, image, cannot));
        }
        let warnings = all.report.open().count();
        if warnings > 0 {
            let image = image.display();
            ui.warn(format_args!("{warnings} findings may be leaks; `amiforge leaks {image}` lists them"));
        }
        let mut rules: Vec<String> = recipe.report.refused().map(|finding| finding.rule.clone()).collect();
        rules.sort();
        rules.dedup();
        Ok(rules)
    }
}

/// The failure for an image with leaks.
fn refusal(refused: &[&LeakFinding], image: &Path, cannot: &str) -> Failure {
    let listed: Vec<String> = refused.iter().take(LISTED).map(|finding| line(finding)).collect();
    let more = match refused.len().saturating_sub(LISTED) {
        0 => String::new(),
        more => format!("\nand {more} more"),
    };
    let count = refused.len();
    let findings = if count == 1 { "1 leak".to_owned() } else { format!("{count} leaks") };
    let fact = format!("the image has {findings}:\n{}{more}", listed.join("\n"));
    let rule = &refused[0].rule;
    Failure::refused(anyhow::anyhow!(fact).context(cannot.to_owned())).hint(format!(
        "`amiforge leaks {}` says what to do about each; or allow it with a reason under `[[allow]]` of the recipe and build \
         again, or here with `--allow-leaks {rule}`",
        image.display()
    ))
}

/// What is found in an image: from the cache, or by a scan.
fn scanned(medium: &Medium, image: &Path, ui: &Ui, cancel: &CancelToken) -> anyhow::Result<Report> {
    let path = key(medium, image).ok().and_then(|key| {
        let folder = default_store()?.join("leaks");
        Some(folder.join(format!("{key}.json")))
    });
    if let Some(report) = path.as_deref().and_then(kept) {
        return Ok(report);
    }
    let options = LeakOptions { filter: RuleFilter::default(), threads: EmitOptions::default().threads };
    let report = leaks::scan_image(medium, &options, Monitor::new(ui, cancel))?;
    // A report that cannot be kept is made again the next time.
    let _ = path.as_deref().map(|path| keep(path, &report));
    Ok(report)
}

fn kept(path: &Path) -> Option<Report> {
    let known = fs::metadata(path).ok()?.len() <= REPORT_MAX;
    let text = known.then(|| amiforge_progress::regular::read(path).ok()).flatten()?;
    serde_json::from_slice(&text).ok()
}

/// Writes a report beside its name and renames it: another process may do the same.
fn keep(path: &Path, report: &Report) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(&serde_json::to_vec(report)?)?;
    file.persist(path)?;
    Ok(())
}

/// A digest of what decides the findings: the rules; of a bundle the manifest, which binds every block that is sent, and
/// the files beside the image; of a raw file its path, length and times.
fn key(medium: &Medium, image: &Path) -> std::io::Result<Digest> {
    let mut text = format!("{}\n", rules_version());
    match medium.bundle() {
        Some(folder) => {
            let mut files = Vec::new();
            list(folder, &mut files)?;
            files.sort();
            for path in files {
                let digest = Digest::of(&fs::read(&path)?);
                // Writing to a string cannot fail.
                let _ = writeln!(text, "{} {digest}", path.strip_prefix(folder).unwrap_or(&path).display());
            }
            text.push_str(&stamp(medium.path())?);
        }
        None => {
            let _ = write!(text, "{}\n{}", image.canonicalize()?.display(), stamp(medium.path())?);
        }
    }
    Ok(Digest::of(text.as_bytes()))
}

/// Length, times and inode of a file: what a change of it changes.
fn stamp(path: &Path) -> std::io::Result<String> {
    let data = fs::metadata(path)?;
    let times = [data.mtime(), data.mtime_nsec(), data.ctime(), data.ctime_nsec()];
    Ok(format!("{} {} {} {times:?}\n", data.size(), data.dev(), data.ino()))
}

/// The regular files below a folder, except for the image.
fn list(folder: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            list(&entry.path(), files)?;
        } else if kind.is_file() && entry.file_name() != DISK {
            files.push(entry.path());
        }
    }
    Ok(())
}
