//! What a bundle holds, and what happens when its name is taken or its build ends early.

use super::*;
use amiforge_formats::plan::{Data, NoSources, SourceId};
use amiforge_progress::CancelToken;

use crate::testing::{THREADS, origin, small_disk, texts, three_bytes};

fn build(
    out: &Path,
    existing: ExistingBundle,
    data: Data,
    cancel: &CancelToken,
) -> Result<Manifest, BundleError> {
    let disk = small_disk(data);
    let writer = BundleWriter::open(out, existing)?;
    let emitted = writer.write_image(&disk.plan, &NoSources, &THREADS, None, Monitor::silent(cancel))?;
    writer.finish(&disk, &emitted, texts(origin("x"), "/ dir\n", &[], None), cancel)
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_bundle_has_its_files_and_their_sums_hold() {
    let parent = tempfile::tempdir().unwrap();
    let out = parent.path().join("web");
    let manifest = build(&out, ExistingBundle::Refuse, three_bytes(), &CancelToken::new()).unwrap();
    assert_eq!(names(&out), [&FILES[..], &[VERIFY_SCRIPT]].concat());
    assert_eq!(names(parent.path()), ["web"]);
    assert_eq!(Manifest::parse(&fs::read(out.join(MANIFEST)).unwrap()).unwrap(), manifest);
    let sums = parse_sums(&fs::read_to_string(out.join(SUMS)).unwrap()).unwrap();
    assert_eq!(sums.len(), 4);
    for sum in sums {
        assert_eq!(Digest::of(&fs::read(out.join(&sum.name)).unwrap()), sum.sha256, "{}", sum.name);
    }
}

#[test]
fn a_failed_or_interrupted_bundle_leaves_nothing() {
    let parent = tempfile::tempdir().unwrap();
    let out = parent.path().join("web");
    let missing =
        build(&out, ExistingBundle::Refuse, Data::Slice { source: SourceId(0), at: 0 }, &CancelToken::new());
    assert!(matches!(missing, Err(BundleError::Image(EmitError::Read { .. }))), "{missing:?}");
    let stop = CancelToken::new();
    stop.cancel();
    let stopped = build(&out, ExistingBundle::Refuse, three_bytes(), &stop);
    assert!(matches!(stopped, Err(BundleError::Image(EmitError::Interrupted))), "{stopped:?}");
    assert_eq!(names(parent.path()), [""; 0]);
}

#[test]
fn a_taken_name_is_kept_unless_a_bundle_is_to_be_replaced() {
    let parent = tempfile::tempdir().unwrap();
    let out = parent.path().join("web");
    let build = |existing, data| build(&out, existing, data, &CancelToken::new());
    let first = build(ExistingBundle::Replace, three_bytes()).unwrap();
    assert!(matches!(build(ExistingBundle::Refuse, Data::Zero), Err(BundleError::Exists { .. })));
    assert_eq!(Manifest::parse(&fs::read(out.join(MANIFEST)).unwrap()).unwrap(), first);
    let second = build(ExistingBundle::Replace, Data::Zero).unwrap();
    assert_ne!(first.plain, second.plain);
    assert_eq!(Manifest::parse(&fs::read(out.join(MANIFEST)).unwrap()).unwrap(), second);
    assert_eq!(names(parent.path()), ["web"]);
    fs::write(out.join("notes"), "mine").unwrap();
    let refused = build(ExistingBundle::Replace, three_bytes());
    assert!(
        matches!(&refused, Err(BundleError::NotABundle { found, .. }) if found == "notes"),
        "{refused:?}"
    );
    assert_eq!(names(&out).len(), 6);
}

#[test]
fn a_link_to_a_bundle_stays_and_the_bundle_is_replaced() {
    let parent = tempfile::tempdir().unwrap();
    let (real, link) = (parent.path().join("web-1"), parent.path().join("current"));
    let first = build(&real, ExistingBundle::Refuse, three_bytes(), &CancelToken::new()).unwrap();
    std::os::unix::fs::symlink("web-1", &link).unwrap();
    // Unresolved, nothing of the old bundle is touched.
    let refused = build(&link, ExistingBundle::Replace, Data::Zero, &CancelToken::new());
    assert!(matches!(refused, Err(BundleError::Link { .. })), "{refused:?}");
    let refused = build(&link, ExistingBundle::Refuse, Data::Zero, &CancelToken::new());
    assert!(matches!(refused, Err(BundleError::Exists { .. })), "{refused:?}");
    assert_eq!(Manifest::parse(&fs::read(real.join(MANIFEST)).unwrap()).unwrap(), first);
    for given in [link.clone(), link.join("")] {
        let out = resolve(&given, ExistingBundle::Replace).unwrap();
        let second = build(&out, ExistingBundle::Replace, Data::Zero, &CancelToken::new()).unwrap();
        assert_eq!(Manifest::parse(&fs::read(link.join(MANIFEST)).unwrap()).unwrap(), second);
    }
    assert!(link.is_symlink());
    assert_eq!(names(parent.path()), ["current", "web-1"]);
    fs::remove_file(&link).unwrap();
    std::os::unix::fs::symlink("nowhere", &link).unwrap();
    let dangling = resolve(&link, ExistingBundle::Replace);
    assert!(matches!(dangling, Err(BundleError::Link { .. })), "{dangling:?}");
}

#[test]
fn what_no_build_made_is_not_written_through() {
    let parent = tempfile::tempdir().unwrap();
    let out = parent.path().join("web");
    let (mine, partial) = (parent.path().join("mine"), parent.path().join(".web.partial"));
    fs::create_dir(&mine).unwrap();
    fs::write(mine.join(DISK), "precious").unwrap();
    for target in ["mine", "mine/disk.raw", "nowhere"] {
        std::os::unix::fs::symlink(target, &partial).unwrap();
        let refused = build(&out, ExistingBundle::Refuse, three_bytes(), &CancelToken::new());
        assert!(matches!(&refused, Err(BundleError::InTheWay { path }) if *path == partial), "{refused:?}");
        fs::remove_file(&partial).unwrap();
    }
    fs::write(&partial, "").unwrap();
    let refused = build(&out, ExistingBundle::Refuse, three_bytes(), &CancelToken::new());
    assert!(matches!(refused, Err(BundleError::InTheWay { .. })), "{refused:?}");
    assert_eq!(fs::read(mine.join(DISK)).unwrap(), b"precious");
}

#[test]
fn what_a_killed_build_left_is_cleared_and_a_running_build_is_respected() {
    let parent = tempfile::tempdir().unwrap();
    let out = parent.path().join("web");
    let left = parent.path().join(".web.partial");
    fs::create_dir(&left).unwrap();
    fs::write(left.join(DISK), "half").unwrap();
    let running = File::open(&left).unwrap();
    rustix::fs::flock(&running, rustix::fs::FlockOperation::LockExclusive).unwrap();
    let busy = build(&out, ExistingBundle::Refuse, three_bytes(), &CancelToken::new());
    assert!(matches!(busy, Err(BundleError::Busy { .. })), "{busy:?}");
    assert_eq!(names(&left), [DISK]);
    drop(running);
    build(&out, ExistingBundle::Refuse, three_bytes(), &CancelToken::new()).unwrap();
    assert_eq!(names(parent.path()), ["web"]);
}
