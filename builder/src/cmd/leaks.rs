//! `amiforge leaks`: finds what should not leave the builder.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use amiforge::leaks::{self, LeakOptions, LeakReport};
use amiforge_image::image::EmitOptions;
use amiforge_leaks::{LeakFinding, LeakSeverity, RuleFilter, ScannedAmount, rules, rules_version, sarif};
use amiforge_progress::{CancelToken, Monitor};
use anyhow::Context as _;
use serde::Serialize;

use crate::outcome::{CommandResult, Failure, Outcome};
use crate::signals::interrupt_on_signals;
use crate::ui::{Ui, written};

/// Find keys, tokens, passwords, histories and identities that should not leave with an image
///
/// Looks at every file of every file system that can be read, at the bytes below them (the ends of last blocks, space that
/// no file has, deleted entries, journals, gaps between partitions), and at the other files of a bundle. Files that packages
/// have published unchanged are not findings, except for private keys. Shows file, line, rule and what to do, never a
/// secret, and exits with 3 if there is a finding that the recipe does not allow. What is inside of compressed files and
/// archives is not looked at.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  amiforge leaks out/web\n  amiforge leaks foreign.raw --sarif leaks.sarif\n  \
    amiforge leaks ami-0123456789abcdef0 --region eu-west-1\n  amiforge leaks --list-rules"
)]
pub(crate) struct Args {
    /// The bundle, a raw image or a block device; or a snapshot (`snap-…`), or an AMI (`ami-…`), whose root volume is read
    #[arg(value_name = "IMAGE", required_unless_present = "list_rules")]
    image: Option<PathBuf>,

    /// Only these rules
    #[arg(long, value_name = "RULE", value_delimiter = ',', value_parser = rule)]
    rules: Vec<String>,

    /// Also write the findings to this file, as SARIF 2.1.0
    #[arg(long, value_name = "FILE")]
    sarif: Option<PathBuf>,

    /// List the rules: names, severities and what they find
    #[arg(long, conflicts_with_all = ["image", "sarif"])]
    list_rules: bool,

    #[cfg(feature = "aws")]
    #[command(flatten)]
    plan: super::call_plan::DryRunArgs,

    #[cfg(feature = "aws")]
    #[command(flatten)]
    aws: super::region::Args,

    /// Threads; one for each core if not given
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
}

/// What `--json` shows.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LeaksJson<'a> {
    image: String,
    /// Whether nothing was found that is not allowed.
    passes: bool,
    /// Digest of the rules.
    rules: String,
    scanned: ScannedAmount,
    findings: &'a [LeakFinding],
    unread: &'a [String],
    needless: &'a [String],
    seconds: f64,
}

/// Parses the name of a rule.
fn rule(text: &str) -> Result<String, String> {
    let filter = RuleFilter::new([text]).map(|_| text.to_owned());
    filter.map_err(|error| format!("{error}; `amiforge leaks --list-rules` lists them"))
}

/// Runs the command.
pub(crate) fn run(args: &Args, ui: &Ui) -> CommandResult {
    let Some(image) = args.image.as_deref().filter(|_| !args.list_rules) else { return list(ui) };
    let begun = Instant::now();
    #[cfg(feature = "aws")]
    if let Some(shown) = args.plan.shown_for_blocks("look for leaks in", image, &args.aws, ui) {
        return shown;
    }
    let cancel = interrupt_on_signals()?;
    let report = args.scan(image, ui, &cancel)?;
    if let Some(path) = &args.sarif {
        let text = serde_json::to_vec_pretty(&sarif(&report.report, &image.display().to_string()));
        let text = text.context("writing the findings as SARIF").with_context(|| cannot(image))?;
        let written = std::fs::write(path, text).with_context(|| format!("writing `{}`", path.display()));
        written.with_context(|| cannot(image))?;
    }
    show(image, &report, begun.elapsed(), ui)?;
    Ok(if report.report.open().next().is_none() { Outcome::Success } else { Outcome::Difference })
}

fn cannot(image: &Path) -> String {
    format!("cannot look for leaks in `{}`", image.display())
}

impl Args {
    fn scan(&self, image: &Path, ui: &Ui, cancel: &CancelToken) -> Result<LeakReport, Failure> {
        #[cfg(feature = "aws")]
        if let Some(Ok(id)) = image.to_str().map(super::region::resource_id) {
            return self.scan_remote(&id, ui, cancel);
        }
        self.scan_local(image, image, ui, cancel)
    }

    fn scan_local(
        &self,
        path: &Path,
        image: &Path,
        ui: &Ui,
        cancel: &CancelToken,
    ) -> Result<LeakReport, Failure> {
        let medium = super::handover::medium(path).with_context(|| cannot(image))?;
        let filter = RuleFilter::new(self.rules.iter().map(String::as_str)).map_err(anyhow::Error::from)?;
        let all = filter.is_all();
        let threads = self.threads.map_or_else(|| EmitOptions::default().threads, usize::from);
        let report = leaks::scan_image(&medium, &LeakOptions { filter, threads }, Monitor::new(ui, cancel));
        let report = report.with_context(|| cannot(image))?;
        let manifest = leaks::manifest_of(&medium);
        let mut report = leaks::allow(report, manifest.as_ref(), &[]).with_context(|| cannot(image))?;
        if !all {
            // Of rules that were not asked for nothing was found.
            report.needless.clear();
        }
        Ok(report)
    }

    /// Scans the volume of a snapshot or the root volume of an AMI, by way of a sparse file that is deleted afterwards.
    #[cfg(feature = "aws")]
    fn scan_remote(&self, id: &str, ui: &Ui, cancel: &CancelToken) -> Result<LeakReport, Failure> {
        use amiforge_publish::{download::download, rate_limiter::DEFAULT_RATE};
        let image = Path::new(id);
        let folder =
            tempfile::tempdir().context("making a folder for its blocks").with_context(|| cannot(image))?;
        let file = folder.path().join("volume.raw");
        let connected = self.aws.connect(cancel)?;
        let rate = if self.aws.is_local() { 0 } else { DEFAULT_RATE };
        let services = connected.services();
        let work = download(&services, id, &file, rate, Monitor::new(ui, cancel));
        connected.block_on(work).with_context(|| cannot(image))?;
        drop(connected);
        self.scan_local(&file, image, ui, cancel)
    }
}

/// Shows the rules.
fn list(ui: &Ui) -> CommandResult {
    if ui.json() {
        let all: Vec<_> = rules()
            .into_iter()
            .map(|rule| {
                serde_json::json!({
                    "rule": rule.id,
                    "severity": rule.severity.word(),
                    "what": rule.what,
                    "remedy": rule.remedy,
                    "source": rule.source,
                })
            })
            .collect();
        ui.object(&all)?;
        return Ok(Outcome::Success);
    }
    let mut out = ui.out();
    for rule in rules() {
        written(writeln!(out, "{:<28} {:<8} {}", rule.id, rule.severity.word(), rule.what))?;
    }
    written(out.flush())?;
    Ok(Outcome::Success)
}

fn show(image: &Path, report: &LeakReport, took: Duration, ui: &Ui) -> Result<(), Failure> {
    let LeakReport { report, needless } = report;
    let passes = report.open().next().is_none();
    let seconds = took.as_secs_f64();
    if ui.json() {
        return ui.object(&LeaksJson {
            image: image.display().to_string(),
            passes,
            rules: rules_version().to_string(),
            scanned: report.scanned,
            findings: &report.findings,
            unread: &report.unread,
            needless,
            seconds,
        });
    }
    let mut out = ui.out();
    let mut last: Option<&str> = None;
    for finding in report.open() {
        written(writeln!(out, "{}", line(finding)))?;
        // What to do is said once for findings of a rule that follow one another.
        if last != Some(finding.rule.as_str()) {
            written(writeln!(out, "    {}", finding.remedy))?;
        }
        last = Some(&finding.rule);
    }
    for text in report.unread.iter().chain(needless) {
        ui.warn(text);
    }
    let allowed = report.findings.len() - report.open().count();
    let (errors, warnings) = (report.refused().count(), report.open().count() - report.refused().count());
    let scanned = report.scanned;
    let mib = (scanned.bytes + scanned.raw_bytes) >> 20;
    let summary = format!(
        "{}: {errors} errors, {warnings} warnings, {allowed} allowed; {} files of the image, {} beside it, {mib} MiB; \
         {seconds:.2} s",
        image.display(),
        scanned.files,
        scanned.bundle_files
    );
    written(writeln!(out, "{summary}").and_then(|()| out.flush()))
}

/// A finding in one line.
pub(crate) fn line(finding: &LeakFinding) -> String {
    let severity = match finding.severity {
        LeakSeverity::Error => "error",
        LeakSeverity::Warning => "warning",
    };
    let secret = finding.secret.as_ref().map(|secret| {
        let dots = if secret.start.is_empty() { "" } else { "…" };
        format!(" [{}{dots} sha256 {}]", secret.start, secret.sha256)
    });
    let package = finding.package.as_ref().map(|package| format!(", in a file of {package}"));
    format!(
        "{severity} ({}): {}: {}{}{}",
        finding.rule,
        finding.location(),
        finding.what,
        package.unwrap_or_default(),
        secret.unwrap_or_default()
    )
}
