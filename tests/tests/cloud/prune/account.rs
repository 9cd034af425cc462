//! An account of a local region with images that are used in every way, made by boto3.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Output;

use amiforge_tests::region::Region;
use amiforge_tests::{program, python, scratch};
use serde_json::Value;
use tempfile::TempDir;

/// Another account, with which images are shared.
const OTHER: &str = r#"[{"account": "210987654321", "access_key_id": "AKIAOTHERACCOUNT0000", "secret_access_key": "other-secret"}]"#;

/// An account in a local region.
pub(super) struct Account {
    pub(super) folder: TempDir,
    pub(super) region: Region,
    /// Ids by what is special about them.
    pub(super) ids: BTreeMap<String, String>,
    python: PathBuf,
}

impl Account {
    /// The account; none where boto3 is not installed.
    pub(super) fn new() -> Option<Self> {
        let python = python::with(&["boto3"])?;
        let folder = scratch::folder();
        let state = folder.path().join("region");
        std::fs::create_dir_all(&state).unwrap();
        std::fs::write(state.join("accounts.json"), OTHER).unwrap();
        let region = Region::start(&state);
        let text = python::must(&python, "prune/set_up.py", &[region.running.endpoint()]);
        let ids = serde_json::from_str(&text).unwrap();
        Some(Self { folder, region, ids, python })
    }

    /// The id of what is special in a way.
    pub(super) fn id(&self, kind: &str) -> &str {
        self.ids.get(kind).unwrap_or_else(|| panic!("no `{kind}` in {:?}", self.ids))
    }

    /// Images and snapshots as boto3 reads them.
    pub(super) fn read_back(&self) -> Value {
        let text = python::must(&self.python, "prune/read_back.py", &[self.region.running.endpoint()]);
        serde_json::from_str(&text).unwrap()
    }

    /// Retains what is deleted in the recycle bin.
    pub(super) fn retain(&self) {
        python::must(&self.python, "prune/retain.py", &[self.region.running.endpoint()]);
    }

    /// Runs the program on the region.
    pub(super) fn run(&self, args: &[&str]) -> Output {
        let endpoint = self.region.running.endpoint();
        let more = ["--region", "local", "--endpoint-url", &endpoint];
        program::run(&args.iter().copied().chain(more).collect::<Vec<_>>())
    }

    /// Runs the program, which has to exit with a code, and returns its standard output.
    pub(super) fn exits(&self, code: i32, args: &[&str]) -> String {
        let output = self.run(args);
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(code), "{args:?}: {out}\n{err}");
        out.into_owned()
    }

    /// The result of a command as JSON.
    pub(super) fn json(&self, args: &[&str]) -> Value {
        let args: Vec<_> = args.iter().copied().chain(["--json"]).collect();
        serde_json::from_str(&self.exits(0, &args)).unwrap()
    }

    /// Cleans up without waiting between the steps.
    pub(super) fn prune(&self, more: &[&str]) -> Value {
        let at_once = ["prune", "--keep", "1", "--older-than", "0s", "--unused-for", "0s", "--grace", "0s"];
        self.json(&at_once.iter().chain(more).copied().collect::<Vec<_>>())
    }
}
