//! `amiforge verify --attest`: the signed summary of a verification.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use amiforge::provenance::summary::{SUMMARY_TYPE, Verification, resource_uri};
use amiforge_attest::UnixTime;
use amiforge_formats::digest::Digest;
use amiforge_formats::time::Time;
use amiforge_image::attestations::{StatedBundle, check};
use amiforge_image::bundle;
use amiforge_image::verify::VerifyReport;
use amiforge_trust::dsse::{DsseEnvelope, IN_TOTO};
use amiforge_trust::keys::PublicKey;
use amiforge_trust::sigstore::SigstoreBundle;
use anyhow::Context as _;

use super::super::attestations::failure;
use super::super::signed_by::Demand;
use super::super::signing_key::KeyArgs;
#[cfg(feature = "aws")]
use crate::cmd::call_plan::DryRunArgs;
#[cfg(feature = "aws")]
use crate::outcome::CommandResult;
use crate::outcome::Failure;
use crate::ui::Ui;

/// The arguments.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Summary")]
#[group(skip)]
pub(crate) struct SummaryArgs {
    /// Sign a summary of this verification (SLSA Verification Summary) with a key, named as for `amiforge sign`; also one that
    /// says that the bundle failed
    #[arg(long, value_name = "KEY", requires = "out")]
    attest: Option<String>,

    /// Where the summary goes: a DSSE envelope if the name ends in `.dsse.json`, else a sigstore bundle
    #[arg(short, long, value_name = "FILE", requires = "attest")]
    out: Option<PathBuf>,

    /// What the image is to its users, in the summary [default: a package URL with name, version and architecture]
    #[arg(long, value_name = "URI", requires = "attest")]
    resource_uri: Option<String>,

    /// The time in the summary, in UTC, as in 2026-08-13T12:00:00Z [default: now]
    #[arg(long, value_name = "TIME", requires = "attest")]
    at: Option<UnixTime>,
}

/// What was verified, and where the key is looked for.
pub(super) struct VerifiedBundle<'a> {
    /// The bundle.
    pub(super) bundle: &'a Path,
    /// What differs.
    pub(super) report: &'a VerifyReport,
    /// The policy, and whether it accepts the bundle.
    pub(super) demand: Option<(&'a Demand, bool)>,
    /// The region of AWS, for a key of KMS.
    #[cfg(feature = "aws")]
    pub(super) aws: &'a super::super::region::Args,
}

impl SummaryArgs {
    /// Shows the calls of the signature, if this was asked for.
    #[cfg(feature = "aws")]
    pub(super) fn planned(
        &self,
        plan: &DryRunArgs,
        aws: &super::super::region::Args,
        cannot: &str,
        ui: &Ui,
    ) -> Option<CommandResult> {
        match &self.attest {
            Some(key) => KeyArgs::new(key, aws).planned(plan, cannot, ui),
            None => plan.refuse_local(cannot.to_owned()).err().map(Err),
        }
    }

    /// Signs and writes the summary, if one is asked for.
    pub(super) fn write(&self, verified: &VerifiedBundle<'_>, ui: &Ui) -> Result<(), Failure> {
        let (Some(key), Some(out)) = (&self.attest, &self.out) else { return Ok(()) };
        let cannot = format!("cannot sign a summary of `{}`", verified.bundle.display());
        let key = KeyArgs::new(
            key,
            #[cfg(feature = "aws")]
            verified.aws,
        );
        let key = key.open(&cannot)?;
        let stated = StatedBundle::open(verified.bundle).map_err(|error| failure(error, verified.bundle))?;
        let attestations = attestations(verified, &stated)?;
        let policy = verified.demand.map(|(demand, met)| policy(demand, met)).transpose()?;
        let resource = self.resource_uri.clone().unwrap_or_else(|| resource_uri(stated.manifest()));
        let verification = Verification {
            manifest: stated.manifest(),
            manifest_sha256: stated.manifest_sha256(),
            report: verified.report,
            at: self.time(),
            policy: policy.as_ref().map(|(name, sha256, met)| (name.as_str(), *sha256, *met)),
            attestations: &attestations,
            resource: &resource,
            provenance: verified.bundle.join(bundle::PROVENANCE).is_file(),
        };
        let payload = verification.summary().to_text().into_bytes();
        let envelope = DsseEnvelope::sign(IN_TOTO, payload, &*key).with_context(|| cannot.clone())?;
        let text = if out.to_string_lossy().ends_with(".dsse.json") {
            envelope.to_text()
        } else {
            SigstoreBundle::new(envelope).with_context(|| cannot.clone())?.to_text()
        };
        fs::write(out, text)
            .with_context(|| format!("writing `{}`", out.display()))
            .with_context(|| cannot)?;
        let result = if verification.passed() { "PASSED" } else { "FAILED" };
        let (out, signer) = (out.display(), key.public().fingerprint());
        ui.status(format_args!("{out}: {SUMMARY_TYPE}: {result}, signed by {signer}"));
        Ok(())
    }

    fn time(&self) -> Time {
        let now = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64);
        Time { secs: self.at.map_or_else(now, |at| at.seconds() as i64), nanos: 0 }
    }
}

/// Name and digest of a policy.
fn policy(demand: &Demand, met: bool) -> Result<(String, Digest, bool), Failure> {
    let path = demand.path();
    let cannot = || format!("cannot use the policy `{}`", path.display());
    let text = amiforge_progress::regular::read(path).with_context(cannot)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok((name, Digest::of(&text), met))
}

/// The files that were read as attestations: the provenance, good signatures of the bundle, and attestations that signers of
/// the policy signed.
fn attestations(
    verified: &VerifiedBundle<'_>,
    stated: &StatedBundle,
) -> Result<Vec<(String, Digest)>, Failure> {
    let signers = verified.demand.iter().flat_map(|(demand, _)| demand.policy().signers());
    let keys: Vec<PublicKey> = signers.flat_map(|signer| signer.keys.clone()).collect();
    let checked = check(stated, &keys).map_err(|error| failure(error, verified.bundle))?;
    let good = checked.into_iter().filter(|one| one.signed_by.as_ref().is_ok_and(|keys| !keys.is_empty()));
    let mut names: Vec<String> = good.map(|one| one.name).collect();
    let signatures = verified.report.signatures.iter().filter(|one| one.problem.is_none());
    names.extend(signatures.map(|one| one.file.clone()));
    names.push(bundle::PROVENANCE.to_owned());
    names.sort();
    let mut digests = Vec::new();
    for name in names {
        let path = verified.bundle.join(&name);
        if path.is_file() {
            let cannot = || format!("cannot digest `{}`", path.display());
            let bytes = amiforge_progress::regular::read(&path).with_context(cannot)?;
            digests.push((name, Digest::of(&bytes)));
        }
    }
    Ok(digests)
}
