//! The unified kernel image that firmware starts: in an image, as a file, or as it is sealed.

use std::io;

use amiforge_formats::arch::Arch;
use amiforge_formats::pe;
use amiforge_formats::plan::{Claims, Data, Plan, Sources};
use amiforge_formats::read_at::{ReadAt, Window};
use amiforge_formats::tree::{Content, NodeId, NodeKind, Origin, Tree};
use amiforge_formats::volume::FsKind;

use super::MeasureError;
use crate::inspect::{Contents, DiskView, InspectError, Medium, ReadFileSystem};

/// The longest section of a loader that is read to name it.
const MAGIC_MAX: u64 = 4096;

/// A file whose bytes are elsewhere, readable at any offset.
pub struct ContentReader<S> {
    plan: Plan,
    sources: S,
}

impl<S: Sources> ContentReader<S> {
    /// A reader of `content`, of which slices are read from `sources`.
    ///
    /// # Errors
    /// `InvalidData` where segments overlap.
    pub fn new(content: &Content, sources: S) -> io::Result<Self> {
        let mut claims = Claims::new(content.len());
        for segment in content.segments() {
            let data = match segment.origin {
                Origin::Inline { bytes, at } => Data::Bytes { bytes, at },
                Origin::Slice { source, at } => Data::Slice { source, at },
            };
            claims.claim(segment.offset, segment.len, data);
        }
        let plan =
            claims.finish(&Data::Zero).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        Ok(Self { plan, sources })
    }
}

impl<S: Sources> ReadAt for ContentReader<S> {
    fn size(&self) -> u64 {
        self.plan.len()
    }

    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.plan.read_exact_at(&self.sources, offset, buf)
    }
}

/// The file that firmware starts.
pub struct UkiFile<'a> {
    /// Its path: on the ESP without `/` at its start, or on this machine.
    pub path: String,
    /// Its bytes.
    pub bytes: Box<dyn ReadAt + 'a>,
}

/// The unified kernel image of an image, or the file itself where it is one.
///
/// # Errors
/// [`MeasureError`]; [`MeasureError::Loader`] where a loader is started first.
pub fn open(medium: &Medium) -> Result<UkiFile<'_>, MeasureError> {
    let mut start = [0; 2];
    // A disk does not start with the two letters of a program.
    if medium.bundle().is_none() && medium.read_exact_at(0, &mut start).is_ok() && start == *b"MZ" {
        let path = medium.path().display().to_string();
        return match loader(medium) {
            Some(loader) => Err(MeasureError::Loader { path, loader }),
            None => Ok(UkiFile { path, bytes: Box::new(medium) }),
        };
    }
    let view = DiskView::read(medium)?;
    match find(medium, &view) {
        Err(MeasureError::NoProgram) if view.table.is_none() => {
            Err(MeasureError::NeitherForm { path: medium.path().to_owned() })
        }
        found => found,
    }
}

/// The unified kernel image on the ESP of a disk.
///
/// # Errors
/// [`MeasureError`]; [`MeasureError::Loader`] where a loader is started first.
pub fn find<'a>(medium: &'a Medium, view: &DiskView) -> Result<UkiFile<'a>, MeasureError> {
    let fat = |content: FsKind| content == FsKind::Fat;
    for slot in view.slots.iter().filter(|slot| slot.content.kind().is_some_and(fat)) {
        let Some(tree) = ReadFileSystem::read(medium, slot)?.and_then(|volume| volume.tree) else { continue };
        let Some(window) = slot.window(medium) else { continue };
        for arch in Arch::ALL {
            let name = arch.firmware().default;
            let Some(id) = lookup(&tree, &["EFI", "BOOT", name]) else { continue };
            let NodeKind::File(content) = &tree.node(id).kind else { continue };
            let path = format!("EFI/BOOT/{name}");
            return program(medium, path, content, window);
        }
    }
    Err(MeasureError::NoProgram)
}

/// A program of the ESP, if it is no loader.
fn program<'a>(
    medium: &Medium,
    path: String,
    content: &Content,
    window: Window<&'a Medium>,
) -> Result<UkiFile<'a>, MeasureError> {
    let failed =
        |source| MeasureError::Image(InspectError::Medium { path: medium.path().to_owned(), source });
    let bytes = ContentReader::new(content, Contents(window)).map_err(failed)?;
    match loader(&bytes) {
        Some(loader) => Err(MeasureError::Loader { path, loader }),
        None => Ok(UkiFile { path, bytes: Box::new(bytes) }),
    }
}

/// What a program without a kernel is; none for one with a kernel, and for one that cannot be read.
fn loader(bytes: &dyn ReadAt) -> Option<&'static str> {
    let headers = pe::read(bytes).ok()?;
    if headers.section(".linux").is_some() {
        return None;
    }
    let magic = headers.content(bytes, ".sdmagic", MAGIC_MAX).ok()?.unwrap_or_default();
    let named = |name: &[u8]| magic.windows(name.len()).any(|window| window == name);
    Some(match () {
        () if named(b"systemd-boot") => "systemd-boot",
        // The image of its modules.
        () if headers.section("mods").is_some() => "GRUB",
        () => "a program without a kernel",
    })
}

/// The node at a path of a FAT file system, whose names are case-insensitive.
fn lookup(tree: &Tree, path: &[&str]) -> Option<NodeId> {
    path.iter().try_fold(tree.root(), |folder, name| {
        let mut entries = tree.entries(folder)?.iter();
        entries.find(|(entry, _)| entry.as_bytes().eq_ignore_ascii_case(name.as_bytes())).map(|(_, id)| *id)
    })
}
