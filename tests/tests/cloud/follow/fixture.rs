//! A local region with a fleet that boto3 made, and the program that lets it follow.

use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::Duration;

use amiforge_emulator::{FaultRule, FaultScript, InjectedFault, RegionConfig, When};
use amiforge_tests::region::Region;
use amiforge_tests::{program, python, scratch};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A region and its fleet.
pub(super) struct FleetFixture {
    pub(super) region: Region,
    python: PathBuf,
    /// The image before and the image to follow.
    pub(super) images: [String; 2],
    _folder: TempDir,
}

impl FleetFixture {
    /// A fleet; `None` without boto3. `specification` is that of `follow/fleet.py`.
    pub(super) fn new(specification: &Value) -> Option<Self> {
        Self::with(specification, |_| {})
    }

    /// The same in a region with another configuration.
    pub(super) fn with(specification: &Value, set: impl FnOnce(&mut RegionConfig)) -> Option<Self> {
        let python = python::with(&["boto3"])?;
        let folder = scratch::folder();
        let region = Region::with(&folder.path().join("region"), |config| {
            config.windows.instances = Duration::from_millis(30);
            set(config);
        });
        let endpoint = region.running.endpoint();
        let args = ["make".to_owned(), endpoint, specification.to_string()];
        let made: Value = serde_json::from_str(&python::must(&python, "follow/fleet.py", &args)).unwrap();
        let image = |index: usize| made["images"][index].as_str().unwrap().to_owned();
        let images = [image(0), image(1)];
        let fixture = Self { region, python, images, _folder: folder };
        fixture.settle();
        Some(fixture)
    }

    /// Waits until all instances are in service.
    fn settle(&self) {
        for _ in 0..200 {
            let fleet = self.read();
            let groups = fleet["groups"].as_object().unwrap();
            let serves = |group: &Value| {
                let instances = group["Instances"].as_array().unwrap();
                instances.len() as u64 == group["DesiredCapacity"].as_u64().unwrap()
                    && instances.iter().all(|one| one["LifecycleState"] == "InService")
            };
            if groups.values().all(serves) {
                return;
            }
        }
        panic!("the group does not come into service");
    }

    /// The fleet as boto3 parses it.
    pub(super) fn read(&self) -> Value {
        let args = ["read".to_owned(), self.region.running.endpoint()];
        serde_json::from_str(&python::must(&self.python, "follow/fleet.py", &args)).unwrap()
    }

    /// A call by boto3.
    pub(super) fn call(&self, service: &str, operation: &str, parameters: &Value) -> Value {
        let endpoint = self.region.running.endpoint();
        let args = ["call", &endpoint, service, operation, &parameters.to_string()].map(str::to_owned);
        serde_json::from_str(&python::must(&self.python, "follow/fleet.py", &args)).unwrap()
    }

    /// The command of a follow of this region.
    pub(super) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(program::path());
        command.arg("follow").args(args);
        command.args(["--region", "local", "--endpoint-url", &self.region.running.endpoint()]);
        command
    }

    /// Runs a follow.
    pub(super) fn follow(&self, args: &[&str]) -> Output {
        self.command(args).output().expect("amiforge starts")
    }

    /// Runs a follow, which has to end with an exit code; returns standard output and standard error.
    pub(super) fn ends(&self, code: i32, args: &[&str]) -> (String, String) {
        let output = self.follow(args);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert_eq!(output.status.code(), Some(code), "{args:?}: {out}\n{err}");
        (out, err)
    }

    /// Runs a follow with `--json`, which has to succeed.
    pub(super) fn must(&self, args: &[&str]) -> Value {
        let args: Vec<_> = args.iter().copied().chain(["--json"]).collect();
        serde_json::from_str(&self.ends(0, &args).0).unwrap()
    }

    /// Lets every instance of the new image fail its health check.
    pub(super) fn new_image_fails(&self) {
        self.region.inject(FaultScript {
            rules: vec![FaultRule {
                service: Some("autoscaling".to_owned()),
                action: Some("LaunchInstance".to_owned()),
                target: Some(self.images[1].clone()),
                when: When::Always,
                times: None,
                what: InjectedFault::FailLater,
            }],
        });
    }
}

/// The images of the instances of a group, each once.
pub(super) fn images(fleet: &Value, group: &str) -> Vec<String> {
    let mut images: Vec<_> = fleet["groups"][group]["Images"]
        .as_array()
        .unwrap()
        .iter()
        .map(|image| image.as_str().unwrap().to_owned())
        .collect();
    images.sort();
    images.dedup();
    images
}

/// The status of the latest refresh of a group.
pub(super) fn status(fleet: &Value, group: &str) -> String {
    fleet["groups"][group]["Refreshes"][0]["Status"].as_str().unwrap_or("none").to_owned()
}

/// A specification of a group at a version of its template.
pub(super) fn at(version: &str) -> Value {
    json!({ "version": version })
}
