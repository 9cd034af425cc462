//! Whether the IAM policy that a command prints is the least one: sufficient, and without an action that nothing needs.
//! The local region enforces it.
//!
//! A [`Case`] is a command line whose `--dry-run --json` prints a policy under `policy`, and a story: the runs that the
//! policy is for. With the policy nothing may be refused. With any one action left out, the story has to fail with an
//! error that names this action.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use amiforge_emulator::{FaultScript, RegionConfig, RegionServer};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{program, python, scratch, tier};

/// The region of the runs: the program signs with the keys of the environment where the region is not a local one.
pub const REGION: &str = "us-east-1";
/// The account of the runs.
pub const ACCOUNT: &str = amiforge_emulator::ACCOUNT;

/// The access key with a policy.
const KEY: (&str, &str) = ("AKIAUNDERAPOLICY0000", "secret-under-a-policy");
/// How long an instance takes from one state to the next.
const INSTANCE_STEP: Duration = Duration::from_millis(30);
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
    /// The account of the runs.
    account: String,
}

impl Stage {
    /// An empty region.
    pub fn new() -> Self {
        let stage = Self { folder: scratch::folder(), account: ACCOUNT.to_owned() };
        std::fs::create_dir(stage.path("region")).expect("a folder");
        stage
    }

    /// A copy of the region and of the files, in which other runs can follow.
    #[must_use]
    pub fn copy(&self) -> Self {
        let copy = Self { folder: scratch::folder(), account: self.account.clone() };
        copy_folder(self.folder.path(), copy.folder.path());
        copy
    }

    /// Lets the runs that follow be those of another account.
    pub fn set_account(&mut self, account: &str) {
        account.clone_into(&mut self.account);
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
        self.under_faults(policy, FaultScript::default(), args)
    }

    /// Runs the program under a policy in a region that fails as a script says.
    pub fn under_faults(&self, policy: &Value, faults: FaultScript, args: &[&str]) -> Output {
        self.serve_region(Some(policy), |server| {
            server.region().set_faults(faults);
            let endpoint = server.endpoint();
            let mut command = Command::new(program::path());
            command.args(args).current_dir(self.folder.path()).env_clear();
            command.envs([("AWS_ENDPOINT_URL", endpoint.as_str()), ("AWS_REGION", REGION)]);
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

    /// Creates a bucket in the region of the runs.
    pub fn bucket(&self, name: &str) {
        self.serve_region(None, |server| server.region().create_bucket(REGION, name).expect("a bucket"));
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

    /// Calls a function with the endpoint, as a user of the account of the region who may do everything.
    pub fn served<R>(&self, run: impl FnOnce(&str) -> R) -> R {
        self.serve(None, run)
    }

    fn serve<R>(&self, policy: Option<&Value>, run: impl FnOnce(&str) -> R) -> R {
        self.serve_region(policy, |server| run(&server.endpoint()))
    }

    fn serve_region<R>(&self, policy: Option<&Value>, run: impl FnOnce(&RegionServer) -> R) -> R {
        let folder = self.path("region");
        self.write_key(policy);
        let mut config = RegionConfig::new(&folder);
        config.windows.instances = INSTANCE_STEP;
        let server = RegionServer::start(config).expect("the local region starts");
        run(&server)
    }

    fn write_key(&self, policy: Option<&Value>) {
        let mut keys = Vec::new();
        if let Some(policy) = policy {
            keys.push(json!({
                "account": self.account,
                "access_key_id": KEY.0,
                "secret_access_key": KEY.1,
                "policy": policy,
            }));
        }
        let text = Value::from(keys).to_string();
        std::fs::write(self.path("region/accounts.json"), text).expect("accounts.json");
    }
}

impl Default for Stage {
    fn default() -> Self {
        Self::new()
    }
}

/// Copies the files of a folder, with their times and holes: a bundle is known by its digests, a raw file by its times.
fn copy_folder(from: &Path, to: &Path) {
    let status = Command::new("cp").arg("-a").arg(from.join(".")).arg(to).status().expect("cp starts");
    assert!(status.success(), "copying {}", from.display());
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

/// Why an action of a policy cannot be shown to be needed.
#[derive(Debug, Clone, Copy)]
pub struct Unshown<'a> {
    /// The action.
    pub action: &'a str,
    /// The reason, such as a fault that a region without faults does not have.
    pub because: &'a str,
}

/// A command line in a region that is prepared once, and the runs that its policy is for. Before every merge a sample of
/// the actions is left out, at night each.
pub struct PreparedCase<'a> {
    /// The region before the runs.
    pub stage: &'a Stage,
    /// The command line, without `--dry-run`.
    pub command: &'a [&'a str],
    /// The runs under the policy, each with its expected exit code under the whole policy.
    pub story: &'a dyn Fn(&Stage, &Value) -> Vec<Run>,
    /// Actions for checks that the command leaves out, with a message that names the action.
    pub optional: &'a [&'a str],
    /// Actions that the runs do not need.
    pub unshown: &'a [Unshown<'a>],
}

/// Number of actions that are left out before every merge.
const SAMPLE: usize = 3;

impl PreparedCase<'_> {
    /// Checks that the policy is sufficient and minimal.
    ///
    /// # Panics
    /// When it is not; the message lists all actions that are missing or idle.
    pub fn check(&self) {
        let play = |change: &mut dyn FnMut(Value) -> Value| {
            let stage = self.stage.copy();
            let policy = change(stage.policy(self.command));
            let runs = (self.story)(&stage, &policy);
            (policy, runs)
        };
        let unshown: Vec<&str> = self.unshown.iter().map(|one| one.action).collect();
        let tried = |all: &[(usize, usize, String)]| {
            let shown = (0..all.len()).filter(|entry| !unshown.contains(&all[*entry].2.as_str()));
            let shown: Vec<usize> = shown.collect();
            let step = if tier::night() { 1 } else { shown.len().div_ceil(SAMPLE).max(1) };
            shown.into_iter().step_by(step).collect()
        };
        check(self.command, self.optional, &tried, &play);
        // An action that is excused has to be one of the policy.
        let all = entries(&self.stage.copy().policy(self.command));
        for one in self.unshown {
            assert!(all.iter().any(|entry| entry.2 == one.action), "{} is not in the policy", one.action);
        }
    }
}

/// Plays a story under a policy that a function changes; returns that policy.
type Play<'a> = dyn Fn(&mut dyn FnMut(Value) -> Value) -> (Value, Vec<Run>) + 'a;
/// Selects the actions of a policy to leave out.
type Tried<'a> = dyn Fn(&[(usize, usize, String)]) -> Vec<usize> + 'a;

fn check(command: &[&str], optional: &[&str], tried: &Tried<'_>, play: &Play<'_>) {
    let (policy, runs) = play(&mut |policy| policy);
    for run in &runs {
        let text = shown(&run.output);
        assert!(refused(&text).is_none(), "the policy is not sufficient: {text}\n{policy:#}");
        assert_eq!(run.output.status.code(), Some(run.expected), "{text}");
    }
    let all = entries(&policy);
    assert!(!all.is_empty(), "the policy allows nothing: {policy:#}");
    let tried = tried(&all).into_iter();
    let problems: Vec<_> = tried.filter_map(|entry| without_entry(entry, optional, play)).collect();
    assert!(problems.is_empty(), "{command:?}:\n{}\n{policy:#}", problems.join("\n"));
}

impl Case<'_> {
    /// Checks that the policy is sufficient and minimal.
    ///
    /// # Panics
    /// When it is not; the message lists all actions that are missing or idle.
    pub fn check(&self) {
        let play = |change: &mut dyn FnMut(Value) -> Value| {
            let stage = Stage::new();
            (self.prepare)(&stage);
            let policy = change(stage.policy(self.command));
            let runs = (self.story)(&stage, &policy);
            (policy, runs)
        };
        let tried = |all: &[(usize, usize, String)]| {
            let is_tried = |entry: &usize| tier::night() || !self.shown.contains(&all[*entry].2.as_str());
            (0..all.len()).filter(is_tried).collect()
        };
        check(self.command, self.optional, &tried, &play);
    }
}

/// Plays the story with one action left out; why that shows nothing, if so.
fn without_entry(entry: usize, optional: &[&str], play: &Play<'_>) -> Option<String> {
    let mut action = String::new();
    let (_, runs) = play(&mut |policy| {
        let all = entries(&policy);
        action.clone_from(&all[entry].2);
        remove(policy, &all[entry])
    });
    let names = |run: &&Run| refused(&shown(&run.output)).is_some_and(|refused| matches(&action, refused));
    let naming: Vec<&Run> = runs.iter().filter(names).collect();
    let failed = naming.iter().any(|run| !run.output.status.success());
    if naming.is_empty() {
        let texts: Vec<_> = runs.iter().map(|run| shown(&run.output)).collect();
        return Some(format!("without {action} no error names it: {}", texts.join("\n")));
    }
    (!failed && !optional.contains(&action.as_str()))
        .then(|| format!("without {action} nothing fails, although a message names it"))
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
