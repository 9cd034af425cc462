//! The life of an image, as `docs/life.md` tells it: published to three regions, followed by a group of ten, updated,
//! rolled back, cleaned up, and rebuilt where a region was lost. Each step is read by boto3.
#![expect(clippy::unwrap_used, reason = "a test that cannot prepare its case fails")]

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::Duration;

use amiforge_emulator::Windows;
use amiforge_tests::archive::noise;
use amiforge_tests::debs::{Deb, Signing, Suite};
use amiforge_tests::lock_fixture::LockFixture;
use amiforge_tests::region::Region;
use amiforge_tests::{program, python};
use serde_json::{Value, json};

const REGIONS: [&str; 3] = ["local", "local-2", "local-3"];
const PARAMETER: &str = "/amiforge/web/stable";
/// 2026-11-01.
const FIRST: i64 = 1_793_491_200;

const RECIPE: &str = "[image]\nname = \"web\"\narch = \"x86_64\"\n[disk]\nsize = \"128 MiB\"\n\
    [[partition]]\nrole = \"esp\"\nsize = \"34 MiB\"\n[[partition]]\nrole = \"root\"\n\
    [[source]]\nkind = \"deb\"\ndistribution = \"tests\"\nsuites = [\"stable\"]\nbase = \"none\"\n\
    keyring = \"archive.gpg\"\nscripts = \"none\"\npackages = [\"app\"]\n";

/// A recipe with its archive, and a local region.
struct Story {
    files: LockFixture,
    region: Region,
    python: PathBuf,
}

impl Story {
    /// `None` without gpg or boto3.
    fn new() -> Option<Self> {
        let python = python::with(&["boto3"])?;
        let files = LockFixture::new(&[])?;
        fs::write(files.path("recipe.toml"), RECIPE).unwrap();
        let short = Duration::from_millis(20);
        let windows = Windows { task: short, instances: short, ..Windows::default() };
        let region = Region::with(&files.path("region"), |config| config.windows = windows);
        Some(Self { files, region, python })
    }

    /// Puts a version of the package into the archive.
    fn archive(&self, version: u32) {
        let app = Deb::new("app", &format!("{version}.0"))
            .file("/usr/lib/app", &noise(1 << 20, version))
            .file("/usr/lib/base", &noise(6 << 20, 99));
        let date = FIRST + i64::from(version) * 86_400;
        Suite::new("stable", vec![app])
            .date(date)
            .write(&self.files.path("archive"), Signing::Inline(&self.files.key));
    }

    /// Arguments of every command: the region, and a ledger of this test.
    fn finish(&self, mut command: Command, region: &str) -> Output {
        command.args(["--region", region, "--endpoint-url", &self.region.running.endpoint()]);
        command.env("XDG_STATE_HOME", self.files.path("state"));
        command.output().unwrap()
    }

    fn run_in(&self, region: &str, args: &[&str]) -> Output {
        let mut command = Command::new(program::path());
        command.args(args);
        self.finish(command, region)
    }

    /// Runs the program, which has to succeed.
    fn must(&self, args: &[&str]) -> Value {
        succeeded(&self.run_in("local", &[args, &["--json"]].concat()))
    }

    /// Makes and publishes the next version; returns the report.
    fn update(&self, version: u32) -> Value {
        self.archive(version);
        let mirror = format!("file://{}", self.files.path("archive").display());
        let mut command = self.files.command("update", &mirror);
        command.args(["--json", "--no-boot", "--copy-to", "local-2,local-3"]);
        command.arg("--out").arg(self.out());
        let report = succeeded(&self.finish(command, "local"));
        assert_eq!(report["outcome"], "published", "{report}");
        report
    }

    fn out(&self) -> PathBuf {
        self.files.path("out")
    }

    fn promote(&self) {
        self.must(&["promote", &self.out().to_string_lossy(), "--channel", "stable"]);
    }

    fn follow(&self) {
        self.must(&["follow", "--channel", "web/stable"]);
    }

    fn boto3(&self, region: &str, args: &[&str]) -> String {
        let endpoint = self.region.running.endpoint();
        python::must(&self.python, "story.py", &[&[endpoint.as_str(), region], args].concat())
    }

    fn call(&self, region: &str, service: &str, operation: &str, parameters: &Value) -> Value {
        let text = self.boto3(region, &[service, operation, &parameters.to_string()]);
        serde_json::from_str(&text).unwrap()
    }

    /// The AMIs that the channel names, in the order of [`REGIONS`].
    fn channel(&self) -> [String; 3] {
        REGIONS.map(|region| {
            let held = self.call(region, "ssm", "get_parameter", &json!({ "Name": PARAMETER }));
            held["Parameter"]["Value"].as_str().unwrap().to_owned()
        })
    }

    /// The AMIs that the ten instances of the group run, each once.
    fn runs(&self) -> Vec<String> {
        let described = self.call("local", "ec2", "describe_instances", &json!({}));
        let reservations = described["Reservations"].as_array().unwrap().iter();
        let instances = reservations.flat_map(|one| one["Instances"].as_array().unwrap());
        let running: Vec<_> = instances.filter(|one| one["State"]["Name"] == "running").collect();
        assert_eq!(running.len(), 10, "{described}");
        let mut images: Vec<_> =
            running.iter().map(|one| one["ImageId"].as_str().unwrap().to_owned()).collect();
        images.sort();
        images.dedup();
        images
    }

    /// A group of ten that follows the channel, made by others.
    fn group(&self, image: &str) {
        let data = json!({ "ImageId": image, "InstanceType": "t3.micro" });
        let template = json!({ "LaunchTemplateName": "web", "LaunchTemplateData": data });
        self.call("local", "ec2", "create_launch_template", &template);
        let group = json!({
            "AutoScalingGroupName": "web", "MinSize": 0, "MaxSize": 20, "DesiredCapacity": 10,
            "AvailabilityZones": ["locala"],
            "LaunchTemplate": { "LaunchTemplateName": "web", "Version": "$Default" },
            "Tags": [{ "Key": "amiforge:follow", "Value": "web/stable", "PropagateAtLaunch": false }],
        });
        self.call("local", "autoscaling", "create_auto_scaling_group", &group);
        for _ in 0..200 {
            let described = self.call("local", "autoscaling", "describe_auto_scaling_groups", &json!({}));
            let instances = described["AutoScalingGroups"][0]["Instances"].as_array().unwrap();
            if instances.len() == 10 && instances.iter().all(|one| one["LifecycleState"] == "InService") {
                return;
            }
        }
        panic!("the group does not come into service");
    }

    /// The account's images of a region that have a deprecation time.
    fn deprecated(&self, region: &str) -> Vec<String> {
        let query = json!({ "Owners": ["self"], "IncludeDeprecated": true });
        let described = self.call(region, "ec2", "describe_images", &query);
        let images = described["Images"].as_array().unwrap().iter();
        let deprecated = images.filter(|image| image["DeprecationTime"].is_string());
        deprecated.map(|image| image["ImageId"].as_str().unwrap().to_owned()).collect()
    }
}

fn succeeded(output: &Output) -> Value {
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {err}", output.status);
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The AMIs of a report, in the order of [`REGIONS`].
fn images(report: &Value) -> [String; 3] {
    let published = &report["published"];
    let copied = |region: &str| {
        let copies = published["copies"].as_array().unwrap().iter();
        copies.clone().find(|copy| copy["region"] == region).unwrap()["image_id"].clone()
    };
    REGIONS.map(|region| {
        let id = if region == "local" { published["image_id"].clone() } else { copied(region) };
        id.as_str().unwrap().to_owned()
    })
}

#[test]
fn an_image_is_published_followed_updated_rolled_back_pruned_and_rebuilt() {
    let Some(story) = Story::new() else { return };
    // The first version, in three regions, and a group of ten.
    let first = images(&story.update(1));
    story.promote();
    assert_eq!(story.channel(), first);
    story.group(&first[0]);
    story.follow();
    assert_eq!(story.runs(), [first[0].clone()]);
    // The second one is a delta: its own mebibyte, and little more.
    let report = story.update(2);
    let (sent, all) = (report["published"]["blocks_sent"].as_u64(), report["blocks"].as_u64());
    assert!(sent.unwrap() <= 8 && all.unwrap() >= 14, "{sent:?} of {all:?}");
    let second = images(&report);
    assert_eq!(story.channel(), first, "an update stops before the channel");
    story.promote();
    story.follow();
    assert_eq!((story.channel(), story.runs()), (second.clone(), vec![second[0].clone()]));
    // It is bad: every region goes back, and the group returns.
    story.must(&["rollback", "--channel", "stable", "--name", "web"]);
    story.follow();
    assert_eq!((story.channel(), story.runs()), (first.clone(), vec![first[0].clone()]));
    // The third one is good. Clean-up takes the second one where nothing names it.
    let third = images(&story.update(3));
    story.promote();
    story.follow();
    assert_eq!((story.channel(), story.runs()), (third.clone(), vec![third[0].clone()]));
    let prune = ["prune", "--regions", "local,local-2,local-3", "--keep", "1", "--older-than", "0s"];
    let prune = [&prune[..], &["--unused-for", "0s", "--grace", "0s"]].concat();
    story.must(&prune);
    assert_eq!(
        REGIONS.map(|region| story.deprecated(region)),
        [const { Vec::<String>::new() }; 3],
        "the plan alone"
    );
    story.must(&[&prune[..], &["--yes"]].concat());
    // A version of the launch template still names the second image of the home region.
    let gone = [vec![], vec![second[1].clone()], vec![second[2].clone()]];
    assert_eq!(REGIONS.map(|region| story.deprecated(region)), gone);
    lost_region(&story, &third);
}

/// A region is lost, and rebuilt from an object that was carried there.
fn lost_region(story: &Story, images: &[String; 3]) {
    for (region, bucket) in [("local", "backups"), ("local-3", "backups-3")] {
        let location =
            json!({ "Bucket": bucket, "CreateBucketConfiguration": { "LocationConstraint": region } });
        story.call(region, "s3", "create_bucket", &location);
    }
    let stored = story.must(&["backup", &images[0], "--bucket", "backups"]);
    let key = stored["key"].as_str().unwrap();
    story.boto3("local-3", &["lose"]);
    assert_eq!(story.run_in("local", &["channels", "--check"]).status.code(), Some(3));
    story.boto3("local-3", &["carry", "backups", "backups-3", key]);
    let bundle = story.out().to_string_lossy().into_owned();
    let restore = ["restore-image", "--bucket", "backups-3", "--key", key, "--name", "web-restored"];
    let args = [&restore[..], &["--bundle", &bundle, "--json"]].concat();
    let restored = succeeded(&story.run_in("local-3", &args));
    assert_eq!(restored["verified"]["differences"], json!([]), "{restored}");
    story.must(&["promote", &images[0], "--channel", "stable", "--regions", "local,local-2,local-3"]);
    let channel = story.channel();
    assert_eq!(channel[..2], images[..2]);
    let described = json!({ "ImageIds": [&channel[2]] });
    let described = story.call("local-3", "ec2", "describe_images", &described);
    assert_eq!(described["Images"][0]["Name"], "web-restored", "{described}");
    assert_eq!(story.run_in("local", &["channels", "--check"]).status.code(), Some(0));
}
