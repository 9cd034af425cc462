//! From a disk that is laid out to a bundle: the image, its bill of materials beside it, and the checks of all inputs when
//! the last byte has been read.

mod image_cache;
mod leaks;
pub(super) mod listing;
mod origin;
mod sbom;
pub(super) mod secrets;

use std::io;
use std::path::Path;
use std::thread::ScopedJoinHandle;

use amiforge_formats::time::Time;
use amiforge_formats::tree::Tree;
use amiforge_image::bundle::{BundleTexts, BundleWriter, Document, MEASUREMENTS, ORIGINS, VEX};
use amiforge_image::disk::Disk;
use amiforge_image::image::{EmitOptions, Emitted};
use amiforge_image::inspect::{InspectError, Medium};
use amiforge_image::manifest::{Manifest, ManifestInput, Secret};
use amiforge_image::measure::Measurements;
use amiforge_image::origins::Origins;
use amiforge_image::pcr_policy::PreparedPolicies;
use amiforge_image::secure_boot::PreparedSecureBoot;
use amiforge_machine::preflight;
use amiforge_rootfs::assemble::unchanged;
use amiforge_store::blobs::Blobs;

use super::layers::LayerBuilder;
use super::origins::OriginInputs;
use super::system::Inputs;
use super::{BuildError, InputError};
use crate::provenance::{self, BuildFacts};
use image_cache::ImageCache;

/// An image that is to be written.
pub(super) struct Output<'a> {
    pub(super) disk: &'a Disk,
    /// Every file of it, as the machine sees them.
    pub(super) tree: &'a Tree,
    pub(super) listing: &'a str,
    /// Where its paths come from, without what is known only when all inputs were read.
    pub(super) origins: &'a Origins,
    /// The requests for signatures, or the signatures.
    pub(super) secure_boot: Option<&'a PreparedSecureBoot>,
    /// The policies for PCR 11.
    pub(super) policies: Option<&'a PreparedPolicies>,
    pub(super) epoch: Time,
    /// How the image boots, as EC2 names it.
    pub(super) boot_mode: Option<&'static str>,
    pub(super) blobs: &'a Blobs,
    /// The PCRs of its machines, for an image that they matter for.
    pub(super) measurements: Option<&'a Measurements>,
}

/// Writes the bundle; gives its manifest and the findings of preflight.
///
/// # Errors
/// [`BuildError`]; then there is no bundle.
pub(super) fn write(
    builder: &LayerBuilder<'_>,
    output: &Output<'_>,
    mut inputs: Inputs<'_>,
) -> Result<(Manifest, Vec<String>), BuildError> {
    let Output { disk, tree, listing, origins, secure_boot, policies, epoch, boot_mode, blobs, measurements } =
        *output;
    let cache = ImageCache::of(&disk.plan, blobs, builder.store)?;
    let writer = BundleWriter::open(&builder.options.out, builder.options.existing)?;
    let deferred = &mut inputs.record.deferred;
    let known = cache.known().or_else(|| image_cache::unchanged_file(&disk.plan, blobs));
    let known = known.filter(|_| !deferred.has_layers());
    if known.is_none() {
        deferred.start();
    }
    let random = &inputs.record.random;
    let (emitted, documents, secrets) = std::thread::scope(|scope| {
        let documents = scope.spawn(|| sbom::documents(builder, tree, epoch, blobs));
        let secrets = scope.spawn(|| secrets::list(builder.recipe, tree, blobs, random));
        let threads = EmitOptions { threads: builder.options.threads.max(1) };
        let emitted = writer.write_image(&disk.plan, blobs, &threads, known, builder.monitor);
        (emitted, joined(documents, BuildError::ReadTree), joined(secrets, |error| error))
    });
    let emitted = emitted?;
    let mut documents: Vec<Document> = documents.map_err(|error| BuildError::Documents(Box::new(error)))?;
    documents.extend(builder.options.vex.iter().map(|vex| (VEX, vex.clone())));
    documents.extend(measurements.map(|measurements| (MEASUREMENTS, measurements.document().into())));
    documents.extend(secure_boot.into_iter().flat_map(PreparedSecureBoot::documents));
    documents.extend(policies.into_iter().flat_map(PreparedPolicies::documents));
    let secrets: Vec<Secret> = secrets.map_err(|error| BuildError::Inputs(InputError::Secrets(error)))?;
    check(&mut inputs, &emitted, blobs).map_err(BuildError::Inputs)?;
    documents.push((ORIGINS, completed(origins, &inputs).text().into()));
    documents.sort_unstable_by_key(|(name, _)| *name);
    let mut origin = origin::origin(
        builder,
        (epoch, boot_mode),
        &inputs,
        (secrets, leaks::allowed(builder.recipe)),
        measurements.cloned(),
    );
    let signatures = signatures(policies, secure_boot);
    let predicate = predicate(builder, &inputs, &signatures);
    origin.inputs.extend(signatures);
    let texts = BundleTexts {
        origin,
        secure_boot: secure_boot.map(|prepared| prepared.record(&disk.plan)),
        pcr_policy: policies.map(PreparedPolicies::record),
        listing,
        documents: &documents,
        provenance: Some(&predicate),
    };
    let manifest = writer.finish(disk, &emitted, texts, builder.monitor.cancel)?;
    let findings = findings(builder, &cache, &emitted);
    Ok((manifest, findings))
}

/// The signatures that the build was given: those of policies first, which the others follow from.
fn signatures(
    policies: Option<&PreparedPolicies>,
    secure_boot: Option<&PreparedSecureBoot>,
) -> Vec<ManifestInput> {
    let policies = policies.into_iter().flat_map(PreparedPolicies::inputs);
    policies.chain(secure_boot.into_iter().flat_map(PreparedSecureBoot::inputs)).cloned().collect()
}

/// The predicate of the statement of how the image was built: with the digests that were taken on the way, and signatures.
fn predicate(
    builder: &LayerBuilder<'_>,
    inputs: &Inputs<'_>,
    signatures: &[ManifestInput],
) -> serde_json::Value {
    let mut named = origin::named(builder, inputs);
    named.extend_from_slice(signatures);
    provenance::predicate(&BuildFacts {
        recipe: builder.recipe,
        lock: builder.options.lock.as_ref(),
        source_date_epoch: builder.options.source_date_epoch,
        inputs: &named,
        patches: &inputs.record.patches,
    })
}

/// The origins with the digests of the inputs.
fn completed(origins: &Origins, inputs: &Inputs<'_>) -> Origins {
    let files = inputs.host_files.inputs().filter_map(|input| Some((input.name, input.sha256?))).collect();
    OriginInputs { sources: &inputs.sources.inputs, files }.complete(origins)
}

/// The result of a thread.
fn joined<T, E>(thread: ScopedJoinHandle<'_, Result<T, E>>, failed: fn(io::Error) -> E) -> Result<T, E> {
    thread.join().unwrap_or_else(|_| Err(failed(io::Error::other("its thread ended early"))))
}

/// Checks that every input is what it was or should be. Checks that the digest of the whole image makes unnecessary are
/// skipped.
fn check(inputs: &mut Inputs<'_>, emitted: &Emitted, blobs: &Blobs) -> Result<(), InputError> {
    let Inputs { record, sources, .. } = inputs;
    if emitted.plain_from_cache {
        record.deferred.discard();
    }
    sources.record(&std::mem::take(&mut record.deferred).join()?);
    Ok(unchanged(blobs)?)
}

/// What EC2 will miss in an image that is to boot: from the cache where the image is the known one, else from its bytes.
fn findings(builder: &LayerBuilder<'_>, cache: &ImageCache<'_>, emitted: &Emitted) -> Vec<String> {
    // The bundle is whole; where an entry cannot be kept the next build only takes longer.
    let keep = |findings: Option<&[String]>| {
        if !emitted.plain_from_cache {
            let _ = cache.keep(emitted.known(), findings);
        }
    };
    if builder.recipe.boot.is_none() && !builder.recipe.keep {
        keep(None);
        return Vec::new();
    }
    if let Some(findings) = cache.findings().filter(|_| emitted.plain_from_cache) {
        return findings.to_vec();
    }
    match preflighted(&builder.options.out) {
        Ok(findings) => {
            keep(Some(&findings));
            findings
        }
        // The image is whole already, so this is a warning too.
        Err(error) => {
            keep(None);
            vec![format!("the image could not be looked at for what EC2 needs: {error}")]
        }
    }
}

/// What preflight finds in the bytes of an image.
fn preflighted(bundle: &Path) -> Result<Vec<String>, InspectError> {
    let report = Medium::open(bundle).and_then(|medium| preflight::requirements(&medium))?;
    Ok(report.findings.iter().map(ToString::to_string).collect())
}
