//! Keys that sign, by their locations on the command line, and why they do not.

use std::path::{Path, PathBuf};

use amiforge::signer::{self, KeyLocation, SignerError, SigningKey};
#[cfg(feature = "aws")]
use amiforge_lifecycle::call_plan;

#[cfg(feature = "aws")]
use super::call_plan::DryRunArgs;
use crate::outcome::Failure;
#[cfg(feature = "aws")]
use crate::{outcome::CommandResult, ui::Ui};

/// The arguments that name a key.
#[derive(Debug, Clone, clap::Args)]
#[group(skip)]
pub(crate) struct KeyArgs {
    /// The key: a file (OpenSSH, PKCS#8, SEC 1 or PKCS#1; Ed25519, ECDSA on P-256 or P-384, RSA; not encrypted); `agent`,
    /// `agent:` with a fingerprint or comment, or a `.pub` file, for a key of the ssh-agent, FIDO tokens included;
    /// `pkcs11:` with token, object or id, and module-path (RFC 7512), whose PIN is in `AMIFORGE_PKCS11_PIN` or the file of
    /// pin-source; or `awskms:` with an id, an ARN or `alias/…`. Secure Boot takes RSA alone
    #[arg(long, value_name = "KEY", required_unless_present = "request")]
    key: Option<String>,

    /// The public half of a key of a token that does not give it out (`.pub` of OpenSSH, or PEM)
    #[arg(long, value_name = "FILE")]
    public_key: Option<PathBuf>,

    #[cfg(feature = "aws")]
    #[command(flatten)]
    pub(crate) aws: super::region::Args,
}

impl KeyArgs {
    /// A key of another option.
    pub(crate) fn new(key: &str, #[cfg(feature = "aws")] aws: &super::region::Args) -> Self {
        Self {
            key: Some(key.to_owned()),
            public_key: None,
            #[cfg(feature = "aws")]
            aws: aws.clone(),
        }
    }

    /// Where the key is.
    pub(crate) fn location(&self, cannot: &str) -> Result<KeyLocation, Failure> {
        KeyLocation::parse(self.key.as_deref().unwrap_or_default())
            .map_err(|error| failure(error, cannot.to_owned()))
    }

    /// Opens the key. `cannot` is the first line of a failure.
    pub(crate) fn open(&self, cannot: &str) -> Result<Box<dyn SigningKey>, Failure> {
        let failed = |error| failure(error, cannot.to_owned());
        let location = self.location(cannot)?;
        let public = self.public_key.as_deref().map(signer::read_public).transpose().map_err(failed)?;
        match location.open(public.as_ref()).map_err(failed)? {
            Some(key) => Ok(key),
            None => self.kms(&location, cannot),
        }
    }

    #[cfg(feature = "aws")]
    fn kms(&self, location: &KeyLocation, cannot: &str) -> Result<Box<dyn SigningKey>, Failure> {
        let KeyLocation::Kms(name) = location else { return Err(no_client(cannot)) };
        let cancel = crate::signals::interrupt_on_signals()?;
        let connected = self.aws.connect(&cancel)?;
        let key = super::kms_key::KmsKey::open(connected, name, &cancel);
        Ok(Box::new(key.map_err(|error| failure(error, cannot.to_owned()))?))
    }

    /// Shows the calls of a signature, if this was asked for; a key on this machine needs none.
    #[cfg(feature = "aws")]
    pub(crate) fn planned(&self, plan: &DryRunArgs, cannot: &str, ui: &Ui) -> Option<CommandResult> {
        if !plan.is_given() {
            return None;
        }
        match self.location(cannot) {
            Ok(KeyLocation::Kms(key)) => {
                let calls = |region: &str| call_plan::signature(region, &key);
                plan.shown(&format!("sign with the key {key}"), &self.aws, calls, ui)
            }
            Ok(_) => plan.refuse_local(cannot.to_owned()).err().map(Err),
            Err(failure) => Some(Err(failure)),
        }
    }

    #[cfg(not(feature = "aws"))]
    fn kms(&self, _location: &KeyLocation, cannot: &str) -> Result<Box<dyn SigningKey>, Failure> {
        Err(no_client(cannot))
    }
}

fn no_client(cannot: &str) -> Failure {
    Failure::usage(
        anyhow::anyhow!("this build of amiforge has no client of AWS in it").context(cannot.to_owned()),
    )
}

/// The failure of a key, with its hint.
pub(crate) fn failure(error: SignerError, cannot: String) -> Failure {
    let elsewhere = |path: &Path| {
        let key = path.display();
        format!(
            "`ssh-add {key}` and `--key {key}.pub` sign by the ssh-agent; or sign elsewhere (`ssh-keygen -Y sign -n \
             amiforge-bundle -f {key} SHA256SUMS`, for Secure Boot `openssl dgst -sha256 -sign`) and run `amiforge attach`"
        )
    };
    let hint = match &error {
        SignerError::Encrypted { path } | SignerError::OnToken { path } => elsewhere(path),
        SignerError::NoPin => "set AMIFORGE_PKCS11_PIN, or add `pin-source=file:PATH` to the URI".to_owned(),
        SignerError::NoTool { .. } => "install the package `opensc`".to_owned(),
        SignerError::NoAgent => "start one (`eval $(ssh-agent)`), and add a key by `ssh-add`".to_owned(),
        SignerError::AgentKey { available, .. } if available.is_empty() => {
            "`ssh-add KEY` adds one to the agent".to_owned()
        }
        SignerError::AgentKey { available, .. } => {
            format!("write `--key agent:FINGERPRINT`; the agent has {}", available.join(", "))
        }
        SignerError::AgentRefused { .. } => {
            "confirm the agent's question or touch the token; `ssh-add -T KEY.pub` tests the key".to_owned()
        }
        SignerError::Tool { .. } | SignerError::Public { .. } => {
            "where the token does not give out the public half of the key, name it by `--public-key`"
                .to_owned()
        }
        SignerError::OnlySsh { .. } => {
            "a FIDO token signs bundles and inputs; for anything else take another key".to_owned()
        }
        SignerError::Service { .. } => {
            "the caller needs `kms:GetPublicKey` and `kms:Sign` on the key, whose usage is SIGN_VERIFY"
                .to_owned()
        }
        _ => String::new(),
    };
    let usage = matches!(error, SignerError::Uri { .. });
    let error = anyhow::Error::from(error).context(cannot);
    let failure = if usage { Failure::usage(error) } else { Failure::from(error) };
    if hint.is_empty() { failure } else { failure.hint(hint) }
}
