//! `amiforge update`: makes and publishes the next version of an image, from newer packages.
//!
//! The steps are those of `lock`, `fetch`, `build`, `boot`, `publish` and `diff`, on files that take their final names at
//! the end.

mod show;
mod sources;
mod steps;

use std::path::PathBuf;
use std::time::Instant;

use amiforge::update::{
    NameTemplate, StagedError, StagedUpdate, UpdateOutcome, UpdateReport, failure_summary,
};

use super::boot::{MachineArgs, Showing};
use super::inputs::{FetchSetup, SourceCopyArgs, StoreArgs, load_recipe, write_summary};
use super::publish::PublishArgs;
use super::signed_by::SignedByArgs;
use crate::outcome::{CommandResult, Failure};
use crate::signals::interrupt_on_signals;
use crate::ui::Ui;
use steps::UpdateTask;

/// Make the next version of an image: lock newer packages, build, boot, publish as a delta, compare
///
/// Stops before any channel follows: `amiforge promote` does that. The new lock and the new bundle take the places of the old
/// ones when the last step has succeeded. Until then they are in `recipe.lock.next` and `OUT.update`, and the same command
/// continues there: layers that were built are taken from the store, a publish that was begun is resumed. A version with the
/// bytes of the old one, or of an AMI that the account has, is not published.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  amiforge update web/recipe.toml -o out/web --region eu-west-1 --name '{name}-{date}'\n  \
    amiforge update web/recipe.toml -o out/web --region local --expect 'login:' --summary summary.md --json\n  \
    amiforge update web/recipe.toml -o out/web --no-publish --no-boot\n\n\
    The name is a template: {name} and {version} of the recipe, {content} (the start of the Merkle root), {date} and {time} of \
    the update (UTC), {number} (one above the highest that the account's AMIs have in that place). An update that continues \
    keeps the name that it began with.\n\n\
    Exit codes: 0 a new version was made, or nothing changed; 3 the new version did not boot as requested, and nothing was \
    published.",
    mut_arg("name", |arg| arg.value_name("TEMPLATE").help(
        "Template of the AMI's name [default: {name}-{content}, or {name}-{version}-{content} if the recipe has a version]"
    )),
    mut_arg("parent", |arg| arg.help(
        "The published snapshot that the new one is a delta of: `auto` (the newest of this image's name), `snap-…` or `ami-…` \
         [default: auto]"
    )),
    mut_arg("parent_bundle", |arg| arg.help(
        "The old bundle (or its manifest), if it is not in OUT: what the new image is compared with, and what the parent was made \
         from"
    ))
)]
pub(crate) struct Args {
    /// The recipe
    recipe: PathBuf,

    /// Folder of the bundle: the old one, which the new one replaces
    #[arg(short, long, value_name = "OUT")]
    out: PathBuf,

    /// Build, but publish nothing
    #[arg(long)]
    no_publish: bool,

    /// Do not boot the new image
    #[arg(long)]
    no_boot: bool,

    /// Build and boot, then print the steps of the publish, their approximate cost and the IAM policy that the update needs; no
    /// call but those that read a source is made, and lock and bundle stay as they are
    #[arg(long, conflicts_with = "no_publish")]
    dry_run: bool,

    /// Also write the report as Markdown, for the description of a pull request or the summary of a job
    #[arg(long, value_name = "FILE")]
    summary: Option<PathBuf>,

    /// Threads that read, write and hash; one for each core if not given
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,

    #[command(flatten)]
    store: StoreArgs,

    #[command(flatten)]
    copies: SourceCopyArgs,

    #[command(flatten)]
    machine: MachineArgs,

    #[command(flatten)]
    showing: Showing,

    #[command(flatten)]
    to: PublishArgs,
}

/// Runs the command.
pub(crate) fn run(args: &Args, ui: &Ui) -> CommandResult {
    let begun = Instant::now();
    let recipe = load_recipe(&args.recipe)?;
    let template = args.template()?;
    let cancel = interrupt_on_signals()?;
    let title = format!("cannot update `{}`", recipe.image.name);
    args.refuse_unsigned_publish(&title)?;
    let staged =
        StagedUpdate::open(&args.recipe, &args.out).map_err(|error| staged_failure(error, &title, args))?;
    if staged.resumed_commit() {
        ui.status("an earlier update was complete and is in place now");
    }
    let task = UpdateTask { args, recipe, template, staged, title, ui, cancel: &cancel };
    match update(&task) {
        Ok(mut report) => {
            report.seconds = (begun.elapsed().as_secs_f64() * 1000.0).round() / 1000.0;
            task.finish(&report)?;
            show::outcome(&report, args, ui)
        }
        Err(failure) => Err(task.fail(failure)),
    }
}

/// The steps, in their order. The files keep their temporary names.
fn update(task: &UpdateTask<'_>) -> Result<UpdateReport, Failure> {
    let store = task.args.store.open()?;
    // Held to the end: what is fetched must be there for the build.
    let _held = store.lock_shared();
    let setup = FetchSetup::from_system().with_copies(&task.args.copies);
    let begun = task.begun_publish()?;
    let locked = task.lock(&setup, &store, begun.as_ref())?;
    task.fetch(&locked, &setup, &store)?;
    let built = task.build(&locked)?;
    let old = task.old_version()?;
    let mut report = task.report(&locked, &built, old.as_ref());
    if begun.is_none() && old.as_ref().is_some_and(|old| old.manifest.plain == built.manifest.plain) {
        report.outcome = UpdateOutcome::Unchanged;
        return Ok(report);
    }
    let publication = task.prepare_publication(&built)?;
    if begun.is_none()
        && let Some(present) = task.published_already(publication.as_ref(), &built)?
    {
        report.outcome = UpdateOutcome::Unchanged;
        report.present = Some(present);
        return Ok(report);
    }
    report.files = task.compare(old.as_ref())?;
    report.boot = task.boot(begun.as_ref(), &built)?;
    if report.boot.as_ref().is_some_and(|boot| !boot.passed) {
        report.outcome = UpdateOutcome::BootFailed;
        return Ok(report);
    }
    if task.args.dry_run {
        task.plan(&built, old.as_ref())?;
        report.outcome = UpdateOutcome::Planned;
    } else if let Some(publication) = publication {
        report.published = Some(task.publish(&publication, begun.as_ref(), &built)?);
        report.outcome = UpdateOutcome::Published;
    }
    Ok(report)
}

impl Args {
    /// Refuses to publish what nobody can have signed, where the settings demand signatures.
    fn refuse_unsigned_publish(&self, title: &str) -> Result<(), Failure> {
        if self.no_publish || self.dry_run {
            return Ok(());
        }
        let Some(demand) = SignedByArgs::default().demand()? else { return Ok(()) };
        let fact = format!(
            "it publishes what it has just built, and the policy `{}` demands signatures",
            demand.path().display()
        );
        let out = self.out.display();
        Err(Failure::refused(anyhow::anyhow!(fact).context(title.to_owned())).hint(format!(
            "`--no-publish` stops before; then `amiforge sign {out}` and `amiforge publish {out} --parent auto`"
        )))
    }

    fn template(&self) -> Result<Option<NameTemplate>, Failure> {
        let template = self.to.ami.name.as_deref().map(str::parse).transpose();
        template.map_err(|error: amiforge::update::TemplateError| {
            Failure::usage(anyhow::Error::from(error).context("cannot use the `--name`"))
        })
    }
}

impl UpdateTask<'_> {
    /// Gives the files their final names, or removes them, as the outcome has it; writes the summary.
    fn finish(self, report: &UpdateReport) -> Result<(), Failure> {
        let Self { args, staged, title, .. } = self;
        if let Some(path) = &args.summary {
            write_summary(path, &amiforge::update::markdown(report))?;
        }
        let done = match report.outcome {
            UpdateOutcome::Published | UpdateOutcome::Built => staged.commit(),
            UpdateOutcome::Unchanged => settle_unchanged(staged, report.lock_changed),
            UpdateOutcome::BootFailed | UpdateOutcome::Planned => Ok(()),
        };
        done.map_err(|error| staged_failure(error, &title, args))
    }

    /// The failure, with what is left; writes the summary.
    fn fail(self, failure: Failure) -> Failure {
        let Self { args, staged, recipe, .. } = self;
        let (lock, next) = (staged.lock().display().to_string(), staged.next_lock().display().to_string());
        let (out, folder) = (staged.out().display().to_string(), staged.folder().display().to_string());
        let left = match staged.leave() {
            Ok(false) => format!("`{lock}` and `{out}` are as they were"),
            _ => format!(
                "`{lock}` and `{out}` are as they were; what this update made is in `{folder}` and `{next}`, and the same \
                 command continues it"
            ),
        };
        let hint = match &failure.hint {
            Some(hint) => format!("{hint}; {left}"),
            None => left,
        };
        let failure = failure.hint(hint);
        if let Some(path) = &args.summary {
            let chain: Vec<_> = failure.error.chain().map(ToString::to_string).collect();
            let text = failure_summary(&recipe.image.name, &chain, failure.hint.as_deref());
            // The failure itself is what the user has to know.
            let _ = write_summary(path, &text);
        }
        failure
    }
}

/// Keeps the old files, for a new image with the bytes of the old one. The new lock is taken if it pins something else, because
/// it would be outdated again, and the new bundle if there is no old one, because the next update compares with it.
fn settle_unchanged(staged: StagedUpdate, lock_changed: bool) -> Result<(), StagedError> {
    match (lock_changed, staged.out().exists()) {
        (true, true) => staged.take_lock()?,
        (false, false) => staged.drop_lock()?,
        _ => {}
    }
    if staged.out().exists() { staged.discard() } else { staged.commit() }
}

/// The failure of the files of an update, with its hint.
fn staged_failure(error: StagedError, title: &str, args: &Args) -> Failure {
    let out = args.out.display();
    let hint = match &error {
        StagedError::Folder(amiforge_publish::folder::FolderError::Busy { .. }) => {
            Some("wait for the other process, or stop it: nothing is lost by that".to_owned())
        }
        StagedError::OldPublish { region, .. } => Some(format!(
            "`amiforge publish {out} --region {region}` finishes it, and `amiforge publish {out} --region {region} --abandon` \
             deletes what it made"
        )),
        StagedError::Bundle(_) => Some("choose another `--out`: only a bundle is ever replaced".to_owned()),
        _ => None,
    };
    let failure = Failure::from(anyhow::Error::from(error).context(title.to_owned()));
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}
