//! A published AMI in a local region with a second account, the program as each of the two, and boto3 as each of them.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use amiforge_publish::request::AmiOptions;
use amiforge_tests::{program, python};
use serde_json::{Value, json};

use crate::register::fixture::AmiFixture;

/// The account of the demo key, which owns the AMI.
pub(crate) const OWNER: &str = "123456789012";
/// The second account.
pub(crate) const OTHER: &str = "210987654321";

const ACCOUNTS: &str = r#"[{"account": "210987654321", "access_key_id": "AKIAOTHERACCOUNT0000", "secret_access_key": "other-secret"}]"#;

/// A published AMI, and Python with boto3.
pub(crate) struct SharingFixture {
    pub(crate) ami: AmiFixture,
    pub(crate) image: String,
    python: PathBuf,
}

/// An account, as boto3's script names it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Account {
    Owner,
    Other,
}

impl SharingFixture {
    /// Publishes the AMI with options in a region whose configuration `set` changes; `None` without boto3.
    pub(crate) fn new(
        options: &AmiOptions,
        set: impl FnOnce(&mut amiforge_emulator::RegionConfig),
    ) -> Option<Self> {
        Self::prepared(options, set, |_, _| {})
    }

    /// The same; `prepare` may make calls before the AMI is published.
    pub(crate) fn prepared(
        options: &AmiOptions,
        set: impl FnOnce(&mut amiforge_emulator::RegionConfig),
        prepare: impl FnOnce(&PathBuf, &str),
    ) -> Option<Self> {
        let python = python::with(&["boto3"])?;
        let ami = AmiFixture::with(|config| {
            std::fs::create_dir_all(&config.folder).unwrap();
            std::fs::write(config.folder.join("accounts.json"), ACCOUNTS).unwrap();
            set(config);
        });
        prepare(&python, &ami.region.running.endpoint());
        let image = ami.must(options).image.id;
        ami.region.request_log.clear();
        Some(Self { ami, image, python })
    }

    pub(crate) fn endpoint(&self) -> String {
        self.ami.region.running.endpoint()
    }

    /// The program as an account in a region.
    pub(crate) fn command(&self, account: Account, region: &str, args: &[&str]) -> Command {
        let (id, secret) = match account {
            Account::Owner => ("AKIALOCALREGION00000", "local-region-secret-key"),
            Account::Other => ("AKIAOTHERACCOUNT0000", "other-secret"),
        };
        let mut command = Command::new(program::path());
        command
            .args(args)
            .env("AWS_REGION", region)
            .env("AWS_ENDPOINT_URL", self.endpoint())
            .env("AWS_ACCESS_KEY_ID", id)
            .env("AWS_SECRET_ACCESS_KEY", secret)
            .env("AWS_CONFIG_FILE", "/dev/null")
            .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .stdin(std::process::Stdio::null());
        command
    }

    /// Runs the program as an account.
    pub(crate) fn run(&self, account: Account, args: &[&str]) -> Output {
        self.command(account, "local", args).output().unwrap()
    }

    /// Runs the program as the owner, which has to succeed, and returns its JSON.
    pub(crate) fn must(&self, args: &[&str]) -> Value {
        let args = [args, &["--json"]].concat();
        let output = self.run(Account::Owner, &args);
        let err = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{args:?}: {}\n{err}", output.status);
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Runs the program as the owner, which has to fail with an exit code; returns its standard error.
    pub(crate) fn refused(&self, code: i32, args: &[&str]) -> String {
        let output = self.run(Account::Owner, args);
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{args:?}: {err}");
        err
    }

    /// Makes a call with boto3.
    pub(crate) fn call(&self, account: Account, region: &str, method: &str, arguments: Value) -> Value {
        call(&self.python, &self.endpoint(), account, (region, "ec2", method), arguments)
    }

    /// Makes a call of S3 with boto3.
    pub(crate) fn s3(&self, region: &str, method: &str, arguments: Value) -> Value {
        call(&self.python, &self.endpoint(), Account::Owner, (region, "s3", method), arguments)
    }

    /// Creates a bucket in a region.
    pub(crate) fn bucket(&self, region: &str, name: &str) {
        let location = json!({ "LocationConstraint": region });
        let made = self.s3(
            region,
            "create_bucket",
            json!({ "Bucket": name, "CreateBucketConfiguration": location }),
        );
        assert!(made.get("error").is_none(), "{made}");
    }

    /// The snapshot of the AMI's root in the region `local`.
    pub(crate) fn snapshot(&self) -> String {
        self.ami.images("local").remove(0).snapshots().remove(0)
    }
}

/// Makes a call with boto3; `of` is region, service and method.
pub(crate) fn call(
    python: &Path,
    endpoint: &str,
    account: Account,
    of: (&str, &str, &str),
    arguments: Value,
) -> Value {
    let account = match account {
        Account::Owner => "owner",
        Account::Other => "other",
    };
    let one = vec![account.into(), of.0.into(), of.1.into(), of.2.into(), arguments];
    let calls = Value::Array(vec![Value::Array(one)]).to_string();
    let output = python::must(python, "sharing/calls.py", &[endpoint, &calls]);
    serde_json::from_str::<Value>(&output).unwrap()[0].take()
}
