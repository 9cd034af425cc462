//! An archived snapshot, which cannot be used, is refused before anything is started.

use std::process::{Command, Stdio};

use amiforge_tests::program;

use super::server::Server;

/// The response of EC2 for an account whose only snapshot is archived.
fn archive(call: &str) -> String {
    let inner = match call {
        "GetEbsEncryptionByDefault" => "<ebsEncryptionByDefault>false</ebsEncryptionByDefault>",
        "DescribeSnapshots" => {
            "<snapshotSet><item><snapshotId>snap-0123456789abcdef0</snapshotId><status>completed</status>\
             <progress>100%</progress><volumeSize>1</volumeSize><encrypted>false</encrypted>\
             <ownerId>123456789012</ownerId><startTime>2026-11-01T00:00:00.000Z</startTime>\
             <storageTier>archive</storageTier></item></snapshotSet>"
        }
        _ => "",
    };
    format!("<{call}Response xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\">{inner}</{call}Response>")
}

#[test]
fn an_archived_snapshot_is_named_as_that_with_the_command_that_brings_it_back() {
    let server = Server::of_ec2(archive);
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("image.raw"), vec![1; 1 << 20]).unwrap();
    let id = "snap-0123456789abcdef0";
    let volume = format!("/dev/sdb=snapshot:{id}");
    let ami = ["--name", "web", "--arch", "x86_64", "--boot-mode", "uefi"];
    for args in [
        vec!["upload", "image.raw", "--parent", id],
        [&["publish", "image.raw", "--parent", id][..], &ami].concat(),
        [&["publish", "image.raw", "--volume", &volume][..], &ami].concat(),
        [&["register", id][..], &ami].concat(),
    ] {
        let output = Command::new(program::path())
            .args(&args)
            .args(["--region", "us-east-1", "--endpoint-url", &server.endpoint])
            .current_dir(folder.path())
            .env_clear()
            .envs([("AWS_ACCESS_KEY_ID", "A"), ("AWS_SECRET_ACCESS_KEY", "s")])
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{args:?}: {stderr}");
        for part in [id, "it is archived", "amiforge snapshot restore"] {
            assert!(stderr.contains(part), "{args:?}: {stderr}");
        }
    }
}
