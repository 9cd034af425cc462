//! Whose signatures a bundle needs: the policy of `--signed-by`, or the one that `config.toml` demands once for all.

use std::io;
use std::path::{Path, PathBuf};

use amiforge_handover::read::{Handover, is_handover};
use amiforge_image::attestations::{AttestationError, StatedBundle, check_required};
use amiforge_image::image::EmitOptions;
use amiforge_image::signatures::{self, BundleSignatureError, CheckedSignatures};
use amiforge_progress::Monitor;
use amiforge_trust::policy::SigningPolicy;
use anyhow::Context as _;
use serde::Deserialize;

use super::handover;
use crate::outcome::Failure;

/// The argument.
#[derive(Debug, Clone, Default, clap::Args)]
#[group(skip)]
pub(crate) struct SignedByArgs {
    /// Refuse a bundle that is not signed as this policy demands (TOML: who may sign, how many of them, for images of which
    /// names) [default: `signed-by` in `amiforge/config.toml` in `$XDG_CONFIG_HOME`]
    #[arg(long, value_name = "POLICY")]
    signed_by: Option<PathBuf>,
}

/// A policy with the file that it is from.
#[derive(Debug)]
pub(crate) struct Demand {
    path: PathBuf,
    policy: SigningPolicy,
}

/// The settings of a user.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Config {
    /// The policy that bundles have to meet; relative to the folder of the settings.
    signed_by: Option<PathBuf>,
}

impl SignedByArgs {
    /// The policy of the option, else the one of the settings; none if neither names one.
    pub(crate) fn demand(&self) -> Result<Option<Demand>, Failure> {
        let path = match &self.signed_by {
            Some(path) => Some(path.clone()),
            None => configured()?,
        };
        path.map(Demand::read).transpose()
    }

    /// Refuses a bundle that the policy does not accept, if there is one: before anything else of it is trusted. Gives what
    /// was checked. Images without a bundle have no signatures. `cannot` is the first line of a failure.
    #[cfg(feature = "aws")]
    pub(crate) fn require(&self, image: &Path, cannot: &str) -> Result<Option<CheckedSignatures>, Failure> {
        self.demand()?.map(|demand| demand.require(image, cannot)).transpose()
    }
}

/// Refuses a bundle whose manifest was replaced since its signatures were checked. What is uploaded is compared with the
/// manifest, block by block.
#[cfg(feature = "aws")]
pub(crate) fn same_manifest(
    checked: Option<&CheckedSignatures>,
    manifest: Option<amiforge_formats::digest::Digest>,
    cannot: &str,
) -> Result<(), Failure> {
    if checked.is_none_or(|checked| Some(checked.manifest_sha256) == manifest) {
        return Ok(());
    }
    let fact = anyhow::anyhow!("`manifest.json` was replaced while it was read");
    Err(Failure::refused(fact.context(cannot.to_owned())))
}

/// Whether a failure is that of a bundle that is not the one that was signed, rather than of one that too few signed.
pub(crate) fn is_changed(failure: &Failure) -> bool {
    let error = failure.error.chain().find_map(|cause| cause.downcast_ref::<BundleSignatureError>());
    error.is_some_and(|error| error.is_difference() && !matches!(error, BundleSignatureError::NotMet { .. }))
}

/// The policy that the settings name.
fn configured() -> Result<Option<PathBuf>, Failure> {
    let set = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let Some(folder) = set("XDG_CONFIG_HOME").or_else(|| set("HOME").map(|home| home.join(".config"))) else {
        return Ok(None);
    };
    let folder = folder.join("amiforge");
    let path = folder.join("config.toml");
    let cannot = || format!("cannot use the settings `{}`", path.display());
    let text = match amiforge_progress::regular::read_to_string(&path) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        other => other.with_context(cannot)?,
    };
    // A setting that demands signatures must not get lost by a slip of the pen, so nothing unknown is passed over.
    let config: Config = toml::from_str(&text).map_err(|error| {
        Failure::usage(anyhow::Error::from(error).context(cannot()))
            .hint("it has one key: `signed-by = \"policy.toml\"`")
    })?;
    Ok(config.signed_by.map(|policy| folder.join(policy)))
}

impl Demand {
    /// Reads a policy.
    pub(crate) fn read(path: PathBuf) -> Result<Self, Failure> {
        let cannot = || format!("cannot use the policy `{}`", path.display());
        let text = amiforge_progress::regular::read_to_string(&path).with_context(cannot)?;
        let policy = SigningPolicy::parse(&text)
            .map_err(|error| Failure::usage(anyhow::Error::from(error).context(cannot())))?;
        Ok(Self { path, policy })
    }

    /// The policy.
    pub(crate) fn policy(&self) -> &SigningPolicy {
        &self.policy
    }

    /// The file that it is from.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Refuses a bundle that the policy does not accept.
    pub(crate) fn require(&self, image: &Path, cannot: &str) -> Result<CheckedSignatures, Failure> {
        if is_handover(image) {
            let opened = Handover::open(image);
            let opened = opened.map_err(|error| handover::failure(error, cannot.to_owned()))?;
            let checked = handover::accepted(opened.contents(), &self.policy);
            let checked = checked.map_err(|error| self.failure(error, image, cannot))?;
            return match handover::attested(opened.contents(), &self.policy) {
                Ok(()) => Ok(checked),
                Err(reason) => {
                    let error = anyhow::anyhow!(reason).context(format!(
                        "checking the attestations by the policy `{}`",
                        self.path.display()
                    ));
                    Err(Failure::refused(error.context(cannot.to_owned())))
                }
            };
        }
        if !image.is_dir() && image.exists() {
            return Err(self.without_signatures(image, cannot));
        }
        let checked = signatures::check(image, Some(&self.policy));
        let checked = checked.map_err(|error| self.failure(error, image, cannot))?;
        self.require_attestations(image, cannot)?;
        Ok(checked)
    }

    /// Refuses a bundle without the attestations that the policy requires of it.
    fn require_attestations(&self, image: &Path, cannot: &str) -> Result<(), Failure> {
        let checked = StatedBundle::open(image).and_then(|stated| check_required(&stated, &self.policy));
        let Err(error) = checked else { return Ok(()) };
        let shown = image.display();
        let hint = match &error {
            AttestationError::NotMet { kind, refused, .. } if refused.is_empty() => {
                format!("`amiforge sign {shown} --for {kind} --key KEY` signs it")
            }
            AttestationError::NotMet { refused, .. } => {
                format!("attestations that are none of this bundle: {}", refused.join("; "))
            }
            AttestationError::Refused { .. } => {
                "remove the file, or have its signer make it again with `amiforge sign --for attestations`"
                    .to_owned()
            }
            _ => return Err(Failure::from(anyhow::Error::from(error).context(cannot.to_owned()))),
        };
        let error = anyhow::Error::from(error)
            .context(format!("checking the attestations by the policy `{}`", self.path.display()))
            .context(cannot.to_owned());
        Err(Failure::refused(error).hint(hint))
    }

    /// The refusal of what can have no signatures: a raw image, an AMI.
    pub(crate) fn without_signatures(&self, image: &Path, cannot: &str) -> Failure {
        let fact = format!(
            "`{}` is no bundle, so it has no signatures, and the policy `{}` demands them",
            image.display(),
            self.path.display()
        );
        let failure = Failure::refused(anyhow::anyhow!(fact).context(cannot.to_owned()));
        failure.hint(
            "name the folder of a bundle; `amiforge verify ami-… --bundle BUNDLE` compares an AMI with one",
        )
    }

    /// The failure of a bundle that is not accepted: a refusal where it is not as signed.
    pub(crate) fn failure(&self, error: BundleSignatureError, image: &Path, cannot: &str) -> Failure {
        let (shown, policy) = (image.display(), self.path.display());
        let hint = match &error {
            BundleSignatureError::NotMet { refused, .. } if !refused.is_empty() => {
                format!("signatures that are none of this bundle: {}", refused.join("; "))
            }
            BundleSignatureError::NotMet { decision, .. } if decision.threshold.is_none() => {
                format!("add a `[[rule]]` for images of this name to `{policy}`")
            }
            BundleSignatureError::NotMet { .. } => {
                format!(
                    "`amiforge sign {shown} --for bundle --key KEY` signs it; `amiforge verify {shown}` lists who did"
                )
            }
            BundleSignatureError::NotABundle { .. } => {
                "name the folder that `amiforge build -o` wrote".to_owned()
            }
            _ => format!(
                "the bundle is not the one that was signed; `amiforge verify {shown}` lists the differences"
            ),
        };
        let difference = error.is_difference();
        let error = anyhow::Error::from(error)
            .context(format!("checking the signatures by the policy `{policy}`"))
            .context(cannot.to_owned());
        let failure = if difference { Failure::refused(error) } else { Failure::from(error) };
        failure.hint(hint)
    }

    /// Compares the image of an accepted bundle with what was signed.
    pub(crate) fn require_disk(
        &self,
        image: &Path,
        checked: &CheckedSignatures,
        cannot: &str,
        monitor: Monitor<'_>,
    ) -> Result<(), Failure> {
        let compared = signatures::check_files(image, &checked.statement, EmitOptions::default(), monitor);
        compared.map_err(|error| self.failure(error, image, cannot))
    }
}
