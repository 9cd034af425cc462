//! Lists of blocks that never end: noticed soon, in words, and without filling the memory.

use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use amiforge_tests::program;

use super::server::Server;

const SNAPSHOT: &str = "snap-0123456789abcdef0";

/// The answer of EC2 for a completed snapshot of 1 GiB.
fn snapshot(call: &str) -> String {
    format!(
        "<{call}Response><snapshotSet><item><snapshotId>{SNAPSHOT}</snapshotId><status>completed</status>\
         <progress>100%</progress><volumeSize>1</volumeSize><encrypted>false</encrypted><ownerId>123456789012</ownerId>\
         <startTime>2026-11-01T00:00:00.000Z</startTime></item></snapshotSet></{call}Response>"
    )
}

/// A page of `blocks` blocks that follow the earlier pages', with a token.
fn page(number: u64, blocks: u64, token: &str) -> String {
    let first = number * blocks;
    let list = (first..first + blocks)
        .map(|index| format!(r#"{{"BlockIndex":{index},"BlockToken":"t{index}"}}"#))
        .collect::<Vec<_>>()
        .join(",");
    format!(r#"{{"Blocks":[{list}],"VolumeSize":1,"BlockSize":524288,"NextToken":"{token}"}}"#)
}

#[test]
fn lists_of_blocks_that_never_end_are_noticed() {
    type Page = fn(u64) -> String;
    let pages: [(Page, &str); 3] = [
        (|number| page(number, 1, &(number % 3).to_string()), "names an earlier page as the next one"),
        (|number| page(number, 0, &number.to_string()), "are empty, and there is another one"),
        (
            |number| page(number, 100, &number.to_string()),
            "more blocks are listed than a volume of 1 GiB has",
        ),
    ];
    for (page, words) in pages {
        let number = AtomicU64::new(0);
        let server = Server::of_ec2(move |call| match call {
            "" => page(number.fetch_add(1, Ordering::SeqCst)),
            call => snapshot(call),
        });
        let begun = Instant::now();
        let output = Command::new(program::path())
            .args(["verify", SNAPSHOT, "--region", "us-east-1", "--endpoint-url", &server.endpoint])
            .env_clear()
            .envs([("AWS_ACCESS_KEY_ID", "A"), ("AWS_SECRET_ACCESS_KEY", "s")])
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{words}: {stderr}");
        assert!(stderr.contains(words), "{stderr}");
        assert!(begun.elapsed() < Duration::from_mins(1), "{:?}", begun.elapsed());
    }
}
