//! `amiforge receipts`: what became of a hand-over, back to the host that wrote it.

#[cfg(feature = "aws")]
mod export;
mod import;
pub(crate) mod kept;
mod list;

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use amiforge_handover::contents::NamedManifest;
use amiforge_handover::read::{Handover, is_handover};
use amiforge_handover::receipts::{FILE_MAX, ReceiptsFile};
use amiforge_image::bundle::MANIFEST;
use anyhow::Context as _;

use crate::outcome::CommandResult;
use crate::ui::Ui;

/// Examples of the command.
pub(crate) const EXAMPLES: &str = "Examples:\n  \
    amiforge receipts export hand-over.amx --region eu-west-1 -o web.amr --key publisher.key\n  \
    amiforge receipts import web.amr out/web --signed-by publishers.toml\n  \
    amiforge receipts list out/web";

/// Take receipts of a publication to a host without a network
///
/// A receipt names the AMIs and snapshots of a publication, who published, and what was read back and compared.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    #[cfg(feature = "aws")]
    Export(export::Args),
    Import(import::Args),
    List(list::Args),
}

/// Runs the command.
pub(crate) fn run(command: &Command, ui: &Ui) -> CommandResult {
    match command {
        #[cfg(feature = "aws")]
        Command::Export(args) => export::run(args, ui),
        Command::Import(args) => import::run(args, ui),
        Command::List(args) => list::run(args, ui),
    }
}

/// The folder beside a bundle or a hand-over that keeps its receipts. It is not in the bundle, so that whatever knows the
/// files of a bundle still finds no other.
fn folder_of(image: &Path) -> anyhow::Result<PathBuf> {
    let reading = || format!("reading `{}`", image.display());
    let real = image.canonicalize().with_context(reading)?;
    let name = real.file_name().with_context(|| format!("`{}` does not end in a name", image.display()))?;
    let mut folder = OsString::from(name);
    folder.push(".receipts");
    Ok(real.with_file_name(folder))
}

/// The manifest of a bundle or a hand-over.
pub(crate) fn manifest_of(image: &Path) -> anyhow::Result<NamedManifest> {
    let text = if is_handover(image) {
        Handover::open(image)?.contents().documents.get(MANIFEST).cloned().unwrap_or_default()
    } else {
        let path = image.join(MANIFEST);
        amiforge_progress::regular::read(&path).with_context(|| format!("reading `{}`", path.display()))?
    };
    NamedManifest::parse(&text)
        .map_err(anyhow::Error::msg)
        .with_context(|| format!("reading the manifest of `{}`", image.display()))
}

/// Writes a new file atomically; `false` if one of this name is there.
fn write_new(path: &Path, bytes: &[u8]) -> io::Result<bool> {
    use std::io::Write as _;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))?;
    file.as_file().sync_all()?;
    match file.persist_noclobber(path) {
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error.error),
        Ok(_) => Ok(true),
    }
}

/// Reads a file of bounded length.
fn read(path: &Path) -> anyhow::Result<ReceiptsFile> {
    use std::io::Read as _;
    let reading = || format!("reading `{}`", path.display());
    let mut bytes = Vec::new();
    let file = amiforge_progress::regular::open(path).with_context(reading)?;
    file.take(FILE_MAX as u64 + 1).read_to_end(&mut bytes).with_context(reading)?;
    ReceiptsFile::parse(&bytes).with_context(reading)
}

/// The signatures of a file, with names for messages.
fn named(file: &ReceiptsFile) -> impl Iterator<Item = (&str, &[u8])> {
    file.signatures.iter().map(|signature| ("signature", signature.as_slice()))
}
