//! Tests of stages, from sources to installed files.

use std::collections::BTreeMap;
use std::path::Path;

use amiforge_formats::digest::Digest;
use amiforge_progress::Monitor;
use amiforge_rootfs::stage::{BuiltStage, StageArchive, StageError, StageInstall, StageSpec, build};
use amiforge_sandbox::{OnFailure, SandboxClock, SandboxLimits, Seed};
use amiforge_store::Store;

use crate::fixture::{EPOCH, Fixture, listing};

pub(crate) const TESTS: &[crate::Test] =
    crate::tests![a_stage_installs_the_results_of_its_commands, a_source_with_another_digest_is_refused];

/// An archive of one folder whose files belong to another user.
fn archive(folder: &Path) -> (std::path::PathBuf, Digest) {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, text) in [("app-1.0/greeting.in", "hello, @who@\n"), ("app-1.0/install.sh", "exit 1\n")] {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        header.set_uid(100_000);
        header.set_gid(100_000);
        header.set_mtime(1_550_000_000);
        builder.append_data(&mut header, path, text.as_bytes()).unwrap();
    }
    let bytes = builder.into_inner().unwrap();
    let path = folder.join("app.tar");
    std::fs::write(&path, &bytes).unwrap();
    (path, Digest::of(&bytes))
}

fn run(fixture: &mut Fixture, sha256: Digest, path: &Path, run: &[&str]) -> Result<BuiltStage, StageError> {
    let install = |from: &str, to: &str| StageInstall { from: from.to_owned(), to: to.to_owned() };
    let spec = StageSpec {
        name: "app".into(),
        tools: fixture.tree.clone(),
        sources: vec![StageArchive {
            label: "source 1 (app.tar)".into(),
            folder: "app".into(),
            path: path.to_owned(),
            strip: 1,
            sha256: Some(sha256),
        }],
        patches: Vec::new(),
        run: run.iter().map(|&line| line.to_owned()).collect(),
        env: BTreeMap::from([("WHO".to_owned(), "stage".to_owned())]),
        install: vec![install("/opt/app", "/opt/app"), install("/etc/app.conf", "/etc/app/main.conf")],
        limits: SandboxLimits::default(),
        clock: SandboxClock::Still,
        seed: Seed::shared(),
        epoch: EPOCH,
        on_failure: OnFailure::Stop,
    };
    let store = Store::at(&path.parent().unwrap().join("store"));
    build(&spec, &fixture.sandbox, &store, &mut fixture.blobs, Monitor::none())
}

fn a_stage_installs_the_results_of_its_commands() {
    let folder = tempfile::tempdir().unwrap();
    let (path, digest) = archive(folder.path());
    let commands = [
        "test $(stat -c %u greeting.in) = 0; perl -pe 's/\\@who\\@/$ENV{WHO}/' greeting.in > greeting; readlink -f . > where",
        "mkdir -p \"$DESTDIR/opt/app\" \"$DESTDIR/etc\"; cp greeting where \"$DESTDIR/opt/app/\"
         ln \"$DESTDIR/opt/app/greeting\" \"$DESTDIR/opt/app/again\"; echo $CFLAGS > \"$DESTDIR/etc/app.conf\"
         echo not installed > \"$DESTDIR/rest\"",
    ];
    let list = || {
        let mut fixture = Fixture::new();
        let built = run(&mut fixture, digest, &path, &commands).unwrap_or_else(|error| panic!("{error:?}"));
        assert_eq!(fixture.read(&built.tree, "opt/app/greeting"), b"hello, stage\n");
        assert_eq!(fixture.read(&built.tree, "opt/app/where"), b"/build/app\n");
        assert_eq!(fixture.read(&built.tree, "etc/app/main.conf"), b"-O2 -ffile-prefix-map=/build=.\n");
        listing(&fixture, &built.tree)
    };
    let first = list();
    let paths: Vec<_> = first.lines().map(|line| line.split(' ').next().unwrap()).collect();
    let expected = [
        "/",
        "/etc",
        "/etc/app",
        "/etc/app/main.conf",
        "/opt",
        "/opt/app",
        "/opt/app/again",
        "/opt/app/greeting",
        "/opt/app/where",
    ];
    assert_eq!(paths, expected);
    assert_eq!(first, list());
    let mut fixture = Fixture::new();
    let error = run(&mut fixture, digest, &path, &["mkdir -p $DESTDIR/opt/app"]).unwrap_err().to_string();
    assert!(error.contains("made no `$DESTDIR/etc/app.conf`"), "{error}");
}

fn a_source_with_another_digest_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (path, _) = archive(folder.path());
    let mut fixture = Fixture::new();
    let commands = ["mkdir -p $DESTDIR/opt/app $DESTDIR/etc/app.conf"];
    let error = run(&mut fixture, Digest::of(b"another"), &path, &commands).unwrap_err();
    assert!(matches!(error, StageError::Source { .. }), "{error:?}");
}
