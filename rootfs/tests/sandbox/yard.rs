//! Trees and jobs for the tests.

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use amiforge_formats::time::Time;
use amiforge_rootfs::assemble::assemble;
use amiforge_rootfs::blobs::Blobs;
use amiforge_rootfs::sandbox::{Job, Launcher, Sandbox, Step};
use amiforge_rootfs::sources::{Pin, SourceKind, SourceSpec};
use amiforge_rootfs::store::Store;
use amiforge_rootfs::watch::Unwatched;

/// Runs a script in the tree of a tar and tells how long that took.
pub(crate) fn time(arguments: &[String]) -> ExitCode {
    let [tar, script] = arguments else { return ExitCode::FAILURE };
    let spec = SourceSpec {
        label: "tree".into(),
        kind: SourceKind::Tar { path: tar.into() },
        pin: Pin::Unpinned,
        strip: 0,
        prefix: String::new(),
        exclude: vec![],
        overrides: false,
    };
    let scratch = tempfile::tempdir().unwrap();
    let store = Store::at(&Path::new(tar).parent().unwrap().join("store"));
    let mut blobs = Blobs::new();
    let start = Instant::now();
    let assembled = assemble(&[spec], &store, &mut blobs, &Unwatched).unwrap();
    eprintln!("assembled {:?}", start.elapsed());
    let sandbox = Sandbox { launcher: Launcher::own().unwrap(), scratch: scratch.path().to_owned() };
    for _ in 0..2 {
        let start = Instant::now();
        let job = Job::new(vec![Step::shell("the script", script.clone())], Time::from_secs(1_600_000_000));
        match sandbox.run(&assembled.tree, &mut blobs, &job, &Unwatched) {
            Err(error) => {
                eprintln!("{error} {error:?}");
                return ExitCode::FAILURE;
            }
            Ok(captured) => {
                eprintln!("ran {:?}: {}", start.elapsed(), captured.log);
                let before = amiforge_formats::dump::to_string(&assembled.tree);
                let after = amiforge_formats::dump::to_string(&captured.tree);
                std::fs::write(scratch.path().join("a"), before).unwrap();
                std::fs::write(scratch.path().join("b"), after).unwrap();
                let diff = std::process::Command::new("diff")
                    .arg("-U0")
                    .arg("a")
                    .arg("b")
                    .current_dir(scratch.path())
                    .output()
                    .unwrap();
                eprintln!("{}", String::from_utf8_lossy(&diff.stdout));
            }
        }
    }
    ExitCode::SUCCESS
}
