//! `amiforge import`: starts a recipe from a disk image that exists.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use amiforge::import::{ImportOrigin, ImportedDisk, recipe_text};
use amiforge::lock::{Lock, LockedSnapshot};
use amiforge::recipe::Recipe;
use amiforge_formats::container::ContainerError;
use amiforge_formats::digest::Digest;
use amiforge_image::values::image_name;
use amiforge_progress::regular;
use amiforge_rootfs::sources::image::{DiskSourceError, survey};
use anyhow::Context as _;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::outcome::{CommandResult, Failure, Outcome};
use crate::ui::Ui;

/// Start a recipe from a disk image that exists
///
/// The image (raw, qcow2, VMDK, VHD or VHDX, or the disk of a snapshot or an AMI) becomes the source of a recipe that builds
/// as it is, with comments that say what the image holds. Nothing is started, and no privilege is needed.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  amiforge import debian-12.qcow2 -o web && amiforge build web/recipe.toml -o out/web\n  \
    amiforge import ami-0123456789abcdef0 --region eu-west-1 -o web"
)]
pub(crate) struct Args {
    /// The file, a snapshot (`snap-…`), or an AMI (`ami-…`), whose root volume is taken
    image: String,

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
    origin: ImportOrigin,
    /// Of the disk of a snapshot: what the lock pins.
    locked: Option<LockedSnapshot>,
}

/// Runs the command.
pub(crate) fn run(args: &Args, ui: &Ui) -> CommandResult {
    let cannot = || format!("cannot import `{}`", args.image);
    let recipe = args.out.join("recipe.toml");
    if fs::read_dir(&args.out).is_ok_and(|mut entries| entries.next().is_some()) {
        let error = anyhow::anyhow!("`{}` is there already and not empty", args.out.display());
        return Err(Failure::usage(error.context(cannot())).hint("choose a folder that is not there yet"));
    }
    let found = match region_id(&args.image) {
        Some(id) => of_region(args, id, ui)?,
        None => of_file(Path::new(&args.image)).with_context(cannot)?,
    };
    let surveyed =
        survey(found.file, args.partition.as_deref()).map_err(|error| not_read(error, cannot()))?;
    let disk = if args.new_disk { ImportedDisk::New } else { ImportedDisk::Kept };
    let text = recipe_text(&surveyed, &found.origin, &name(&args.out), args.partition.as_deref(), disk);
    fs::create_dir_all(&args.out).with_context(cannot)?;
    write_new(&recipe, text.as_bytes()).with_context(cannot)?;
    let lock = found.locked.map(|locked| write_lock(&recipe, locked)).transpose().with_context(cannot)?;
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

/// The argument, if it is the id of a snapshot or an AMI.
fn region_id(text: &str) -> Option<&str> {
    let digits = text.strip_prefix("snap-").or_else(|| text.strip_prefix("ami-"))?;
    (!digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(text)
}

/// Opens a file and takes its digest.
fn of_file(path: &Path) -> anyhow::Result<FoundImage> {
    let mut file = regular::open(path).with_context(|| format!("opening `{}`", path.display()))?;
    let sha256 = digest(&mut file).with_context(|| format!("reading `{}`", path.display()))?;
    let absolute = std::path::absolute(path)?;
    let path = absolute.to_str().context("the path is not UTF-8, and a recipe is")?.to_owned();
    let origin = ImportOrigin::File { path, sha256 };
    Ok(FoundImage { file, origin, locked: None })
}

/// The digest of a file.
fn digest(file: &mut File) -> io::Result<Digest> {
    let (mut hasher, mut buffer) = (Sha256::new(), vec![0; 1 << 20]);
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(Digest(hasher.finalize().into())),
            len => hasher.update(&buffer[..len]),
        }
    }
}

/// Reads the disk of a snapshot into the store.
#[cfg(all(feature = "aws", feature = "fetch"))]
fn of_region(args: &Args, id: &str, ui: &Ui) -> Result<FoundImage, Failure> {
    use amiforge::lock::resolve::snapshot;
    use amiforge_progress::Monitor;

    let cannot = || format!("cannot import `{id}`");
    let cancel = crate::signals::interrupt_on_signals()?;
    let store = args.store.open()?;
    let _held = store.lock_shared();
    let setup = super::inputs::FetchSetup::from_system().with_copies(&args.copies);
    let fetcher = setup.fetcher(&store, args.store.jobs(), Monitor::new(ui, &cancel));
    let label = format!("source 1 ({id})");
    let locked = snapshot(id, args.region.as_deref(), &label, &fetcher).with_context(cannot);
    let locked = locked.map_err(|error| super::inputs::copy_hint(error.into()))?;
    let path = store.objects().path(locked.sha256);
    let file =
        regular::open(&path).with_context(|| format!("opening `{}`", path.display())).with_context(cannot)?;
    let origin = ImportOrigin::Region { id: id.to_owned(), region: args.region.clone() };
    Ok(FoundImage { file, origin, locked: Some(locked) })
}

#[cfg(not(all(feature = "aws", feature = "fetch")))]
fn of_region(_args: &Args, id: &str, _ui: &Ui) -> Result<FoundImage, Failure> {
    let error = anyhow::anyhow!("this build of amiforge has no client of AWS in it");
    Err(Failure::usage(error.context(format!("cannot import `{id}`"))))
}

/// Writes the lock of a recipe whose only input is the disk of a snapshot.
fn write_lock(recipe: &Path, locked: LockedSnapshot) -> anyhow::Result<PathBuf> {
    let parsed = Recipe::load(recipe)?;
    let path = Lock::path(recipe);
    Lock::of_snapshots(&parsed, vec![locked]).save(&path)?;
    Ok(path)
}

/// The name of the image: that of the folder, if it is valid.
fn name(folder: &Path) -> String {
    let absolute = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    let name = absolute.file_name().unwrap_or_default().to_string_lossy().into_owned();
    image_name(&name, 3, 128).unwrap_or_else(|_| "my-image".to_owned())
}

fn write_new(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let file = OpenOptions::new().write(true).create_new(true).open(path);
    file.and_then(|mut file| file.write_all(bytes)).with_context(|| format!("writing `{}`", path.display()))
}
