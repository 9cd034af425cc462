//! Whether the IAM policy that a command prints is the least one: sufficient, and without an action that nothing needs.
//! The local region enforces it.
//!
//! A [`Case`] is a command line whose `--dry-run --json` prints a policy under `policy`, and a story: the runs that the
//! policy is for. With the policy nothing may be refused. With any one action left out, the story has to fail with an
//! error that names this action.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use amiforge_emulator::{RegionConfig, RegionServer};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{program, python, scratch, tier};

/// The region of the runs: the program signs with the keys of the environment where the region is not a local one.
pub const REGION: &str = "us-east-1";
/// The account of the runs.
pub const ACCOUNT: &str = amiforge_emulator::ACCOUNT;

/// The access key with a policy.
const KEY: (&str, &str) = ("AKIAUNDERAPOLICY0000", "secret-under-a-policy");
/// How every service names the action that it refuses.
const REFUSED: &str = "is not authorized to perform: ";

/// A command line and the runs that its policy is for.
pub struct Case<'a> {
    /// The command line, without `--dry-run`.
    pub command: &'a [&'a str],
    /// Creates what has to exist before, as a user who may do everything.
    pub prepare: &'a dyn Fn(&Stage),
    /// The runs under the policy, each with its expected exit code under the whole policy.
    pub story: &'a dyn Fn(&Stage, &Value) -> Vec<Run>,
    /// Actions for checks that the command leaves out, with a message that names the action, where they are not
    /// allowed.
    pub optional: &'a [&'a str],
    /// Actions that another case of the command shows to be needed: this one leaves them out at night only.
    pub shown: &'a [&'a str],
}

/// A finished run.
#[derive(Debug)]
pub struct Run {
    /// Its output.
    pub output: Output,
    /// The exit code that it should have.
    pub expected: i32,
}

/// A local region and a folder for the files of the command lines; the server runs only while a command runs, so that
/// each run can have another policy.
#[derive(Debug)]
pub struct Stage {
    folder: TempDir,
}

impl Stage {
    /// An empty region.
    pub fn new() -> Self {
        let stage = Self { folder: scratch::folder() };
        std::fs::create_dir(stage.path("region")).expect("a folder");
        stage
    }

    /// The path of a file in the folder in which the commands run.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file into the folder in which the commands run.
    pub fn file(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.path(name), bytes).expect("a file");
    }

    /// Runs the program under a policy.
    pub fn under(&self, policy: &Value, args: &[&str]) -> Output {
        self.serve(Some(policy), |endpoint| {
            let mut command = Command::new(program::path());
            command.args(args).current_dir(self.folder.path()).env_clear();
            command.envs([("AWS_ENDPOINT_URL", endpoint), ("AWS_REGION", REGION)]);
            command.envs([("AWS_ACCESS_KEY_ID", KEY.0), ("AWS_SECRET_ACCESS_KEY", KEY.1)]);
            command.envs([("AWS_EC2_METADATA_DISABLED", "true"), ("PATH", "/usr/bin:/bin")]);
            command.output().expect("amiforge starts")
        })
    }

    /// Runs the program, which has to succeed, as a user who may do everything. Returns its standard output.
    pub fn must(&self, args: &[&str]) -> String {
        let output = self.without(&[], args);
        assert!(output.status.success(), "amiforge {args:?}: {}", shown(&output));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Runs the program as a user who may do everything but some actions: the run ends where the first of them is
    /// needed.
    pub fn without(&self, actions: &[&str], args: &[&str]) -> Output {
        let mut statements = vec![json!({"Effect": "Allow", "Action": "*", "Resource": "*"})];
        if !actions.is_empty() {
            statements.push(json!({"Effect": "Deny", "Action": actions, "Resource": "*"}));
        }
        self.under(&json!({"Version": "2012-10-17", "Statement": statements}), args)
    }

    /// Runs a script of `tests/oracles` with the endpoint as its first argument; false if there is no Python for it.
    pub fn script(&self, name: &str, modules: &[&str], args: &[&str]) -> bool {
        let Some(python) = python::with(modules) else { return false };
        self.serve(None, |endpoint| {
            let all: Vec<&str> = std::iter::once(endpoint).chain(args.iter().copied()).collect();
            python::must(&python, name, &all);
        });
        true
    }

    /// The policy that a dry run prints.
    pub fn policy(&self, command: &[&str]) -> Value {
        let args: Vec<&str> = ["--json"].iter().chain(command).chain(&["--dry-run"]).copied().collect();
        let text = self.must(&args);
        let plan: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        assert!(plan["policy"].is_object(), "{command:?} --dry-run prints no policy: {text}");
        plan["policy"].clone()
    }

    fn serve<R>(&self, policy: Option<&Value>, run: impl FnOnce(&str) -> R) -> R {
        let folder = self.path("region");
        write_key(&folder, policy);
        let server = RegionServer::start(RegionConfig::new(&folder)).expect("the local region starts");
        run(&server.endpoint())
    }
}

impl Default for Stage {
    fn default() -> Self {
        Self::new()
    }
}

fn write_key(folder: &Path, policy: Option<&Value>) {
    let mut keys = Vec::new();
    if let Some(policy) = policy {
        keys.push(json!({
            "account": ACCOUNT,
            "access_key_id": KEY.0,
            "secret_access_key": KEY.1,
            "policy": policy,
        }));
    }
    std::fs::write(folder.join("accounts.json"), Value::from(keys).to_string()).expect("accounts.json");
}

impl Run {
    /// A run that should succeed.
    pub fn succeeds(output: Output) -> Self {
        Self { output, expected: 0 }
    }

    /// A run that should end with an exit code.
    pub fn ends(output: Output, expected: i32) -> Self {
        Self { output, expected }
    }
}

impl Case<'_> {
    /// Checks that the policy is sufficient and minimal.
    ///
    /// # Panics
    /// When it is not; the message lists all actions that are missing or idle.
    pub fn check(&self) {
        let (policy, runs) = self.play(|policy| policy);
        for run in &runs {
            let text = shown(&run.output);
            assert!(refused(&text).is_none(), "the policy is not sufficient: {text}\n{policy:#}");
            assert_eq!(run.output.status.code(), Some(run.expected), "{text}");
        }
        let all = entries(&policy);
        assert!(!all.is_empty(), "the policy allows nothing: {policy:#}");
        let tried = |entry: &usize| tier::night() || !self.shown.contains(&all[*entry].2.as_str());
        let problems: Vec<_> =
            (0..all.len()).filter(tried).filter_map(|entry| self.without_entry(entry)).collect();
        assert!(problems.is_empty(), "{:?}:\n{}\n{policy:#}", self.command, problems.join("\n"));
    }

    /// Plays the story with one action left out; why that shows nothing, if so.
    fn without_entry(&self, entry: usize) -> Option<String> {
        let mut action = String::new();
        let (_, runs) = self.play(|policy| {
            let all = entries(&policy);
            action.clone_from(&all[entry].2);
            remove(policy, &all[entry])
        });
        let naming: Vec<&Run> = runs
            .iter()
            .filter(|run| refused(&shown(&run.output)).is_some_and(|refused| matches(&action, refused)))
            .collect();
        let failed = naming.iter().any(|run| !run.output.status.success());
        if naming.is_empty() {
            let texts: Vec<_> = runs.iter().map(|run| shown(&run.output)).collect();
            return Some(format!("without {action} no error names it: {}", texts.join("\n")));
        }
        let is_optional = self.optional.contains(&action.as_str());
        (!failed && !is_optional)
            .then(|| format!("without {action} nothing fails, although a message names it"))
    }

    /// Plays the story in a region of its own, under a change of the policy that the command prints there.
    fn play(&self, change: impl FnOnce(Value) -> Value) -> (Value, Vec<Run>) {
        let stage = Stage::new();
        (self.prepare)(&stage);
        let policy = change(stage.policy(self.command));
        let runs = (self.story)(&stage, &policy);
        (policy, runs)
    }
}

/// The actions of a policy: statement, index in it, name.
fn entries(policy: &Value) -> Vec<(usize, usize, String)> {
    let mut all = Vec::new();
    for (number, statement) in policy["Statement"].as_array().expect("statements").iter().enumerate() {
        for (index, action) in statement["Action"].as_array().expect("a list of actions").iter().enumerate() {
            all.push((number, index, action.as_str().expect("an action").to_owned()));
        }
    }
    all
}

fn remove(mut policy: Value, (statement, index, _): &(usize, usize, String)) -> Value {
    let statements = policy["Statement"].as_array_mut().expect("statements");
    let actions = statements[*statement]["Action"].as_array_mut().expect("actions");
    actions.remove(*index);
    if actions.is_empty() {
        statements.remove(*statement);
    }
    policy
}

/// The action that a text says is refused.
fn refused(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once(REFUSED)?;
    rest.split_whitespace().next()
}

/// Whether the name of an action matches an entry of a policy, which may end with `*`.
fn matches(entry: &str, action: &str) -> bool {
    entry.strip_suffix('*').map_or(entry == action, |prefix| action.starts_with(prefix))
}

fn shown(output: &Output) -> String {
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    format!("{}\n{out}\n{err}", output.status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_action_is_left_out_and_an_empty_statement_with_it() {
        let policy = json!({"Statement": [{"Action": ["a:B", "a:C*"]}, {"Action": ["a:D"]}]});
        let all = entries(&policy);
        assert_eq!(all.len(), 3);
        assert_eq!(remove(policy.clone(), &all[0])["Statement"][0]["Action"], json!(["a:C*"]));
        assert_eq!(remove(policy, &all[2])["Statement"].as_array().map(Vec::len), Some(1));
        assert!(matches("a:C*", "a:CD") && matches("a:B", "a:B") && !matches("a:B", "a:BC"));
        assert_eq!(refused("User: x is not authorized to perform: a:B on resource: *"), Some("a:B"));
    }
}
