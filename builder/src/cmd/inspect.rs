//! `amiforge inspect`: shows what is in an image.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use amiforge_formats::tree::{Node, NodeId, NodeKind, Tree};
use amiforge_formats::{dump, read_at};
use amiforge_image::bundle::{DISK, MANIFEST};
use amiforge_image::inspect::{
    Contents, DiskView, Extracted, Inside, InspectedPath, LastLink, ListedName, Medium, Overview, Overwrite,
    Owners, PartitionSlot, ReadFileSystem, Recursion, Selector, extract, list, resolve, send,
};
use amiforge_image::manifest::Manifest;
use amiforge_image::secure_boot::{SecureBootError, SignatureState, SignatureStatus, signature_states};
use amiforge_progress::regular;
use anyhow::Context as _;
use serde::Serialize;

use crate::outcome::{CommandResult, Failure, Outcome};
use crate::ui::{Ui, written};

/// Show the partitions, file systems and files of an image
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "clap takes a switch as a bool")]
#[command(after_help = "Examples:\n  amiforge inspect out/web\n  amiforge inspect out/web:root/etc\n  \
    amiforge inspect out/web:root/etc/fstab --cat\n  amiforge inspect out/web:esp --extract esp\n\n\
    PARTITION is a number, a partition's name, or a role such as esp or root; for an image without a partition\n\
    table leave it out: IMAGE:/path.")]
pub(crate) struct Args {
    /// Image, bundle, or IMAGE:PARTITION/path
    #[arg(value_name = "IMAGE[:PARTITION[/PATH]]")]
    target: OsString,

    /// List everything below
    #[arg(short = 'R', long)]
    recursive: bool,

    /// Follow a link at the end of the path, within the image
    #[arg(short = 'L', long)]
    follow: bool,

    /// Write the bytes of a file to standard output
    #[arg(long, conflicts_with_all = ["extract", "dump", "recursive"])]
    cat: bool,

    /// Write a file or the contents of a folder to DEST
    #[arg(long, value_name = "DEST", conflicts_with_all = ["dump", "recursive"])]
    extract: Option<PathBuf>,

    /// With --extract: owners, devices, set-id bits and all attributes as in the image (root only)
    #[arg(long, requires = "extract")]
    owners: bool,

    /// With --extract: replace existing files
    #[arg(long, requires = "extract")]
    force: bool,

    /// Print one line for every name of the file system, in the form of a bundle's tree.txt
    #[arg(long, conflicts_with = "recursive")]
    dump: bool,
}

impl Args {
    /// Whether an option needs a partition or a path.
    fn needs_inside(&self) -> bool {
        self.recursive || self.follow || self.cat || self.extract.is_some() || self.dump
    }
}

/// Runs the command.
pub(crate) fn run(args: &Args, ui: &Ui) -> CommandResult {
    let shown = amiforge_formats::tree::Printable(args.target.as_encoded_bytes()).to_string();
    let cannot = || format!("cannot inspect `{shown}`");
    let target = InspectedPath::parse(&args.target).with_context(cannot).map_err(|error| {
        let failure = Failure::usage(error);
        match below_an_image(Path::new(&args.target)) {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    })?;
    let medium = super::handover::medium(&target.image).with_context(cannot)?;
    let inside = match target.inside {
        Some(inside) => inside,
        None if !args.needs_inside() => return overview(&medium, ui, cannot),
        None => Inside { partition: String::new(), path: Vec::new() },
    };
    let view = DiskView::read(&medium).with_context(cannot)?;
    let slot = view.select(Selector(&inside.partition)).with_context(cannot).map_err(Failure::usage)?;
    let volume = ReadFileSystem::read(&medium, slot).with_context(cannot)?;
    let tree = volume.and_then(|volume| volume.tree).with_context(|| {
        format!("{} holds no files that can be read: {}", slot.title(), slot.content.name())
    });
    let tree = tree.with_context(cannot)?;
    let last = if args.follow { LastLink::Followed } else { LastLink::Kept };
    let at = resolve(&tree, &inside.path, last).with_context(cannot)?;
    let selected =
        InspectTarget { medium: &medium, slot, tree: &tree, at, name: inside.path.last().cloned() };
    selected.run(args, ui, cannot)
}

/// The right form for a path that treats a bundle or an image as a folder of files.
fn below_an_image(target: &Path) -> Option<String> {
    let image = target.ancestors().skip(1).find(|above| above.symlink_metadata().is_ok())?;
    if !image.is_file() && !image.join(DISK).is_file() {
        return None;
    }
    let rest = target.strip_prefix(image).ok()?;
    Some(format!(
        "files in the image are named after a colon and the partition: `{}:root/{}`",
        image.display(),
        rest.display()
    ))
}

/// Shows the partitions of the image.
fn overview(medium: &Medium, ui: &Ui, cannot: impl Fn() -> String) -> CommandResult {
    let overview = Overview::read(medium).with_context(&cannot)?;
    let secure_boot = signatures(medium).with_context(cannot)?;
    if ui.json() {
        ui.object(&OverviewJson { overview: &overview, secure_boot: &secure_boot })?;
        return Ok(Outcome::Success);
    }
    ui.line(overview.to_string().trim_end())?;
    for SignatureJson { path, state, signer } in &secure_boot {
        let signer = signer.as_ref().map(|signer| format!(" by `{signer}`")).unwrap_or_default();
        ui.line(format_args!("Secure Boot: `{path}` is {state}{signer}"))?;
    }
    Ok(Outcome::Success)
}

/// What `--json` shows of an image.
#[derive(Serialize)]
struct OverviewJson<'a> {
    #[serde(flatten)]
    overview: &'a Overview,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    secure_boot: &'a [SignatureJson],
}

/// A program that firmware starts when it is signed.
#[derive(Serialize)]
struct SignatureJson {
    path: String,
    /// `unsigned`, `signed`, or `refused` with the reason.
    state: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    signer: Option<String>,
}

/// The programs of a bundle that enrols Secure Boot. A manifest that cannot be read is for `verify` to name.
fn signatures(medium: &Medium) -> Result<Vec<SignatureJson>, SecureBootError> {
    let text = medium.bundle().and_then(|folder| regular::read(&folder.join(MANIFEST)).ok());
    let manifest = text.and_then(|text| Manifest::parse(&text).ok());
    let (Some(folder), Some(manifest)) = (medium.bundle(), manifest) else { return Ok(Vec::new()) };
    let states = signature_states(folder, &manifest, medium)?;
    let shown = states.into_iter().map(|SignatureState { path, status }| match status {
        SignatureStatus::Unsigned => SignatureJson { path, state: "unsigned".to_owned(), signer: None },
        SignatureStatus::Trusted { signer, .. } => {
            SignatureJson { path, state: "signed".to_owned(), signer: Some(signer) }
        }
        SignatureStatus::Refused(why) => {
            SignatureJson { path, state: format!("refused: {why}"), signer: None }
        }
    });
    Ok(shown.collect())
}

/// The node that the target leads to.
struct InspectTarget<'a> {
    medium: &'a Medium,
    slot: &'a PartitionSlot,
    tree: &'a Tree,
    at: NodeId,
    name: Option<Vec<u8>>,
}

impl InspectTarget<'_> {
    /// Runs the action of the options.
    fn run(&self, args: &Args, ui: &Ui, cannot: impl Fn() -> String) -> CommandResult {
        if args.cat {
            return self.cat(ui, cannot);
        }
        if let Some(dest) = &args.extract {
            let owners = if args.owners { Owners::AsInImage } else { Owners::Mine };
            let overwrite = if args.force { Overwrite::Allowed } else { Overwrite::Never };
            let done = self.extract(dest, owners, overwrite).with_context(cannot)?;
            return show_extracted(&done, ui);
        }
        if args.dump {
            return self.dump(ui);
        }
        let recursion = if args.recursive { Recursion::Everything } else { Recursion::Entries };
        let name = self.name.as_deref().unwrap_or(b"/");
        listing(&list(self.tree, self.at, name, recursion), ui)
    }

    /// The bytes of the partition.
    fn window(&self) -> anyhow::Result<read_at::Window<&Medium>> {
        self.slot.window(self.medium).context("the partition reaches past the end of the disk")
    }

    /// Writes the bytes of a file to standard output.
    fn cat(&self, ui: &Ui, cannot: impl Fn() -> String) -> CommandResult {
        let Node { kind: NodeKind::File(content), .. } = self.tree.node(self.at) else {
            let kind = self.tree.node(self.at).kind.word();
            return Err(anyhow::anyhow!("it is a {kind}, not a file").context(cannot()).into());
        };
        let window = self.window()?;
        let mut out = ui.contents();
        written(send(content, &Contents(window), &mut out).and_then(|_| out.finish()))?;
        Ok(Outcome::Success)
    }

    /// Extracts files to this machine.
    fn extract(
        &self,
        dest: &std::path::Path,
        owners: Owners,
        overwrite: Overwrite,
    ) -> anyhow::Result<Extracted> {
        let window = self.window()?;
        let name = self.name.as_deref().unwrap_or(b"");
        Ok(extract((self.tree, self.at), name, &Contents(window), dest, (owners, overwrite))?)
    }

    /// Prints the dump of the whole file system.
    fn dump(&self, ui: &Ui) -> CommandResult {
        let text = dump::to_string(self.tree);
        if ui.json() {
            let lines: Vec<_> = text.lines().collect();
            ui.object(&lines)?;
        } else {
            ui.line(text.trim_end())?;
        }
        Ok(Outcome::Success)
    }
}

/// Prints a listing.
fn listing(rows: &[ListedName], ui: &Ui) -> CommandResult {
    if ui.json() {
        ui.object(&rows)?;
        return Ok(Outcome::Success);
    }
    let mut out = ui.out();
    for row in rows {
        written(writeln!(out, "{row}"))?;
        if ui.verbose() {
            for (name, value) in &row.xattrs {
                written(writeln!(out, "    {name}={value}"))?;
            }
        }
    }
    written(out.flush())?;
    Ok(Outcome::Success)
}

/// Shows what was extracted, and warns of what was left out.
fn show_extracted(done: &Extracted, ui: &Ui) -> CommandResult {
    if ui.json() {
        ui.object(done)?;
        return Ok(Outcome::Success);
    }
    ui.status(format!("extracted {} names with {} bytes", done.names, done.bytes));
    for (count, what) in [
        (done.devices_left_out, "devices were left out"),
        (done.set_id_dropped, "files lost their set-id bits"),
        (done.xattrs_left_out, "extended attributes were left out"),
    ] {
        if count > 0 {
            ui.warn(format!("{count} {what}; root may keep them with --owners"));
        }
    }
    Ok(Outcome::Success)
}
