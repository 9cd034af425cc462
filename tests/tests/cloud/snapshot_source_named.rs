//! An AMI by a parameter or by its owner and its name as a source: Amazon's public AMIs in a local region, another account that
//! takes them, and the requests that the region received.
#![expect(clippy::unwrap_used, reason = "a test that cannot prepare its case fails")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::Duration;

use amiforge_aws::{AccessKeys, AwsConfig, ConnectOptions};
use amiforge_emulator::{RegionConfig, RegionServer, RequestLog};
use amiforge_lifecycle::api::images::ImageCalls as _;
use amiforge_lifecycle::api::parameters::{IMAGE, NewVersion, Parameters as _, STRING};
use amiforge_publish::api::ec2::{DeviceMapping, Ec2 as _, Grantee, NewImage, Tags};
use amiforge_tests::archive::noise;
use amiforge_tests::{program, scratch};
use serde_json::Value;

const RECIPE: &str = "[image]\nname = \"base\"\nversion = \"1\"\narch = \"x86_64\"\nepoch = 1900000000\n\n\
    [disk]\nsize = \"64 MiB\"\n\n[[partition]]\nrole = \"esp\"\nsize = \"34 MiB\"\n\n[[partition]]\nrole = \"root\"\n\n\
    [[source]]\nkind = \"dir\"\npath = \"tree\"\n";

/// The region: the program takes one of this name from the endpoint of the environment.
const REGION: &str = "us-east-1";
const ACCOUNTS: &str = r#"[{"account": "137112412989", "alias": "amazon", "access_key_id": "AKIAAMAZON0000000000",
    "secret_access_key": "amazon-secret"}]"#;
const AMAZON: (&str, &str) = ("AKIAAMAZON0000000000", "amazon-secret");
const USER: (&str, &str) = ("AKIALOCALREGION00000", "local-region-secret-key");
const PARAMETER: &str = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64";

/// A region with two public AMIs of Amazon, which are a second apart.
struct Amazon {
    folder: tempfile::TempDir,
    server: RegionServer,
    log: Arc<RequestLog>,
    runtime: tokio::runtime::Runtime,
    /// Amazon's clients.
    clients: AwsConfig,
    /// The AMIs, the oldest first.
    images: Vec<String>,
}

/// A region whose state is in a folder, and Amazon's clients of it.
fn served(
    state: &Path,
    log: &Arc<RequestLog>,
    runtime: &tokio::runtime::Runtime,
) -> (RegionServer, AwsConfig) {
    let mut config = RegionConfig::new(state);
    config.request_log = Some(Arc::clone(log));
    let server = RegionServer::start(config).unwrap();
    let options = ConnectOptions {
        region: Some(REGION.to_owned()),
        profile: None,
        endpoint: Some(server.endpoint()),
        keys: Some(AccessKeys { id: AMAZON.0.to_owned(), secret: AMAZON.1.to_owned() }),
        attempt_timeout: None,
    };
    let clients = runtime.block_on(AwsConfig::load(&options)).unwrap();
    (server, clients)
}

impl Amazon {
    fn new() -> Self {
        let folder = scratch::folder();
        let (state, log) = (folder.path().join("region"), Arc::new(RequestLog::new()));
        fs::create_dir(&state).unwrap();
        fs::write(state.join("accounts.json"), ACCOUNTS).unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let (server, clients) = served(&state, &log, &runtime);
        let mut amazon = Self { folder, server, log, runtime, clients, images: Vec::new() };
        for version in 1..=2 {
            amazon.publish(version);
        }
        amazon.log.clear();
        amazon
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Publishes a version as Amazon does: a public AMI with a public snapshot.
    fn publish(&mut self, version: u32) {
        for name in ["tree/etc", "tree/usr/bin"] {
            fs::create_dir_all(self.path(name)).unwrap();
        }
        fs::write(self.path("tree/etc/motd"), format!("version {version}\n")).unwrap();
        fs::write(self.path("tree/usr/bin/tool"), noise(1 << 20, version)).unwrap();
        fs::write(self.path("recipe.toml"), RECIPE).unwrap();
        let bundle = format!("base-{version}");
        self.must(AMAZON, &["build", "recipe.toml", "-o", &bundle]);
        // EC2 has the time of an image in whole seconds.
        std::thread::sleep(Duration::from_millis(1100));
        let name = format!("--name=al2023-ami-2023.{version}-x86_64");
        let shown = self.must(AMAZON, &["--json", "publish", &bundle, &name, "--max-rate=0"]);
        let shown: Value = serde_json::from_str(&shown).unwrap();
        let image = shown["imageId"].as_str().unwrap().to_owned();
        self.must(AMAZON, &["share", &image, "--with", "all", "--public-snapshots", "--yes"]);
        self.images.push(image);
    }

    /// Lets an AMI be deprecated since yesterday: the service itself takes times ahead alone.
    fn deprecate(self, image: &str) -> Self {
        let Self { folder, server, log, runtime, images, .. } = self;
        drop(server);
        let state = folder.path().join("region");
        let record = state.join(REGION).join("images").join(format!("{image}.json"));
        let mut json: Value = serde_json::from_slice(&fs::read(&record).unwrap()).unwrap();
        let since = std::time::SystemTime::now() - Duration::from_hours(24);
        let since = since.duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as u64;
        json["value"]["deprecated"] = since.into();
        fs::write(&record, json.to_string()).unwrap();
        let (server, clients) = served(&state, &log, &runtime);
        Self { folder, server, log, runtime, clients, images }
    }

    /// Lets the public parameter hold an AMI.
    fn set_parameter(&self, value: &str) {
        let version = NewVersion {
            name: PARAMETER.to_owned(),
            value: value.to_owned(),
            kind: STRING.to_owned(),
            data_type: IMAGE.to_owned(),
            description: "the newest".to_owned(),
            overwrite: true,
        };
        self.runtime.block_on(self.clients.ssm().put(&version)).unwrap();
    }

    /// Registers a public AMI of Amazon with the snapshot of its newest.
    fn register(&self, name: &str, architecture: &str) -> String {
        let ec2 = self.clients.ec2();
        self.runtime.block_on(async {
            let query = amiforge_publish::api::ec2::ImageQuery::by_id(&self.images[1]);
            let newest = ec2.describe_images(&query).await.unwrap().remove(0);
            let root = DeviceMapping {
                device: "/dev/xvda".to_owned(),
                snapshot: newest.root_snapshot().map(str::to_owned),
                size: Some(1),
                ..DeviceMapping::default()
            };
            let image = NewImage {
                name: name.to_owned(),
                description: None,
                architecture: architecture.to_owned(),
                boot_mode: "uefi".to_owned(),
                tpm: None,
                uefi_data: None,
                imds: None,
                root_device: "/dev/xvda".to_owned(),
                mappings: vec![root],
                tags: Tags::new(),
            };
            let id = ec2.register_image(&image).await.unwrap();
            ec2.add_launch_permissions(&id, &[Grantee::Everybody]).await.unwrap();
            id
        })
    }

    fn run(&self, key: (&str, &str), args: &[&str]) -> Output {
        let mut command = Command::new(program::path());
        command.args(args).current_dir(self.folder.path()).env_clear();
        command.envs([("AWS_ENDPOINT_URL", self.server.endpoint().as_str()), ("AWS_REGION", REGION)]);
        command.envs([("AWS_ACCESS_KEY_ID", key.0), ("AWS_SECRET_ACCESS_KEY", key.1)]);
        command.envs([("AWS_EC2_METADATA_DISABLED", "true"), ("PATH", "/usr/bin:/bin")]);
        command.output().unwrap()
    }

    fn must(&self, key: (&str, &str), args: &[&str]) -> String {
        let output = self.run(key, args);
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs the program as the other account, which has to fail; gives what it says.
    fn refused(&self, args: &[&str]) -> String {
        let output = self.run(USER, args);
        assert!(!output.status.success(), "{args:?}");
        String::from_utf8(output.stderr).unwrap()
    }

    /// The lock of a recipe.
    fn lock(&self, folder: &str) -> String {
        fs::read_to_string(self.path(folder).join("recipe.lock")).unwrap()
    }

    /// Number of requests of an action since the log was cleared.
    fn requests(&self, action: &str) -> usize {
        self.log.requests().iter().filter(|seen| seen.action == action).count()
    }
}

fn has_line(text: &str, line: &str) -> bool {
    text.lines().any(|present| present == line)
}

#[test]
fn the_newest_ami_by_owner_and_name_is_pinned_once_and_moved_by_an_update() {
    let mut amazon = Amazon::new();
    let import = ["import", "--owner", "amazon", "--ami-name", "al2023-ami-2023.*-x86_64", "-o", "web"];
    let said = amazon.refused(&[&import[..], &["--store", "store"]].concat());
    assert!(said.contains("is public") && said.contains("--copy"), "{said}");
    amazon.must(USER, &[&import[..], &["--store", "store", "--copy"]].concat());
    let recipe = fs::read_to_string(amazon.path("web/recipe.toml")).unwrap();
    let named = "ami = { owner = \"amazon\", name = \"al2023-ami-2023.*-x86_64\" }";
    assert!(has_line(&recipe, named), "{recipe}");
    let first = amazon.lock("web");
    assert!(has_line(&first, &format!("ami = \"{}\"", amazon.images[1])), "{first}");
    assert!(has_line(&first, "chosen-by = \"al2023-ami-2023.*-x86_64 of amazon, x86_64\""), "{first}");
    amazon.must(USER, &["lock", "web/recipe.toml", "--check", "--store", "store"]);
    amazon.must(USER, &["build", "web/recipe.toml", "-o", "out/web", "--store", "store"]);
    assert_eq!(amazon.must(USER, &["inspect", "out/web:root/etc/motd", "--cat"]), "version 2\n");

    // The same again: nothing has moved, and nothing is read.
    amazon.log.clear();
    amazon.must(USER, &["lock", "web/recipe.toml", "--update", "--store", "store"]);
    assert_eq!((amazon.requests("DescribeImages"), amazon.requests("GetSnapshotBlock")), (1, 0));
    assert_eq!(amazon.lock("web"), first);
    let outdated = amazon.run(USER, &["outdated", "web/recipe.toml", "--store", "store"]);
    assert_eq!(outdated.status.code(), Some(0), "{outdated:?}");

    // Another machine reads what the lock pins, and asks for no name.
    amazon.log.clear();
    amazon.must(USER, &["fetch", "web/recipe.toml", "--store", "other", "--copy"]);
    assert_eq!((amazon.requests("DescribeImages"), amazon.requests("CopySnapshot")), (0, 1));

    // A newer one comes: a lock that fits stays, and `outdated` names both.
    amazon.publish(3);
    amazon.must(USER, &["lock", "web/recipe.toml", "--store", "store"]);
    assert_eq!(amazon.lock("web"), first);
    let outdated = amazon.run(USER, &["outdated", "web/recipe.toml", "--store", "store"]);
    let said = String::from_utf8(outdated.stdout).unwrap();
    assert_eq!(outdated.status.code(), Some(3), "{said}");
    assert!(amazon.images[1..].iter().all(|image| said.contains(image)), "{said}");
    amazon.must(USER, &["lock", "web/recipe.toml", "--update", "--store", "store", "--copy"]);
    let moved = amazon.lock("web");
    assert!(has_line(&moved, &format!("ami = \"{}\"", amazon.images[2])), "{moved}");
}

#[test]
fn an_ami_by_a_public_parameter_is_pinned_with_its_snapshot() {
    let amazon = Amazon::new();
    amazon.set_parameter(&amazon.images[0]);
    let from = format!("ssm:{PARAMETER}");
    amazon.must(USER, &["import", &from, "-o", "web", "--store", "store", "--copy"]);
    let recipe = fs::read_to_string(amazon.path("web/recipe.toml")).unwrap();
    assert!(has_line(&recipe, &format!("ami = \"{from}\"")), "{recipe}");
    let lock = amazon.lock("web");
    assert!(has_line(&lock, &format!("ami = \"{}\"", amazon.images[0])), "{lock}");
    assert!(has_line(&lock, &format!("chosen-by = \"{from}\"")), "{lock}");
    amazon.set_parameter(&amazon.images[1]);
    amazon.must(USER, &["lock", "web/recipe.toml", "--store", "store"]);
    assert_eq!(amazon.lock("web"), lock, "a lock that fits stays");
    let outdated = amazon.run(USER, &["--json", "outdated", "web/recipe.toml", "--store", "store"]);
    assert_eq!(outdated.status.code(), Some(3), "{outdated:?}");
    let json: Value = serde_json::from_slice(&outdated.stdout).unwrap();
    let status = &json["sources"][0];
    assert_eq!(
        (status["state"].as_str(), status["location"].as_str()),
        (Some("changed"), Some(from.as_str()))
    );
    // A version is a choice of its own.
    let pinned = recipe.replace(&from, &format!("{from}:1"));
    fs::write(amazon.path("web/recipe.toml"), pinned).unwrap();
    amazon.must(USER, &["lock", "web/recipe.toml", "--store", "store", "--copy"]);
    assert!(has_line(&amazon.lock("web"), &format!("ami = \"{}\"", amazon.images[0])));
}

#[test]
fn what_cannot_be_taken_is_named() {
    let amazon = Amazon::new();
    let by_name = |name: &str, more: &[&str]| {
        let args = ["import", "--owner", "amazon", "--ami-name", name, "-o", "none", "--store", "store"];
        amazon.refused(&[&args[..], more].concat())
    };
    let said = by_name("al2022-*", &[]);
    assert!(said.contains("no AMI of amazon named `al2022-*`") && said.contains("there is none"), "{said}");
    let said = by_name("al2023-ami-2023.*-x86_64", &["--arch=arm64"]);
    assert!(said.contains(&amazon.images[1]) && said.contains("is for x86_64, not for arm64"), "{said}");
    let arm = amazon.register("al2023-ami-2023.2-arm64", "arm64");
    let said = by_name("al2023-ami-2023.*", &[]);
    assert!(said.contains("for arm64 and for x86_64"), "{said}");
    let twins: Vec<_> = ["twin-a", "twin-b"].map(|name| amazon.register(name, "x86_64")).into();
    let said = by_name("twin-*", &[]);
    // Within one second, or not.
    let equal = said.contains("equally new") && twins.iter().all(|twin| said.contains(twin));
    assert!(equal || said.contains("is public"), "{said}");
    let ec2 = amazon.clients.ec2();
    amazon.runtime.block_on(ec2.disable_image(&arm)).unwrap();
    let said = by_name("*-arm64", &[]);
    assert!(said.contains("is disabled") || said.contains("there is none"), "{said}");
    let said = amazon.refused(&["import", "ssm:/aws/service/none", "-o", "none", "--store", "store"]);
    assert!(said.contains("there is no parameter `/aws/service/none` in us-east-1"), "{said}");
    for (args, part) in [
        (&["--owner", "amazonas", "--ami-name", "x"][..], "`amazonas` is no owner"),
        (&["--owner", "aws-marketplace", "--ami-name", "x"], "neither read nor copied"),
        (&["--owner", "amazon", "--ami-name", "*"], "every AMI of its owner"),
        (&["resolve:ssm:/a"], "write `ssm:/a`"),
    ] {
        let said = amazon.refused(&[&["import", "-o", "none"], args].concat());
        assert!(said.contains(part), "{said}");
    }
    assert!(!amazon.path("none").exists());
}

#[test]
fn a_deprecated_ami_is_not_the_newest_and_named_where_a_parameter_holds_it() {
    let amazon = Amazon::new();
    amazon.set_parameter(&amazon.images[1]);
    let newest = amazon.images[1].clone();
    let amazon = amazon.deprecate(&newest);
    let import = |args: &[&str], out: &str| {
        amazon.run(USER, &[&["import"], args, &["-o", out, "--store", "store", "--copy"]].concat())
    };
    let by_name = import(&["--owner", "amazon", "--ami-name", "al2023-*"], "a");
    assert!(by_name.status.success(), "{by_name:?}");
    let lock = amazon.lock("a");
    assert!(
        has_line(&lock, &format!("ami = \"{}\"", amazon.images[0])),
        "{lock} {:?} {by_name:?}",
        amazon.images
    );
    let only = import(&["--owner", "amazon", "--ami-name", "al2023-ami-2023.2-*"], "b");
    let said = String::from_utf8_lossy(&only.stderr).into_owned();
    assert!(!only.status.success() && said.contains(&newest) && said.contains("is deprecated"), "{said}");
    let by_parameter = import(&[&format!("ssm:{PARAMETER}")], "c");
    let said = String::from_utf8_lossy(&by_parameter.stderr).into_owned();
    assert!(by_parameter.status.success() && said.contains("is deprecated since"), "{said}");
    let by_id = import(&[&newest], "d");
    let said = String::from_utf8_lossy(&by_id.stderr).into_owned();
    assert!(by_id.status.success() && said.contains("is deprecated since"), "{said}");
}

#[test]
fn an_update_takes_the_newest_ami_and_copies_it_with_consent() {
    let mut amazon = Amazon::new();
    let store = ["--store", "store"];
    let import =
        ["import", "--owner", "amazon", "--ami-name", "al2023-*", "--new-disk", "-o", "web", "--copy"];
    amazon.must(USER, &[&import[..], &store].concat());
    amazon.publish(3);
    let update = ["update", "web/recipe.toml", "-o", "out", "--no-publish", "--no-boot"];
    let said = amazon.refused(&[&update[..], &store].concat());
    assert!(said.contains("is public") && said.contains("--copy"), "{said}");
    amazon.must(USER, &[&update[..], &store, &["--copy"]].concat());
    assert!(has_line(&amazon.lock("web"), &format!("ami = \"{}\"", amazon.images[2])));
    assert_eq!(amazon.must(USER, &["inspect", "out:root/etc/motd", "--cat"]), "version 3\n");
}

#[test]
fn an_ami_that_its_owner_deleted_is_named_with_what_to_do() {
    let amazon = Amazon::new();
    amazon.must(USER, &["import", &amazon.images[1], "-o", "web", "--store", "store", "--copy"]);
    amazon.runtime.block_on(amazon.clients.ec2().deregister_with_snapshots(&amazon.images[1])).unwrap();
    let said = amazon.refused(&["fetch", "web/recipe.toml", "--store", "other", "--copy"]);
    assert!(
        said.contains("its owner deleted it") && said.contains("amiforge lock web/recipe.toml --update"),
        "{said}"
    );
    // What is in a store needs no region.
    amazon.must(USER, &["fetch", "web/recipe.toml", "--store", "store"]);
}
