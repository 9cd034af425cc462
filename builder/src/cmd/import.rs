//! `amiforge import`: starts a recipe from a disk image that exists.

mod folder;
mod named;

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use amiforge::base_digests;
use amiforge::import::{ImportOrigin, ImportedDisk, recipe_text};
use amiforge::lock::{Lock, LockedSnapshot};
use amiforge::recipe::Recipe;
use amiforge_formats::container::ContainerError;
use amiforge_formats::digest::Digest;
use amiforge_image::values::image_name;
use amiforge_progress::{Monitor, regular};
use amiforge_rootfs::sources::image::{DiskSourceError, survey};
use amiforge_store::Store;
use amiforge_store::stamps::PendingStamp;
use anyhow::Context as _;
use serde::Serialize;

use crate::outcome::{CommandResult, Failure, Outcome};
use crate::signals::interrupt_on_signals;
use crate::ui::Ui;
use folder::NewFolder;
use named::Imported;

/// Start a recipe from a disk image that exists
///
/// The image (raw, qcow2, VMDK, VHD or VHDX, or the disk of a snapshot or an AMI) becomes the source of a recipe that builds
/// as it is, with comments that say what the image holds. Nothing is started, and no privilege is needed.
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "amiforge import [OPTIONS] --out <DIR> <IMAGE>\n       \
                      amiforge import [OPTIONS] --out <DIR> --owner <OWNER> --ami-name <PATTERN>",
    after_help = "Examples:\n  amiforge import debian-12.qcow2 -o web && amiforge build web/recipe.toml -o out/web\n  \
    amiforge import ami-0123456789abcdef0 --region eu-west-1 -o web\n  \
    amiforge import ssm:/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64 --copy -o web\n  \
    amiforge import --owner amazon --ami-name 'al2023-ami-2023.*-x86_64' --copy -o web\n\n\
    An AMI that is named by a parameter, or by its owner and its name, is named so in the recipe; the lock pins the one that it \
    is now, and `amiforge lock --update` asks again."
)]
pub(crate) struct Args {
    /// The file, a snapshot (`snap-…`), or an AMI, whose root volume is taken: `ami-…`, or `ssm:/…` for the one whose id an SSM
    /// parameter holds
    #[arg(required_unless_present = "owner")]
    image: Option<String>,

    #[command(flatten)]
    newest: named::NewestArgs,

    /// Folder to make; its name becomes the image's
    #[arg(short, long, value_name = "DIR")]
    out: PathBuf,

    /// Number, name or type of the partition that holds the root [default: found by its content]
    #[arg(long, value_name = "PARTITION")]
    partition: Option<String>,

    /// Make a new disk of its files, with loaders of amiforge's, although its own could be kept (`boot = "keep"`)
    #[arg(long)]
    new_disk: bool,

    #[cfg(all(feature = "aws", feature = "fetch"))]
    /// Print the calls that read the snapshot and the IAM policy that they need; makes no call
    #[arg(long)]
    dry_run: bool,

    #[cfg(all(feature = "aws", feature = "fetch"))]
    /// Region of the snapshot or the AMI; `local` is one on this machine [default: as AWS tools find it]
    #[arg(long, value_name = "REGION")]
    region: Option<String>,

    #[cfg(all(feature = "aws", feature = "fetch"))]
    #[command(flatten)]
    store: super::inputs::StoreArgs,

    #[cfg(all(feature = "aws", feature = "fetch"))]
    #[command(flatten)]
    copies: super::inputs::SourceCopyArgs,
}

/// The result as JSON.
#[derive(Debug, Serialize)]
struct ImportJson {
    recipe: String,
    lock: Option<String>,
}

/// An image that was found.
struct FoundImage {
    file: File,
    /// Of a file of the user: its path as the recipe names it.
    path: Option<String>,
    /// Of the disk of a snapshot: what the lock pins.
    locked: Option<LockedSnapshot>,
}

/// Runs the command.
pub(crate) fn run(args: &Args, ui: &Ui) -> CommandResult {
    let imported = Imported::read(args)?;
    let cannot = || format!("cannot import `{imported}`");
    #[cfg(all(feature = "aws", feature = "fetch"))]
    if args.dry_run {
        return named::plan(args, &imported, ui);
    }
    let recipe = args.out.join("recipe.toml");
    if fs::read_dir(&args.out).is_ok_and(|mut entries| entries.next().is_some()) {
        let error = anyhow::anyhow!("`{}` is there already and not empty", args.out.display());
        return Err(Failure::usage(error.context(cannot())).hint("choose a folder that is not there yet"));
    }
    let found = match &imported {
        Imported::Region(choice) => named::of_region(args, choice, ui)?,
        Imported::File(path) => of_file(path).with_context(cannot)?,
    };
    let file = found.file.try_clone().with_context(cannot)?;
    let (surveyed, contents) =
        survey(file, args.partition.as_deref()).map_err(|error| not_read(error, cannot()))?;
    let origin = match (found.path, &imported) {
        (None, Imported::Region(choice)) => named::origin(args, choice),
        (path, _) => {
            let path = path.unwrap_or_default();
            let sha256 = digest(args, (&found.file, &path), &contents, ui).with_context(cannot)?;
            ImportOrigin::File { path, sha256 }
        }
    };
    let disk = if args.new_disk { ImportedDisk::New } else { ImportedDisk::Kept };
    let text = recipe_text(&surveyed, &origin, &name(&args.out), args.partition.as_deref(), disk);
    let lock = write_folder(&args.out, &text, found.locked).with_context(cannot)?;
    for warning in &surveyed.warnings {
        ui.warn(warning);
    }
    if ui.json() {
        let lock = lock.map(|path| path.display().to_string());
        ui.object(&ImportJson { recipe: recipe.display().to_string(), lock })?;
    } else {
        ui.line(recipe.display())?;
        let folder = args.out.file_name().unwrap_or_default().to_string_lossy();
        ui.status(format_args!("next: amiforge build {} -o out/{folder}", recipe.display()));
    }
    Ok(Outcome::Success)
}

/// The failure of reading a disk, with its hint.
fn not_read(error: DiskSourceError, cannot: String) -> Failure {
    let hint = match &error {
        DiskSourceError::Container(ContainerError::Io { .. } | ContainerError::Damaged { .. })
        | DiskSourceError::Read(_)
        | DiskSourceError::Gpt(_)
        | DiskSourceError::Mbr(_)
        | DiskSourceError::Volume { .. } => Some(
            "a copy that was cut short looks like this: compare length and digest with those that its publisher states",
        ),
        DiskSourceError::NoRoot { .. } => {
            Some("is this the disk of a whole system? `amiforge inspect FILE` shows what is in it")
        }
        DiskSourceError::NoPartition { .. } | DiskSourceError::Ambiguous { .. } => {
            Some("`--partition` takes the number, name or type of one of them")
        }
        _ => None,
    };
    let failure = Failure::from(anyhow::Error::from(error).context(cannot));
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

/// Opens a file.
fn of_file(path: &Path) -> anyhow::Result<FoundImage> {
    let file = regular::open(path).with_context(|| format!("opening `{}`", path.display()))?;
    let absolute = std::path::absolute(path)?;
    let path = absolute.to_str().context("the path is not UTF-8, and a recipe is")?.to_owned();
    Ok(FoundImage { file, path: Some(path), locked: None })
}

/// Takes the digest of a file. What a build will want to know of it is kept in the store, if there is one that can be written.
fn digest(
    args: &Args,
    (file, path): (&File, &str),
    contents: &[(u64, u64)],
    ui: &Ui,
) -> anyhow::Result<Digest> {
    let metadata = file.metadata()?;
    let stamp = PendingStamp::of(&metadata);
    let cancel = interrupt_on_signals()?;
    let path = Path::new(path);
    let digests = base_digests::take((file, path, metadata.len()), contents, Monitor::new(ui, &cancel))
        .with_context(|| format!("reading `{}`", path.display()))?;
    if let Some(store) = args.digest_store() {
        let _held = store.lock_shared();
        if digests.save(&store).is_ok()
            && let Some(stamp) = stamp
        {
            store.stamps().keep(file, stamp, digests.file.sha256);
        }
    }
    Ok(digests.file.sha256)
}

impl Args {
    /// The store that digests are kept in.
    #[cfg(all(feature = "aws", feature = "fetch"))]
    fn digest_store(&self) -> Option<Store> {
        self.store.folder().map(|folder| Store::at(&folder))
    }

    #[cfg(not(all(feature = "aws", feature = "fetch")))]
    fn digest_store(&self) -> Option<Store> {
        super::inputs::default_store().map(|folder| Store::at(&folder))
    }
}

/// Writes the folder with a recipe, and with its lock where there is one, whose path is given.
fn write_folder(out: &Path, text: &str, locked: Option<LockedSnapshot>) -> anyhow::Result<Option<PathBuf>> {
    let writing = || format!("writing `{}`", out.display());
    let folder = NewFolder::begin(out).with_context(writing)?;
    let recipe = folder.path().join("recipe.toml");
    fs::write(&recipe, text).with_context(writing)?;
    let has_lock = locked.is_some();
    locked.map(|locked| write_lock(&recipe, locked)).transpose()?;
    folder.finish().with_context(writing)?;
    Ok(has_lock.then(|| Lock::path(&out.join("recipe.toml"))))
}

/// Writes the lock of a recipe whose only input is the disk of a snapshot.
fn write_lock(recipe: &Path, locked: LockedSnapshot) -> anyhow::Result<()> {
    let parsed = Recipe::load(recipe)?;
    let path = Lock::path(recipe);
    let named = parsed.snapshots.first().context("the recipe names no snapshot")?;
    // As `lock` writes it: the name of the source, and the choice with the architecture that was found.
    let (label, chosen_by) = (named.label.clone(), named.choice.chosen_by(parsed.image.arch));
    Lock::of_snapshots(&parsed, vec![LockedSnapshot { label, chosen_by, ..locked }]).save(&path)?;
    Ok(())
}

/// The name of the image: that of the folder, if it is valid.
fn name(folder: &Path) -> String {
    let absolute = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    let name = absolute.file_name().unwrap_or_default().to_string_lossy().into_owned();
    image_name(&name, 3, 128).unwrap_or_else(|_| "my-image".to_owned())
}
