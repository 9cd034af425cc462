//! Signed PCR policies of a build: the public key that the recipe names, the policies that follow from what was sealed, and the
//! signatures that the caller brought. No private key is read.

use amiforge_formats::digest::Digest;
use amiforge_formats::pcr::{PcrError, PolicyKey};
use amiforge_formats::pe::PeError;
use amiforge_image::measure::ContentReader;
use amiforge_image::pcr_policy::{self, PcrPolicy, PreparedPolicies, is_policy_id};
use amiforge_image::seal::{self, LateValues, Sealed};
use amiforge_image::secure_boot::GivenSignature;
use amiforge_store::blobs::Blobs;

use super::boot::Boot;
use super::secure_boot::read_host_file;
use super::system::host_files::HostFiles;
use super::{BuildError, BuildOptions};
use crate::recipe::Recipe;

/// The policies that the recipe asks for; `None` where it asks for none.
///
/// # Errors
/// [`BuildError::PolicyKey`], [`BuildError::HostFile`].
pub(super) fn policy(
    recipe: &Recipe,
    host_files: &mut HostFiles<'_>,
    blobs: &mut Blobs,
) -> Result<Option<PcrPolicy>, BuildError> {
    let Some(asked) = &recipe.trust.pcr_policy else { return Ok(None) };
    let pem = read_host_file(&asked.key, host_files, blobs)?;
    let key = PolicyKey::parse(&pem)
        .map_err(|source| BuildError::PolicyKey { name: asked.key.name.clone(), source })?;
    Ok(Some(PcrPolicy { key, phases: asked.phases.clone() }))
}

/// The signatures of policies among those that the caller brought.
fn given(options: &BuildOptions) -> Vec<GivenSignature> {
    options.signatures.iter().filter(|one| is_policy_id(&one.id)).cloned().collect()
}

/// What is sealed in place of the signatures while only lengths count; `None` where no signature is given.
fn placeholder(policy: Option<&PcrPolicy>, options: &BuildOptions) -> Option<String> {
    policy.filter(|_| !given(options).is_empty()).map(pcr_policy::placeholder)
}

/// Seals an image with placeholders for what is not known yet: the result has its final lengths.
///
/// # Errors
/// [`BuildError::Seal`].
pub(super) fn seal_draft(
    boot: Option<&Boot>,
    root_hash: Option<Digest>,
    policy: Option<&PcrPolicy>,
    options: &BuildOptions,
) -> Result<Sealed, BuildError> {
    seal(boot, &LateValues { root_hash, pcr_signatures: placeholder(policy, options) })
}

/// Makes the files that firmware starts; none for a recipe without `[boot]`.
fn seal(boot: Option<&Boot>, late: &LateValues) -> Result<Sealed, BuildError> {
    Ok(boot.map(|boot| seal::seal(&boot.spec, late)).transpose()?.unwrap_or_default())
}

/// Seals an image with the signatures of its policies. Those follow from the image without them.
///
/// # Errors
/// [`BuildError::Seal`]; [`BuildError::PcrPolicy`] where it is not known what the image measures; [`BuildError::Signing`];
/// [`BuildError::NoPcrPolicy`].
pub(super) fn seal_signed(
    boot: Option<&Boot>,
    root_hash: Option<Digest>,
    policy: Option<PcrPolicy>,
    options: &BuildOptions,
    blobs: &Blobs,
) -> Result<(Sealed, Option<PreparedPolicies>), BuildError> {
    let given = given(options);
    let mut late = LateValues { root_hash, pcr_signatures: placeholder(policy.as_ref(), options) };
    let sealed = seal(boot, &late)?;
    let path = boot.and_then(|boot| boot.spec.uki_path());
    let (Some(policy), Some(path)) = (policy, path) else {
        return if given.is_empty() { Ok((sealed, None)) } else { Err(BuildError::NoPcrPolicy) };
    };
    let failed = |source| BuildError::PcrPolicy(PcrError::Image(PeError::Io { at: 0, len: 0, source }));
    let file = sealed.esp.iter().find(|file| file.path == path);
    let file = file.ok_or(BuildError::PcrPolicy(PcrError::NoKernel))?;
    let bytes = ContentReader::new(&file.content, blobs).map_err(failed)?;
    let requests = pcr_policy::requests(&bytes, &policy).map_err(BuildError::PcrPolicy)?;
    drop(bytes);
    if given.is_empty() {
        return Ok((sealed, Some(PreparedPolicies { path, policy, requests, signed: None })));
    }
    let signed = pcr_policy::sign(&policy, &requests, &given)?;
    late.pcr_signatures = Some(signed.section.clone());
    let sealed = seal(boot, &late)?;
    Ok((sealed, Some(PreparedPolicies { path, policy, requests, signed: Some(signed) })))
}

/// The warning for policies that nothing can be opened by yet.
pub(super) fn unsigned_warning(
    prepared: Option<&PreparedPolicies>,
    options: &BuildOptions,
) -> Option<String> {
    let out = options.out.display();
    prepared.is_some_and(|prepared| prepared.signed.is_none()).then(|| {
        format!(
            "the PCR policies of the image are not signed, so nothing that is bound to their key opens on it: sign the files \
             `{out}/signing/pcr11-*.tbs`, and build again with `--signature ID=FILE` for each"
        )
    })
}
