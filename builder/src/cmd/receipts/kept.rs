//! The receipts that are kept beside a bundle or a hand-over, for every command that looks at them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use amiforge_handover::contents::NamedManifest;
use amiforge_handover::receipts::{NAMESPACE, Receipts};
use amiforge_trust::keys::PublicKey;
use anyhow::Context as _;
use serde::Serialize;

use super::{folder_of, named, read};
use crate::cmd::handover;
use crate::cmd::signed_by::Demand;

/// A receipt that is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct KeptReceipt {
    /// The file.
    pub(crate) file: String,
    /// What it says.
    pub(crate) receipts: Receipts,
    /// Who signed it: names of the policy, or fingerprints.
    pub(crate) signed: Vec<String>,
}

/// The receipts of an image, and what is wrong with others.
#[derive(Debug, Default, Serialize)]
pub(crate) struct KeptReceipts {
    /// Those of this image whose signatures are good, oldest first.
    pub(crate) good: Vec<KeptReceipt>,
    /// One line for each receipt of another image, with a signature that is wrong, or that cannot be read.
    pub(crate) refused: Vec<String>,
}

/// The files of receipts beside an image, by name.
pub(super) fn files(image: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let folder = folder_of(image)?;
    let mut paths = match fs::read_dir(&folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => {
            let entries =
                entries.and_then(|all| all.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>());
            entries.with_context(|| format!("reading `{}`", folder.display()))?
        }
    };
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "amr"));
    paths.sort();
    Ok(paths)
}

/// Checks every receipt beside an image: that it is of this image, that its signatures are good, and whether the policy, if
/// there is one, accepts them.
pub(crate) fn kept(
    image: &Path,
    bundle: &NamedManifest,
    demand: Option<&Demand>,
) -> anyhow::Result<KeptReceipts> {
    let mut all = KeptReceipts::default();
    for path in files(image)? {
        match one(&path, bundle, demand) {
            Ok(receipt) => all.good.push(receipt),
            Err(error) => all.refused.push(format!("the receipt `{}`: {error:#}", path.display())),
        }
    }
    all.good.sort_by_key(|one| one.receipts.time);
    Ok(all)
}

fn one(path: &Path, bundle: &NamedManifest, demand: Option<&Demand>) -> anyhow::Result<KeptReceipt> {
    let file = read(path)?;
    let receipts = file.receipts()?;
    receipts.require_of(bundle)?;
    let (keys, refused) = handover::signers(named(&file), NAMESPACE, &file.text);
    if let Some(reason) = refused.first() {
        anyhow::bail!("a signature of it is not good: {reason}");
    }
    let signed = match demand {
        Some(demand) => handover::decide(demand.policy(), &bundle.manifest.origin.name, &keys, &refused)
            .map_err(|reason| anyhow::anyhow!("it is not accepted: {reason}"))?,
        None => keys.iter().map(PublicKey::fingerprint).collect(),
    };
    Ok(KeptReceipt { file: path.display().to_string(), receipts, signed })
}

/// One line for each AMI of a region that a receipt names.
#[cfg(feature = "aws")]
pub(crate) fn published_before(image: &Path, region: &str) -> Vec<String> {
    // A raw file has no manifest, and no receipts either.
    let Ok(manifest) = super::manifest_of(image) else { return Vec::new() };
    let Ok(kept) = kept(image, &manifest, None) else { return Vec::new() };
    let mut lines = Vec::new();
    for receipt in &kept.good {
        let by = &receipt.receipts.publisher.arn;
        for one in receipt.receipts.images.iter().filter(|one| one.region == region) {
            lines.push(format!("a receipt names {} in {region}, published by {by}", one.image_id));
        }
    }
    lines
}
