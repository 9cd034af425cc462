//! How a command ends: what it gives back, the failure with its hint, and the exit code that follows. Knows no command
//! and no terminal.

#[cfg(feature = "aws")]
use amiforge_publish::fault::ServiceErrorKind;
#[cfg(feature = "aws")]
use amiforge_publish::retry::GaveUp;

/// How a command that did not fail ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// As asked: exit code 0.
    Success,
    /// What was compared or verified differs: exit code 3. The result says how.
    Difference,
}

/// Why a command failed.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The chain of errors; the first says "cannot <verb> <object>".
    pub(crate) error: anyhow::Error,
    /// Whose fault it was.
    pub(crate) class: ErrorClass,
    /// What to do next, often a command to run.
    pub(crate) hint: Option<String>,
}

/// Whose fault a failure was; decides the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ErrorClass {
    /// Something went wrong: exit code 1.
    Failed,
    /// The command line or the recipe is mistaken: exit code 2.
    Usage,
}

impl Failure {
    /// A mistake in the usage or the recipe.
    pub(crate) fn usage(error: anyhow::Error) -> Self {
        Self { error, class: ErrorClass::Usage, hint: None }
    }

    /// The same with a hint.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// A failure as `--json` shows it.
#[derive(Debug, serde::Serialize)]
pub(crate) struct FailureJson {
    /// The service's name for it where a service refused, else `usage`, `interrupted` or `failed`.
    code: String,
    /// What could not be done.
    message: String,
    /// Why, from the general to the particular.
    causes: Vec<String>,
    /// What to do next.
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

impl Failure {
    /// The failure as `--json` shows it.
    pub(crate) fn to_json(&self) -> FailureJson {
        let code = match self.class {
            ErrorClass::Usage => "usage".to_owned(),
            ErrorClass::Failed if self.error.root_cause().to_string() == "interrupted" => {
                "interrupted".to_owned()
            }
            ErrorClass::Failed => self.service_code().unwrap_or_else(|| "failed".to_owned()),
        };
        FailureJson {
            code,
            message: self.error.to_string(),
            causes: self.error.chain().skip(1).map(ToString::to_string).collect(),
            hint: self.hint.clone(),
        }
    }

    #[cfg(feature = "aws")]
    fn service_code(&self) -> Option<String> {
        let fault = &failed_call(&self.error)?.fault;
        Some(fault.code.clone().unwrap_or_else(|| format!("{:?}", fault.kind)))
    }

    #[cfg(not(feature = "aws"))]
    fn service_code(&self) -> Option<String> {
        None
    }
}

impl From<anyhow::Error> for Failure {
    /// A failure of the work. One of a call has the hint that goes with it, whichever command made it.
    fn from(error: anyhow::Error) -> Self {
        #[cfg(feature = "aws")]
        let hint = failed_call(&error).and_then(service_hint);
        #[cfg(not(feature = "aws"))]
        let hint = None;
        Self { error, class: ErrorClass::Failed, hint }
    }
}

/// The call that an error comes from.
#[cfg(feature = "aws")]
fn failed_call(error: &anyhow::Error) -> Option<&GaveUp> {
    error.chain().find_map(|cause| cause.downcast_ref())
}

/// What every command gives back.
pub(crate) type CommandResult = Result<Outcome, Failure>;

/// What to do about a call that the service, or the way to it, refuses.
#[cfg(feature = "aws")]
pub(crate) fn service_hint(gave_up: &GaveUp) -> Option<String> {
    let hint = match gave_up.fault.kind {
        ServiceErrorKind::NoCredentials => {
            "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, choose a `--profile`, or run `aws sso login`"
        }
        ServiceErrorKind::Signature => {
            "check the access key and its secret, this machine's clock, and that the region is enabled for the account"
        }
        ServiceErrorKind::Unreachable => {
            "check the names of the region and the endpoint, HTTPS_PROXY and NO_PROXY"
        }
        ServiceErrorKind::Untrusted => {
            "name a file (PEM) with the certificate authority that signed it in AWS_CA_BUNDLE, or as `ca_bundle` of the \
             profile; without one those of this machine are trusted"
        }
        ServiceErrorKind::Denied => "`amiforge publish … --dry-run` prints the IAM policy that is needed",
        _ => return None,
    };
    Some(hint.to_owned())
}
