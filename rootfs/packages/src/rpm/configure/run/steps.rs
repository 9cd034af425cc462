//! The actions of a plan as steps of the sandbox, and their failures as those of a package's script.

use std::collections::BTreeMap;

use amiforge_formats::tree::{NodeKind, Tree};
use amiforge_sandbox::{OutputTail, SandboxError, SandboxStep};

use super::scripts::ScriptFolder;
use crate::rpm::configure::owners::OwnedFile;
use crate::rpm::configure::plan::{RpmAction, ScriptCall};
use crate::rpm::package::UnpackedRpm;

/// Precedes the name of each step in the output.
const MARK: &str = "amiforge: ";
/// Writes the name of the step, then becomes its program.
const ANNOUNCE: &str = "echo \"$0\" >&2; exec \"$@\"";

/// What steps run, by their names.
#[derive(Debug, Default)]
pub(super) struct StepLabels {
    commands: BTreeMap<String, String>,
}

/// The steps of a plan. `late` are the files whose owners do not exist yet: they get them where rpm would unpack them.
pub(super) fn of(
    tree: &Tree,
    packages: &[UnpackedRpm],
    actions: Vec<RpmAction>,
    folder: &ScriptFolder,
    late: &[OwnedFile<'_>],
) -> (Vec<SandboxStep>, StepLabels) {
    let is_there = |path: &str| amiforge_formats::path::find(tree, path.as_bytes()).ok().flatten().is_some();
    let (shell, chown) = (is_there("/bin/sh"), is_there("/usr/bin/chown") || is_there("/bin/chown"));
    let named = |at: usize| packages.get(at).map_or("", |package| package.locked.name.as_str());
    let (mut steps, mut labels) = (Vec::new(), StepLabels::default());
    for (number, action) in actions.into_iter().enumerate() {
        let (name, argv, input) = match action {
            RpmAction::Run(call) => {
                let name = format!("{} of the package `{}`", call.slot, named(call.package));
                labels.commands.insert(name.clone(), command(&call));
                (name, folder.argv(number, &call), call.input)
            }
            RpmAction::Own(at) => {
                let Some(script) = owners(tree, at, late).filter(|_| shell && chown) else { continue };
                let name = format!("the owners of files of the package `{}`", named(at));
                let argv = ["/bin/sh", "-e", "-s"].map(str::to_owned).to_vec();
                labels.commands.insert(name.clone(), "chown".to_owned());
                (name, argv, Some(script))
            }
        };
        steps.push(step(name, argv, input, shell));
    }
    (steps, labels)
}

fn step(name: String, argv: Vec<String>, input: Option<Vec<u8>>, shell: bool) -> SandboxStep {
    let announced = ["/bin/sh", "-c", ANNOUNCE].map(str::to_owned).into_iter();
    let announced = announced.chain([format!("{MARK}{name}")]).chain(argv.iter().cloned());
    let argv = if shell { announced.collect() } else { argv };
    SandboxStep { input: input.unwrap_or_default(), ..SandboxStep::new(name, argv) }
}

/// How a script was called, for messages.
fn command(call: &ScriptCall) -> String {
    let words: Vec<_> = call.script.program.iter().map(|word| String::from_utf8_lossy(word)).collect();
    let arguments: Vec<String> = call.arguments.iter().map(u32::to_string).collect();
    format!("{} {} {}", words.join(" "), call.slot, arguments.join(" "))
}

/// A script that gives files of a package their owners; the change clears bits of the mode, so that is set again.
fn owners(tree: &Tree, package: usize, late: &[OwnedFile<'_>]) -> Option<Vec<u8>> {
    let mut lines = Vec::new();
    for file in late.iter().filter(|file| file.package == package) {
        let path = quoted(file.path);
        let owner = quoted(format!("{}:{}", file.user, file.group).as_bytes());
        lines.extend([b"chown -h -- ", &owner[..], b" ", &path[..], b"\n"].concat());
        let node = tree.node(file.node);
        if !matches!(node.kind, NodeKind::Symlink(_)) {
            let mode = format!("chmod {:o} ", node.meta.mode);
            lines.extend([mode.as_bytes(), &path[..], b"\n"].concat());
        }
    }
    (!lines.is_empty()).then_some(lines)
}

/// A word of the shell.
fn quoted(text: &[u8]) -> Vec<u8> {
    let mut word = vec![b'\''];
    for byte in text {
        match byte {
            b'\'' => word.extend(b"'\\''"),
            byte => word.push(*byte),
        }
    }
    word.push(b'\'');
    word
}

impl StepLabels {
    /// The error of a step with the script's call in place of the sandbox's command, and its own output only.
    pub(super) fn attribute(&self, error: SandboxError) -> SandboxError {
        let label = |name: &str, command: String| self.commands.get(name).cloned().unwrap_or(command);
        match error {
            SandboxError::Step { name, command, ended, tail } => {
                let (command, tail) = (label(&name, command), own_output(&name, tail));
                SandboxError::Step { name, command, ended, tail }
            }
            SandboxError::Start { name, command, reason } => {
                let command = label(&name, command);
                SandboxError::Start { name, command, reason }
            }
            SandboxError::Limit { name, command, which, limit, tail } => {
                let (command, tail) = (label(&name, command), own_output(&name, tail));
                SandboxError::Limit { name, command, which, limit, tail }
            }
            other => other,
        }
    }
}

/// The output after the last mark of a step.
fn own_output(name: &str, tail: OutputTail) -> OutputTail {
    let mark = format!("{MARK}{name}\n").into_bytes();
    let at = tail.0.windows(mark.len()).rposition(|bytes| bytes == mark);
    match at.and_then(|at| tail.0.get(at + mark.len()..)) {
        Some(own) => OutputTail(own.to_vec()),
        None => tail,
    }
}
