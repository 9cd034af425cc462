//! The outcome of a command: success, difference, or a failure with its hint; the exit code follows from it. Knows no
//! command and no terminal.

#[cfg(feature = "aws")]
use amiforge_publish::retry::RetryExhausted;
#[cfg(feature = "aws")]
use amiforge_publish::service_error::ServiceErrorKind;

/// The outcome of a command that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Done as requested: exit code 0.
    Success,
    /// A comparison or verification found a difference: exit code 3. The result names it.
    Difference,
}

/// Why a command failed.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The chain of errors; the first says "cannot <verb> <object>".
    pub(crate) error: anyhow::Error,
    /// Decides the exit code.
    pub(crate) class: ErrorClass,
    /// What the user can do next, often a command to run.
    pub(crate) hint: Option<String>,
}

/// The class of a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ErrorClass {
    /// The work failed: exit code 1.
    Failed,
    /// The command line or the recipe is invalid: exit code 2.
    Usage,
    /// A check refused what it was asked about, such as a bundle that nobody signed: exit code 3.
    Refused,
}

impl Failure {
    /// A failure caused by the command line or the recipe.
    pub(crate) fn usage(error: anyhow::Error) -> Self {
        Self { error, class: ErrorClass::Usage, hint: None }
    }

    /// A refusal by a check.
    pub(crate) fn refused(error: anyhow::Error) -> Self {
        Self { error, class: ErrorClass::Refused, hint: None }
    }

    /// The same failure with a hint.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// A failure as `--json` shows it.
#[derive(Debug, serde::Serialize)]
pub(crate) struct FailureJson {
    /// The service's code for the error if a service refused a call, else `usage`, `refused`, `interrupted` or `failed`.
    code: String,
    /// What failed: the first message of the chain.
    message: String,
    /// The causes, from the outermost to the innermost.
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
            ErrorClass::Refused => "refused".to_owned(),
            ErrorClass::Failed if self.error.root_cause().to_string() == "interrupted" => {
                "interrupted".to_owned()
            }
            ErrorClass::Failed => service_code(&self.error).unwrap_or_else(|| "failed".to_owned()),
        };
        FailureJson {
            code,
            message: self.error.to_string(),
            causes: self.error.chain().skip(1).map(ToString::to_string).collect(),
            hint: self.hint.clone(),
        }
    }
}

impl From<anyhow::Error> for Failure {
    /// A failure of the work. If a call to a service failed, or a disk is full, the hint for it is added, whichever
    /// command met it.
    fn from(error: anyhow::Error) -> Self {
        #[cfg(feature = "aws")]
        let hint = failed_call(&error).and_then(service_hint);
        #[cfg(not(feature = "aws"))]
        let hint = None;
        let hint = hint.or_else(|| full_disk_hint(&error));
        Self { error, class: ErrorClass::Failed, hint }
    }
}

/// A hint for a disk without room, which the chain of the error names by a path on it.
fn full_disk_hint(error: &anyhow::Error) -> Option<String> {
    let is_full = |cause: &(dyn std::error::Error + 'static)| {
        cause.downcast_ref::<std::io::Error>().is_some_and(|error| {
            matches!(error.kind(), std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded)
        })
    };
    error.chain().any(is_full).then(|| {
        "make room there and run the command again, which goes on with what is done; `amiforge store gc` removes what no \
         build of the last days used, `--store` and `--out` name another disk"
            .to_owned()
    })
}

/// The code of a service's error. The names of [`ServiceErrorKind`] replace a code that the service did not give, so
/// they are part of the JSON output.
#[cfg(feature = "aws")]
fn service_code(error: &anyhow::Error) -> Option<String> {
    let call_error = &failed_call(error)?.error;
    Some(call_error.code.clone().unwrap_or_else(|| format!("{:?}", call_error.kind)))
}

#[cfg(not(feature = "aws"))]
fn service_code(_error: &anyhow::Error) -> Option<String> {
    None
}

/// The failed call in the chain of an error.
#[cfg(feature = "aws")]
fn failed_call(error: &anyhow::Error) -> Option<&RetryExhausted> {
    error.chain().find_map(|cause| cause.downcast_ref())
}

/// The result of every command.
pub(crate) type CommandResult = Result<Outcome, Failure>;

/// A hint for a call that the service refused or that did not reach it.
#[cfg(feature = "aws")]
pub(crate) fn service_hint(failure: &RetryExhausted) -> Option<String> {
    kind_hint(failure.error.kind)
}

/// The same for the class of its error.
#[cfg(feature = "aws")]
pub(crate) fn kind_hint(kind: ServiceErrorKind) -> Option<String> {
    let hint = match kind {
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
        ServiceErrorKind::Denied => {
            "add the action to the IAM policy of the caller; commands that change something print the whole policy with \
             `--dry-run`"
        }
        _ => return None,
    };
    Some(hint.to_owned())
}
