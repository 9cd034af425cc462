//! What `import` is asked for: a file, or what names the disk of a snapshot, which is read into the store.

use std::fmt;
use std::path::PathBuf;

use amiforge::import::ImportOrigin;
use amiforge::recipe::disk_choice::{check_name, check_owner};
use amiforge::recipe::{Arch, DiskChoice};

use super::{Args, FoundImage};
use crate::outcome::Failure;
use crate::ui::Ui;

/// The options that choose an AMI by its name.
#[derive(Debug, clap::Args)]
pub(super) struct NewestArgs {
    /// Take the newest AMI of this owner: `amazon`, `self`, or an account by its twelve digits
    #[arg(long, value_name = "OWNER", requires = "ami_name", conflicts_with = "image")]
    owner: Option<String>,

    /// Name of the newest AMI, in which `*` stands for any characters and `?` for one
    #[arg(long, value_name = "PATTERN", requires = "owner")]
    ami_name: Option<String>,

    /// Architecture of the newest AMI, where its name leaves it open
    #[arg(long, value_name = "ARCH", requires = "owner", value_parser = arch)]
    arch: Option<Arch>,
}

/// Parses an architecture by amiforge's name or by EC2's.
fn arch(text: &str) -> Result<Arch, String> {
    Arch::by_name(text).ok_or_else(|| "neither `x86_64` nor `aarch64` (`arm64`)".to_owned())
}

/// What is imported.
pub(super) enum Imported {
    /// A file.
    File(PathBuf),
    /// The disk of a snapshot.
    Region(DiskChoice),
}

impl Imported {
    /// As the command line names it.
    pub(super) fn read(args: &Args) -> Result<Self, Failure> {
        let mistake = |sentence: String| {
            Failure::usage(anyhow::anyhow!(sentence).context("cannot tell which image to import"))
        };
        if let Some(image) = &args.image {
            return match DiskChoice::of_argument(image) {
                Some(choice) => choice.map(Self::Region).map_err(mistake),
                None => Ok(Self::File(PathBuf::from(image))),
            };
        }
        let owner = args.newest.owner.clone().unwrap_or_default();
        let name = args.newest.ami_name.clone().unwrap_or_default();
        check_owner(&owner).and_then(|()| check_name(&name)).map_err(mistake)?;
        Ok(Self::Region(DiskChoice::Newest { owner, name }))
    }
}

impl fmt::Display for Imported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Region(choice) => choice.fmt(f),
        }
    }
}

/// Reads the disk of a snapshot into the store.
#[cfg(all(feature = "aws", feature = "fetch"))]
pub(super) fn of_region(args: &Args, choice: &DiskChoice, ui: &Ui) -> Result<FoundImage, Failure> {
    use amiforge::fetch::WantedDisk;
    use amiforge::lock::snapshots::pin;
    use amiforge_progress::{Monitor, regular};
    use anyhow::Context as _;

    use crate::cmd::inputs::{FetchSetup, copy_hint};

    let cannot = || format!("cannot import `{choice}`");
    let cancel = crate::signals::interrupt_on_signals()?;
    let store = args.store.open()?;
    let _held = store.lock_shared();
    let setup = FetchSetup::from_system().with_copies(&args.copies);
    let fetcher = setup.fetcher(&store, args.store.jobs(), Monitor::new(ui, &cancel));
    let wanted = WantedDisk { choice, arch: args.newest.arch, region: args.region.as_deref() };
    let pinned = pin(&wanted, "source 1", &[], &fetcher).with_context(cannot);
    let (locked, notes) = pinned.map_err(|error| copy_hint(error.into()))?;
    for note in notes {
        ui.status(note);
    }
    let path = store.objects().path(locked.sha256);
    let file =
        regular::open(&path).with_context(|| format!("opening `{}`", path.display())).with_context(cannot)?;
    Ok(FoundImage { file, path: None, locked: Some(locked) })
}

#[cfg(not(all(feature = "aws", feature = "fetch")))]
pub(super) fn of_region(_args: &Args, choice: &DiskChoice, _ui: &Ui) -> Result<FoundImage, Failure> {
    let error = anyhow::anyhow!("this build of amiforge has no client of AWS in it");
    Err(Failure::usage(error.context(format!("cannot import `{choice}`"))))
}

/// The origin of a disk of a region, as the recipe names it.
pub(super) fn origin(args: &Args, choice: &DiskChoice) -> ImportOrigin {
    #[cfg(all(feature = "aws", feature = "fetch"))]
    let region = args.region.clone();
    #[cfg(not(all(feature = "aws", feature = "fetch")))]
    let region = {
        let _ = args;
        None
    };
    ImportOrigin::Region { choice: choice.clone(), region }
}

/// Shows the calls that read the disk of a snapshot.
#[cfg(all(feature = "aws", feature = "fetch"))]
pub(super) fn plan(args: &Args, imported: &Imported, ui: &Ui) -> crate::outcome::CommandResult {
    use crate::cmd::source_plan::{planned, show};

    let reads = match imported {
        Imported::File(_) => Vec::new(),
        Imported::Region(choice) => vec![planned(choice, args.region.as_deref())?],
    };
    show(&format!("import of `{imported}`"), &reads, &args.copies, ui)
}
