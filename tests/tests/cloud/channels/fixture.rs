//! Two versions of an image, published to three regions, and the program that changes their channel.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use amiforge_emulator::Windows;
use amiforge_lifecycle::api::parameters::Parameters as _;
use amiforge_publish::request::AmiOptions;
use amiforge_tests::{program, python};
use serde_json::Value;

use crate::register::fixture::{AmiFixture, build, texts};

/// The regions of the channel.
pub(crate) const REGIONS: [&str; 3] = ["local", "local-2", "local-3"];
/// The channel's parameter.
pub(crate) const PARAMETER: &str = "/amiforge/web/stable";

/// Two versions, published.
pub(crate) struct ChannelFixture {
    pub(crate) ami: AmiFixture,
    pub(crate) python: PathBuf,
    /// The bundles of versions 1 and 2.
    pub(crate) bundles: [PathBuf; 2],
    /// Their AMIs by region, in the order of [`REGIONS`].
    pub(crate) images: [[String; 3]; 2],
}

impl ChannelFixture {
    /// `None` without boto3.
    pub(crate) fn new() -> Option<Self> {
        let python = python::with(&["boto3"])?;
        let task = std::time::Duration::from_millis(20);
        let ami = AmiFixture::with(|config| config.windows = Windows { task, ..Windows::default() });
        let second = build(ami.folder.path(), "web", 2);
        let bundles = [ami.bundle.clone(), second];
        let images = bundles.each_ref().map(|bundle| {
            let options = AmiOptions { copy_to: texts(&REGIONS[1..]), ..AmiOptions::default() };
            let published = ami.publish_bundle(bundle, &options).unwrap();
            let mut images = vec![published.image.id.clone()];
            images.extend(published.copied().map(|copied| copied.image_id.clone()));
            <[String; 3]>::try_from(images).unwrap()
        });
        ami.region.request_log.clear();
        Some(Self { ami, python, bundles, images })
    }

    fn endpoint(&self) -> String {
        self.ami.region.running.endpoint()
    }

    /// A command of the program with a ledger on a machine of this name.
    pub(crate) fn command(&self, machine: &str, args: &[&str]) -> Command {
        let mut command = Command::new(program::path());
        command.args(args).args(["--region", "local", "--endpoint-url", &self.endpoint()]);
        if args[0] != "channels" {
            command.arg("--state").arg(self.ami.folder.path().join(machine));
        }
        command.stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Output {
        self.command("machine", args).output().unwrap()
    }

    /// Runs the program, which has to succeed; the result as JSON.
    pub(crate) fn must(&self, args: &[&str]) -> Value {
        let output = self.run(&[args, &["--json"]].concat());
        let err = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "amiforge {args:?}: {}\n{err}", output.status);
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Runs the program, which has to fail with an exit code; returns its standard error.
    pub(crate) fn fails(&self, code: i32, args: &[&str]) -> String {
        let output = self.run(args);
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "amiforge {args:?}: {err}");
        err
    }

    /// Arguments that promote a version (1 or 2) by its bundle.
    pub(crate) fn promotion(&self, version: usize) -> Vec<String> {
        let bundle = self.bundles[version - 1].to_string_lossy().into_owned();
        vec!["promote".to_owned(), bundle, "--channel".to_owned(), "stable".to_owned()]
    }

    pub(crate) fn promote(&self, version: usize) -> Value {
        self.must(&self.promotion(version).iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// What boto3 reads in each region, in the order of [`REGIONS`].
    pub(crate) fn read(&self) -> [Value; 3] {
        self.read_parameter(PARAMETER)
    }

    pub(crate) fn read_parameter(&self, name: &str) -> [Value; 3] {
        let endpoint = self.endpoint();
        let args = [&[endpoint.as_str(), name], &REGIONS[..]].concat();
        let text = python::must(&self.python, "channels/read.py", &args);
        let all: Value = serde_json::from_str(&text).unwrap();
        REGIONS.map(|region| all[region].clone())
    }

    /// Does something as others, with boto3; returns what it prints.
    pub(crate) fn act(&self, region: &str, args: &[&str]) -> String {
        let endpoint = self.endpoint();
        let args = [&[endpoint.as_str(), region], args].concat();
        python::must(&self.python, "channels/act.py", &args).trim().to_owned()
    }

    /// Checks by boto3 that every region launches a version, and that its parameter is a channel.
    pub(crate) fn assert_version(&self, version: usize) {
        for (index, held) in self.read().iter().enumerate() {
            let expected = &self.images[version - 1][index];
            assert_eq!(held["value"], Value::from(expected.as_str()), "{}: {held}", REGIONS[index]);
            assert_eq!(held["launches"], held["value"], "{held}");
            assert_eq!(held["type"], "String", "{held}");
            assert_eq!(held["dataType"], "aws:ec2:image", "{held}");
            assert_eq!(held["state"], "available", "{held}");
        }
    }

    /// The version (1 or 2) that each region holds; 0 where there is none. By our client, which takes less time than
    /// boto3.
    pub(crate) fn versions(&self) -> [usize; 3] {
        [0, 1, 2].map(|index| {
            let ssm = self.ami.region.config.in_region(REGIONS[index]).ssm();
            let held = self.ami.region.block_on(ssm.parameter(PARAMETER)).map(|held| held.value);
            let is_of = |version: &usize| held.as_ref().ok() == Some(&self.images[*version - 1][index]);
            [1, 2].into_iter().find(is_of).unwrap_or(0)
        })
    }

    pub(crate) fn bundle(&self, version: usize) -> &Path {
        &self.bundles[version - 1]
    }
}
