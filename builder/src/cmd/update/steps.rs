//! The steps of an update, each a call of what the command of its name calls.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use amiforge::lock::resolve::{self, Update};
use amiforge::lock::{self, Lock, LockDiff, LockError};
use amiforge::outdated::{HeldBackJson, PackageChanges, PackageJson, held_back, package_changes};
use amiforge::pipeline::{self, BuildOptions, Built};
use amiforge::recipe::Recipe;
use amiforge::update::{
    BegunPublish, BootResult, CopiedImage, FileChanges, NameTemplate, NameValues, PublishedVersion,
    StagedUpdate, UpdateOutcome, UpdateReport, has_content, images_named_like,
};
use amiforge_image::bundle::{self, ExistingBundle};
use amiforge_image::diff::{DiffOptions, diff};
use amiforge_image::image::EmitOptions;
use amiforge_image::manifest::Manifest;
use amiforge_packages::backend::PackageRecord;
use amiforge_progress::{CancelToken, Monitor};
use amiforge_publish::ami;
use amiforge_publish::request::ImageFacts;
use amiforge_publish::source::ImageSource;
use amiforge_publish::upload::ParentChoice;
use amiforge_sandbox::OnFailure;
use amiforge_store::Store;
use anyhow::Context as _;

use super::sources::source_reads;
use super::{Args, staged_failure};
use crate::cmd::build::{self, NamedPaths};
use crate::cmd::inputs::{FetchSetup, lock_failure, source_date_epoch};
use crate::cmd::publish::{self, PublishArgs};
use crate::cmd::region::ConnectedRegion;
use crate::cmd::{ami_args, boot, call_plan, dry_run, fetch};
use crate::outcome::Failure;
use crate::ui::Ui;

/// An update in progress.
pub(super) struct UpdateTask<'a> {
    pub(super) args: &'a Args,
    pub(super) recipe: Recipe,
    pub(super) template: Option<NameTemplate>,
    pub(super) staged: StagedUpdate,
    /// "cannot update …".
    pub(super) title: String,
    pub(super) ui: &'a Ui,
    pub(super) cancel: &'a CancelToken,
}

/// The new lock, and how its packages differ from those of the old one.
pub(super) struct NewLock {
    lock: Option<Lock>,
    /// Whether it pins something else than the old one, or is of another recipe.
    differs: bool,
    changes: PackageChanges,
}

/// The old version.
pub(super) struct OldVersion {
    pub(super) manifest: Manifest,
    /// The bundle or manifest that the user names, or the bundle that is replaced.
    path: PathBuf,
}

/// A region to publish to, and the facts of the new image.
pub(super) struct Publication {
    connected: ConnectedRegion,
    facts: ImageFacts,
}

impl UpdateTask<'_> {
    fn monitor(&self) -> Monitor<'_> {
        Monitor::new(self.ui, self.cancel)
    }

    /// The publish that an earlier run began.
    pub(super) fn begun_publish(&self) -> Result<Option<BegunPublish>, Failure> {
        let begun =
            self.staged.begun_publish().map_err(|error| staged_failure(error, &self.title, self.args))?;
        if let Some(begun) = &begun {
            self.ui.status(format_args!(
                "continuing the publish of `{}` to {} with the lock that it began with",
                begun.name, begun.region
            ));
        }
        Ok(begun)
    }

    /// Makes the new lock. While a publish is under way, its lock stays: another one would be another image.
    pub(super) fn lock(
        &self,
        setup: &FetchSetup,
        store: &Store,
        begun: Option<&BegunPublish>,
    ) -> Result<NewLock, Failure> {
        if !Lock::is_needed(&self.recipe) {
            return Ok(NewLock { lock: None, differs: false, changes: PackageChanges::default() });
        }
        let next = self.staged.next_lock();
        let failed = |error| lock_failure(error, self.title.clone(), &self.args.recipe);
        let old = Lock::load(self.staged.lock()).map_err(failed)?;
        if let Some(begun) = begun {
            let lock = Lock::load(&next).map_err(failed)?;
            let lock =
                lock.filter(|lock| lock.matches(&self.recipe)).ok_or_else(|| self.other_recipe(begun))?;
            let kept = self.staged.kept_changes();
            let changes = kept.unwrap_or_else(|| changes(old.as_ref(), &lock, &[]));
            let differs = self.differs(old.as_ref(), &lock);
            return Ok(NewLock { lock: Some(lock), differs, changes });
        }
        let fetcher = setup.fetcher(store, self.args.store.jobs(), self.monitor());
        let resolved = resolve::resolve(&self.recipe, old.as_ref(), &Update::All, &fetcher);
        let resolved = resolved.map_err(|error: LockError| {
            crate::cmd::lock::failure(error, self.title.clone(), &self.recipe, &self.args.recipe)
        })?;
        for note in &resolved.notes {
            self.ui.status(note);
        }
        let changes = changes(old.as_ref(), &resolved.lock, &resolved.records);
        self.ui.status(format_args!("{} packages changed", changes.packages.len()));
        resolved.lock.save(&next).map_err(failed)?;
        let kept = self.staged.keep_changes(&changes);
        kept.map_err(|error| staged_failure(error, &self.title, self.args))?;
        let differs = self.differs(old.as_ref(), &resolved.lock);
        Ok(NewLock { lock: Some(resolved.lock), differs, changes })
    }

    fn differs(&self, old: Option<&Lock>, new: &Lock) -> bool {
        !old.is_some_and(|old| old.matches(&self.recipe) && LockDiff::between(Some(old), new).is_empty())
    }

    /// The failure of a publish that was begun for another recipe.
    fn other_recipe(&self, begun: &BegunPublish) -> Failure {
        let bundle = self.staged.bundle();
        let error = anyhow::anyhow!(
            "an update of an earlier recipe is being published to {} as `{}`",
            begun.region,
            begun.name
        );
        Failure::usage(error.context(self.title.clone())).hint(format!(
            "finish it with that recipe, or delete what it made: `amiforge publish {} --region {} --abandon`",
            bundle.display(),
            begun.region
        ))
    }

    /// Fetches what the new lock pins.
    pub(super) fn fetch(&self, new: &NewLock, setup: &FetchSetup, store: &Store) -> Result<(), Failure> {
        let Some(lock) = &new.lock else { return Ok(()) };
        let fetcher = setup.fetcher(store, self.args.store.jobs(), self.monitor());
        lock::fetch(lock, &self.recipe, &fetcher).map(drop).map_err(|error| {
            fetch::failure(error, self.title.clone(), (&self.recipe, lock), &self.args.recipe, setup.host())
        })
    }

    /// Builds the new image into the folder of the update.
    pub(super) fn build(&self, new: &NewLock) -> Result<Built, Failure> {
        let out = self.staged.bundle();
        let options = BuildOptions {
            out: out.clone(),
            existing: ExistingBundle::Replace,
            threads: self.threads(),
            store: self.args.store.folder(),
            source_date_epoch: source_date_epoch()?,
            lock: new.lock.clone(),
            vendor: None,
            signatures: Vec::new(),
            vex: None,
            on_failure: OnFailure::Stop,
        };
        let named = NamedPaths { recipe: &self.args.recipe, out: &out, on_failure: OnFailure::Shell };
        let built = pipeline::build(&self.recipe, &options, self.monitor());
        let built = built.map_err(|error| build::failure(error, &self.recipe, &named))?;
        build::warn(&built, self.ui);
        Ok(built)
    }

    /// The old version: what the user names, or the bundle that is replaced.
    pub(super) fn old_version(&self) -> Result<Option<OldVersion>, Failure> {
        let path = match &self.args.to.upload.parent_bundle {
            Some(path) => path.clone(),
            None if self.staged.out().is_dir() => self.staged.out().to_owned(),
            None => return Ok(None),
        };
        let file = if path.is_dir() { path.join(bundle::MANIFEST) } else { path.clone() };
        let read = || {
            let text = amiforge_progress::regular::read(&file)?;
            anyhow::Ok(Manifest::parse(&text)?)
        };
        let manifest = read().with_context(|| format!("reading `{}`", file.display()));
        let manifest = manifest.with_context(|| self.title.clone())?;
        Ok(Some(OldVersion { manifest, path }))
    }

    /// The report of what is known after the build.
    pub(super) fn report(&self, new: &NewLock, built: &Built, old: Option<&OldVersion>) -> UpdateReport {
        let manifest = &built.manifest;
        let changed = |old: &OldVersion| dry_run::changed_blocks(&old.manifest.blocks, &manifest.blocks);
        UpdateReport {
            outcome: UpdateOutcome::Built,
            image: self.recipe.image.name.clone(),
            sha256: manifest.plain.to_string(),
            merkle_root: manifest.merkle_root.to_string(),
            sha256_before: old.map(|old| old.manifest.plain.to_string()),
            bundle: self.staged.out().display().to_string(),
            lock: new.lock.as_ref().map(|_| self.staged.lock().display().to_string()),
            lock_changed: new.differs,
            security: new.changes.packages.iter().filter(|package| package.security.is_some()).count(),
            packages: new.changes.packages.clone(),
            held_back: new.changes.held_back.clone(),
            files: None,
            blocks: manifest.without_zero.blocks,
            blocks_changed: old.map(changed),
            boot: None,
            published: None,
            present: None,
            seconds: 0.0,
        }
    }

    /// Checks what can be checked of a publish before the boot, and connects to the region; `None` if nothing is published.
    pub(super) fn prepare_publication(&self, built: &Built) -> Result<Option<Publication>, Failure> {
        if self.args.no_publish {
            return Ok(None);
        }
        let source = self.source()?;
        ami_args::refuse_secrets(&source, &self.title)?;
        ami_args::refuse_unsigned(&source, &self.title)?;
        let facts = ami::image_facts(&source);
        // Any name of the template will do for a check.
        let (to, bundle) = (self.named(self.template_name(built, 1)?), self.staged.bundle());
        let early = to.early_request(&bundle, &facts)?;
        if self.args.dry_run {
            return early.map(|_| None).ok_or_else(call_plan::no_region);
        }
        let connected = to.aws.connect(self.cancel)?;
        to.request(&bundle, &facts, connected.name())?;
        Ok(Some(Publication { connected, facts }))
    }

    /// The account's AMI with the content of the new image.
    pub(super) fn published_already(
        &self,
        publication: Option<&Publication>,
        built: &Built,
    ) -> Result<Option<String>, Failure> {
        let Some(Publication { connected, .. }) = publication else { return Ok(None) };
        let services = connected.services();
        let name = &self.recipe.image.name;
        let work = has_content(&services, name, built.manifest.merkle_root);
        let image = connected.block_on(work).with_context(|| format!("looking for versions of `{name}`"));
        Ok(image.with_context(|| self.title.clone())?.map(|image| image.id))
    }

    /// Compares the files of both images; `None` if only the old manifest is there.
    pub(super) fn compare(&self, old: Option<&OldVersion>) -> Result<Option<FileChanges>, Failure> {
        let Some(old) = old.filter(|old| old.path.is_dir()) else { return Ok(None) };
        let options = DiffOptions { threads: self.threads(), monitor: self.monitor() };
        let report = diff(&old.path, &self.staged.bundle(), options).with_context(|| self.title.clone())?;
        Ok(Some(report.path_counts().into()))
    }

    /// Boots the new image, unless the user does not want that. A publish is only begun after the boot, so one that is
    /// continued has a receipt of it.
    pub(super) fn boot(
        &self,
        begun: Option<&BegunPublish>,
        built: &Built,
    ) -> Result<Option<BootResult>, Failure> {
        if self.args.no_boot {
            return Ok(None);
        }
        if begun.is_some()
            && let Some(recorded) = boot::recorded(&self.staged.bundle(), &built.manifest)
        {
            return Ok(Some(recorded));
        }
        let (machine, showing) = (self.args.machine.clone(), self.args.showing.clone());
        let args = boot::Args::of_bundle(self.staged.bundle(), machine, showing);
        boot::test(&args, self.ui, self.cancel).map(Some)
    }

    /// Shows what a publish would do.
    pub(super) fn plan(&self, built: &Built, old: Option<&OldVersion>) -> Result<(), Failure> {
        let source = self.source()?;
        let mut to = self.named(self.template_name(built, 1)?);
        to.upload.parent_bundle = old.map(|old| old.path.clone());
        let request = to.early_request(&self.staged.bundle(), &ami::image_facts(&source))?;
        let home = request.as_ref().map(|request| request.region.clone()).unwrap_or_default();
        to.show_plan(request, &source, &source_reads(&self.recipe, &home), self.ui).map(drop)
    }

    /// Publishes the new image as a child of the last version.
    pub(super) fn publish(
        &self,
        publication: &Publication,
        begun: Option<&BegunPublish>,
        built: &Built,
    ) -> Result<PublishedVersion, Failure> {
        let Publication { connected, facts } = publication;
        let name = match begun {
            Some(begun) if begun.region == connected.name() => begun.name.clone(),
            _ => self.next_name(connected, built)?,
        };
        let copied = self.staged.copy_parent_manifests(connected.name());
        copied.map_err(|error| staged_failure(error, &self.title, self.args))?;
        let bundle = self.staged.bundle();
        let (published, request) =
            self.named(name).publish(&bundle, facts, connected, self.ui, self.cancel)?;
        let copies = published.copied();
        let version = PublishedVersion {
            image_id: published.image.id.clone(),
            name: request.name,
            region: request.region,
            snapshot_id: published.image.root_snapshot().map(str::to_owned),
            parent: published.uploads.first().and_then(|root| root.parent.clone()),
            blocks_sent: publish::sent(&published),
            copies: copies
                .map(|copy| CopiedImage { region: copy.region.clone(), image_id: copy.image_id.clone() })
                .collect(),
        };
        publish::finish(published)?;
        Ok(version)
    }

    /// The name by the template, with the next number if it has one.
    fn next_name(&self, connected: &ConnectedRegion, built: &Built) -> Result<String, Failure> {
        let (template, values) = (self.name_template(), self.name_values(built));
        if !template.has_number() {
            return self.template_name(built, 1);
        }
        let failed = |error| Failure::usage(anyhow::Error::from(error).context(self.title.clone()));
        let (before, after) = template.around_number(&values).map_err(failed)?;
        let services = connected.services();
        let names = connected.block_on(images_named_like(&services, &before, &after));
        let names = names.with_context(|| format!("looking for AMIs named `{before}…{after}`"));
        let names = names.with_context(|| self.title.clone())?;
        let number = template.next_number(&values, names.iter().map(String::as_str)).map_err(failed)?;
        self.template_name(built, number)
    }

    fn template_name(&self, built: &Built, number: u64) -> Result<String, Failure> {
        let name = self.name_template().name(&self.name_values(built), number);
        name.map_err(|error| Failure::usage(anyhow::Error::from(error).context(self.title.clone())))
    }

    fn name_template(&self) -> NameTemplate {
        let version = self.recipe.image.version.as_deref();
        self.template.clone().unwrap_or_else(|| NameTemplate::default_for(version))
    }

    fn name_values(&self, built: &Built) -> NameValues {
        let root = built.manifest.merkle_root.to_string();
        NameValues {
            name: self.recipe.image.name.clone(),
            version: self.recipe.image.version.clone(),
            content: root.get(..12).unwrap_or_default().to_owned(),
            at: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64),
        }
    }

    /// The options of the publish with a name, and with the newest version as the parent unless another is named. The bundle
    /// of the parent is the user's: it is refused if the parent was made from another one.
    fn named(&self, name: String) -> PublishArgs {
        let mut to = self.args.to.clone();
        to.ami.name = Some(name);
        to.upload.store = self.args.store.folder();
        if !to.upload.import.is_import() {
            to.upload.parent.get_or_insert(ParentChoice::Newest);
        }
        to
    }

    fn source(&self) -> Result<ImageSource, Failure> {
        Ok(ImageSource::open(&self.staged.bundle()).with_context(|| self.title.clone())?)
    }

    fn threads(&self) -> usize {
        self.args.threads.map_or_else(|| EmitOptions::default().threads, usize::from)
    }
}

/// How the packages of two locks differ.
fn changes(old: Option<&Lock>, new: &Lock, records: &[PackageRecord]) -> PackageChanges {
    PackageChanges {
        packages: package_changes(old, new, records).iter().map(PackageJson::from).collect(),
        held_back: held_back(new, records).iter().map(HeldBackJson::from).collect(),
    }
}
