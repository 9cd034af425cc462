//! The commands, one per file: arguments → one library call → words. Only here and in `main` are errors `anyhow`.

#[cfg(feature = "aws")]
pub(crate) mod ami;
#[cfg(feature = "aws")]
pub(crate) mod aws;
pub(crate) mod boot;
pub(crate) mod build;
pub(crate) mod completions;
pub(crate) mod diff;
pub(crate) mod docs;
#[cfg(feature = "aws")]
pub(crate) mod download;
#[cfg(feature = "fetch")]
pub(crate) mod fetch;
pub(crate) mod inspect;
#[cfg(feature = "local-region")]
pub(crate) mod local;
#[cfg(feature = "fetch")]
pub(crate) mod lock;
pub(crate) mod man;
pub(crate) mod new;
#[cfg(feature = "aws")]
mod plan;
pub(crate) mod preflight;
#[cfg(feature = "aws")]
pub(crate) mod publish;
#[cfg(feature = "aws")]
pub(crate) mod register;
pub(crate) mod repro;
pub(crate) mod schema;
pub(crate) mod store;
#[cfg(feature = "aws")]
pub(crate) mod upload;
pub(crate) mod vendor;
pub(crate) mod verify;

use amiforge_progress::Interrupt;
use anyhow::Context as _;

use crate::cli::Command;
use crate::ui::Ui;

/// How a command that did not fail ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Done {
    /// As asked: exit code 0.
    Well,
    /// What was compared or verified differs: exit code 3. The result says how.
    Differs,
}

/// Why a command failed.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The chain of errors; the first says "cannot <verb> <object>".
    pub(crate) error: anyhow::Error,
    /// Whose fault it was.
    pub(crate) fault: ExitCause,
    /// What to do next, often a command to run.
    pub(crate) hint: Option<String>,
}

/// Whose fault a failure was; decides the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExitCause {
    /// Something went wrong: exit code 1.
    Work,
    /// The command line or the recipe is mistaken: exit code 2.
    Usage,
}

impl Failure {
    /// A mistake in the usage or the recipe.
    pub(crate) fn usage(error: anyhow::Error) -> Self {
        Self { error, fault: ExitCause::Usage, hint: None }
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
    pub(crate) fn shown(&self) -> FailureJson {
        let code = match self.fault {
            ExitCause::Usage => "usage".to_owned(),
            ExitCause::Work if self.error.root_cause().to_string() == "interrupted" => {
                "interrupted".to_owned()
            }
            ExitCause::Work => self.service_code().unwrap_or_else(|| "failed".to_owned()),
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
        let fault = &gave_up(&self.error)?.error;
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
        let hint = gave_up(&error).and_then(ami::of_fault);
        #[cfg(not(feature = "aws"))]
        let hint = None;
        Self { error, fault: ExitCause::Work, hint }
    }
}

/// The call that an error comes from.
#[cfg(feature = "aws")]
fn gave_up(error: &anyhow::Error) -> Option<&amiforge_publish::retry::RetryExhausted> {
    error.chain().find_map(|cause| cause.downcast_ref())
}

/// What every command gives back.
pub(crate) type CommandResult = Result<Done, Failure>;

/// Runs a command.
pub(crate) fn run(command: Command, ui: &Ui) -> CommandResult {
    match command {
        Command::New(args) => new::run(&args, ui),
        #[cfg(feature = "fetch")]
        Command::Lock(args) => lock::run(&args, ui),
        #[cfg(feature = "fetch")]
        Command::Fetch(args) => fetch::run(&args, ui),
        Command::Vendor(args) => vendor::run(&args, ui),
        Command::Build(args) => build::run(&args, ui),
        Command::Inspect(args) => inspect::run(&args, ui),
        Command::Diff(args) => diff::run(&args, ui),
        Command::Verify(args) => verify::run(&args, ui),
        Command::Boot(args) => boot::run(&args, ui),
        Command::Preflight(args) => preflight::run(&args, ui),
        Command::Repro(args) => repro::run(&args, ui),
        Command::Store(args) => store::run(&args, ui),
        #[cfg(feature = "aws")]
        Command::Publish(args) => publish::run(&args, ui),
        #[cfg(feature = "aws")]
        Command::Upload(args) => upload::run(&args, ui),
        #[cfg(feature = "aws")]
        Command::Download(args) => download::run(&args, ui),
        #[cfg(feature = "aws")]
        Command::Register(args) => register::run(&args, ui),
        #[cfg(feature = "local-region")]
        Command::Local(args) => local::run(&args, ui),
        Command::Schema(args) => schema::run(&args, ui),
        Command::Completions(args) => completions::run(&args, ui),
        Command::Man(args) => man::run(&args, ui),
        Command::Docs(args) => docs::run(&args, ui),
    }
}

/// From now on Ctrl-C and SIGTERM raise a flag, for work that cleans up after itself when it sees it. A second one
/// ends the program at once.
pub(crate) fn stop_on_signals() -> anyhow::Result<Interrupt> {
    let interrupt = Interrupt::new();
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM, signal_hook::consts::SIGHUP] {
        // Registered first: at the first signal the flag is not raised yet.
        signal_hook::flag::register_conditional_default(signal, interrupt.flag())
            .context("cannot listen for Ctrl-C")?;
        signal_hook::flag::register(signal, interrupt.flag()).context("cannot listen for Ctrl-C")?;
    }
    Ok(interrupt)
}
