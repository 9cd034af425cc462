//! An account of moto with a bundle, its snapshot, two images, a launch template and a group; and the program in it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use amiforge_aws::{AccessKeys, AwsConfig, ConnectOptions};
use amiforge_tests::moto::Moto;
use amiforge_tests::{program, python, scratch};
use serde_json::Value;

use crate::publish::bundles::build;

/// The region of the account.
pub(super) const REGION: &str = "us-east-1";
/// Key id and secret: moto takes any.
const KEY: &str = "testing";

/// An account of moto.
pub(super) struct MotoAccount {
    pub(super) moto: Moto,
    pub(super) folder: tempfile::TempDir,
    /// The bundle and the snapshot that it was uploaded into.
    pub(super) bundle: PathBuf,
    pub(super) snapshot: String,
    /// Two images of the snapshot.
    pub(super) images: [String; 2],
    /// The launch template of the first one, and the instances of the group that launches from it.
    pub(super) template: String,
    pub(super) instances: Vec<String>,
}

impl MotoAccount {
    pub(super) fn new(python: &Path) -> Self {
        let folder = scratch::folder();
        let moto = Moto::recording(python, &folder.path().join("calls"));
        let bundle = build(folder.path(), 1, 8);
        let mut account = Self {
            moto,
            folder,
            bundle,
            snapshot: String::new(),
            images: [String::new(), String::new()],
            template: String::new(),
            instances: Vec::new(),
        };
        let snapshot = account.must(&["upload", &account.bundle_text()]);
        snapshot.trim().clone_into(&mut account.snapshot);
        let made = [account.moto.endpoint.as_str(), &account.snapshot];
        let made: Value = serde_json::from_str(&python::must(python, "moto/account.py", &made)).unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        account.images = [text(&made["images"][0]), text(&made["images"][1])];
        account.template = text(&made["template"]);
        account.instances = made["instances"].as_array().unwrap().iter().map(text).collect();
        account
    }

    pub(super) fn bundle_text(&self) -> String {
        self.bundle.to_string_lossy().into_owned()
    }

    /// Runs the program.
    pub(super) fn run(&self, args: &[&str]) -> Output {
        let mut command = Command::new(program::path());
        command.args(args).args(["--region", REGION, "--endpoint-url", &self.moto.endpoint, "--quiet"]);
        command.env("AWS_ACCESS_KEY_ID", KEY).env("AWS_SECRET_ACCESS_KEY", KEY);
        command.env("XDG_STATE_HOME", self.folder.path().join("state"));
        command.output().unwrap()
    }

    /// Runs the program, which has to succeed. Returns its standard output.
    pub(super) fn must(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// A connection of our clients.
    pub(super) async fn connect(&self) -> AwsConfig {
        let options = ConnectOptions {
            region: Some(REGION.to_owned()),
            endpoint: Some(self.moto.endpoint.clone()),
            keys: Some(AccessKeys { id: KEY.to_owned(), secret: KEY.to_owned() }),
            ..ConnectOptions::default()
        };
        AwsConfig::load(&options).await.unwrap()
    }

    /// The calls until now: service and operation.
    pub(super) fn made(&self) -> BTreeSet<String> {
        let text = std::fs::read_to_string(self.folder.path().join("calls")).unwrap();
        text.lines().map(str::to_owned).collect()
    }
}
