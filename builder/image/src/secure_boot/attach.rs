//! Attaching signatures: a bundle with its signatures in their places, made from the bundle without them.
//!
//! Nothing is written before every signature has been checked as firmware will check it. The new bundle is written beside
//! its path and gets it by one rename, so a bundle is unsigned or signed, never in between. It is byte for byte the one that
//! a build with the same signatures gives.

use std::path::Path;

use amiforge_formats::digest::Digest;
use amiforge_formats::read_at::ReadAt as _;
use amiforge_progress::Monitor;

use super::bundle_state::{check_program, esp};
use super::program::{EspProgram, SignatureStatus, open};
use super::proof::{Patch, patches, plan, prove};
use super::signing::{by_request, ids, signed_table};
use super::{GivenSignature, OpenBundle, SecureBootError, SecureBootRecord, predict};
use crate::bundle::{self, BundleWriter, ExistingBundle};
use crate::image::EmitOptions;
use crate::inspect::{Contents, Medium};
use crate::manifest::{Manifest, SIGNATURE_INPUT};
use crate::provenance::with_signatures;
use crate::seal::UKI_ID;

/// Where the signed bundle goes, and how it is written.
#[derive(Debug, Clone, Copy)]
pub struct AttachOptions<'a> {
    /// Its path; none to replace the bundle.
    pub out: Option<&'a Path>,
    /// What to do when `out` is taken.
    pub existing: ExistingBundle,
    /// How the image is written.
    pub emit: EmitOptions,
}

/// A bundle whose signatures were attached.
#[derive(Debug)]
pub struct Attached {
    /// Its manifest.
    pub manifest: Manifest,
    /// Its programs.
    pub programs: Vec<AttachedFile>,
    /// The blocks of the image that changed.
    pub changed: Vec<u64>,
}

/// A program that was signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttachedFile {
    /// Its id.
    pub id: String,
    /// Its path on the EFI system partition.
    pub path: String,
    /// Name of the signer's certificate.
    pub signer: String,
}

/// Attaches signatures to a bundle: one for each of its requests.
///
/// # Errors
/// [`SecureBootError`]; then nothing was written.
pub fn attach(
    opened: &OpenBundle,
    given: &[GivenSignature],
    options: &AttachOptions<'_>,
    monitor: Monitor<'_>,
) -> Result<Attached, SecureBootError> {
    let out = options.out.unwrap_or(&opened.folder);
    let existing = if options.out.is_some() { options.existing } else { ExistingBundle::Replace };
    let out = &bundle::resolve(out, existing)?;
    bundle::check_vacant(out, existing)?;
    let ordered = by_request(&ids(opened.requests()), given)?;
    let medium = Medium::open_raw(&opened.folder.join(bundle::DISK)).map_err(SecureBootError::Image)?;
    let (record, all) = place(opened, &ordered, &medium)?;

    let writer = BundleWriter::open(out, existing)?;
    let plan = plan(&opened.manifest, &all);
    let emitted = writer.write_image(&plan, &Contents(&medium), &options.emit, None, monitor)?;
    let written = Medium::open_raw(&writer.disk()).map_err(SecureBootError::Image)?;
    let changed = prove(&opened.manifest, &emitted.blocks, &all, (&medium, &written))?;
    let mut manifest = signed_manifest(&opened.manifest, &record, &ordered, &emitted);
    let programs = read_back(opened, &record, &written)?;
    let measured = measure_again(opened, &mut manifest, &written)?;
    let documents = opened.documents.iter().map(|(name, bytes)| match &measured {
        Some(text) if *name == bundle::MEASUREMENTS => (*name, text.as_bytes()),
        _ => (*name, bytes.as_slice()),
    });
    let documents = documents.collect();
    let predicate = opened.predicate.as_ref().map(|old| with_signatures(old, &manifest.origin.inputs));
    writer.finish_with(&manifest, documents, predicate.as_ref(), monitor.cancel)?;
    Ok(Attached { manifest, programs, changed })
}

/// Checks the programs and the signatures; gives what the manifest will say, and the bytes that change, sorted.
fn place(
    opened: &OpenBundle,
    given: &[&GivenSignature],
    medium: &Medium,
) -> Result<(SecureBootRecord, Vec<Patch>), SecureBootError> {
    if medium.size() != opened.manifest.size {
        let problem = format!("has {} bytes, and the manifest says {}", medium.size(), opened.manifest.size);
        return Err(SecureBootError::ProgramDiffers { program: bundle::DISK.to_owned(), problem });
    }
    let esp = esp(medium, &opened.manifest)?;
    let (mut record, mut all) = (opened.record.clone(), Vec::new());
    for ((expected, request), given) in record.programs.iter_mut().zip(opened.requests()).zip(given) {
        let program = EspProgram::read(medium, &esp, &expected.path)?;
        check_program(&program, expected)?;
        let (table, signature) = signed_table(request, given, opened.keys())?;
        all.extend(patches(&expected.ranges, &table));
        expected.signature = Some(signature);
    }
    all.sort_by_key(|patch| patch.start);
    Ok((record, all))
}

/// The manifest of the signed image.
fn signed_manifest(
    old: &Manifest,
    record: &SecureBootRecord,
    given: &[&GivenSignature],
    emitted: &crate::image::Emitted,
) -> Manifest {
    let mut origin = old.origin.clone();
    origin.inputs.retain(|input| input.kind != SIGNATURE_INPUT);
    origin.inputs.extend(given.iter().map(|one| one.input()));
    Manifest {
        origin,
        secure_boot: Some(record.clone()),
        merkle_root: emitted.blocks.merkle_root(),
        without_free: emitted.blocks.without_free(),
        without_zero: emitted.blocks.without_zero(),
        blocks: emitted.blocks.clone(),
        plain: emitted.plain,
        ..old.clone()
    }
}

/// Predicts the PCRs of an image whose manifest has them once more, now that its signature says which entry of `db` verifies
/// it. Gives the text of the document.
fn measure_again(
    opened: &OpenBundle,
    manifest: &mut Manifest,
    written: &Medium,
) -> Result<Option<String>, SecureBootError> {
    let uki = opened.record.programs.iter().find(|program| program.id == UKI_ID);
    let (Some(_), Some(uki)) = (&manifest.origin.measurements, uki) else { return Ok(None) };
    let (_, bytes) = open(written, &esp(written, &opened.manifest)?, &uki.path)?;
    let measurements = predict(&bytes, Some(opened.keys())).map_err(SecureBootError::Measure)?;
    let text = measurements.document();
    manifest.documents.insert(bundle::MEASUREMENTS.to_owned(), Digest::of(text.as_bytes()));
    manifest.origin.measurements = Some(measurements);
    Ok(Some(text))
}

/// Reads the programs of the image that was written, and checks them as firmware does.
fn read_back(
    opened: &OpenBundle,
    record: &SecureBootRecord,
    written: &Medium,
) -> Result<Vec<AttachedFile>, SecureBootError> {
    let esp = esp(written, &opened.manifest)?;
    let mut programs = Vec::new();
    for expected in &record.programs {
        let program = EspProgram::read(written, &esp, &expected.path)?;
        check_program(&program, expected)?;
        let (id, path) = (expected.id.clone(), expected.path.clone());
        match program.status(opened.keys()) {
            SignatureStatus::Trusted { signer, .. } => programs.push(AttachedFile { id, path, signer }),
            SignatureStatus::Unsigned => {
                let problem = "has no signature after it was attached".to_owned();
                return Err(SecureBootError::ProgramDiffers { program: path, problem });
            }
            SignatureStatus::Refused(problem) => {
                return Err(SecureBootError::ProgramDiffers { program: path, problem });
            }
        }
    }
    Ok(programs)
}
