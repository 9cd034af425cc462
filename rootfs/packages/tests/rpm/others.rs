//! The packages in the folder that `AMIFORGE_RPMS` names: each is read or refused with a reason, what rpm lists of a payload
//! is in ours, and all of a set that rpm can install together make the tree that rpm makes of it.

use std::path::{Path, PathBuf};
use std::time::Instant;

use amiforge_packages::rpm::package::FilePresence;
use amiforge_packages::rpm::signature::verify_range;
use amiforge_packages::signature::Keyring;

use crate::compare::differences;
use crate::support::{PROGRAMS, RpmFixture, has, packages_in, run, with_causes};

/// The packages of the folder that a variable names; none where it is not set.
fn given(variable: &str) -> Option<Vec<PathBuf>> {
    std::env::var_os(variable).and_then(|folder| found(Path::new(&folder)))
}

/// The packages of a folder, where there are some and rpm to compare with.
fn found(folder: &Path) -> Option<Vec<PathBuf>> {
    let packages = packages_in(folder);
    (!packages.is_empty() && has(&PROGRAMS)).then_some(packages)
}

/// Every single package of `AMIFORGE_RPMS`: its list of files is rpm's, and one of `rpm2cpio`.
#[test]
fn packages_of_others_have_the_files_that_rpm_lists() {
    let Some(packages) = given("AMIFORGE_RPMS") else { return };
    let fixture = RpmFixture::new();
    let (mut same, mut refused) = (0, Vec::new());
    for path in &packages {
        let result = std::panic::catch_unwind(|| fixture.unpack(std::slice::from_ref(path)));
        let unpacked = match result {
            Ok(Ok((unpacked, _))) => unpacked,
            Ok(Err(error)) => {
                let text = with_causes(&error);
                refused.push(format!("{}: {text}", path.display()));
                continue;
            }
            Err(_) => {
                refused.push(format!("{}: what precedes its payload", path.display()));
                continue;
            }
        };
        let list = "[%{FILENAMES}\\t%{FILEMODES}\\t%{LONGFILESIZES}\\t%{FILEMTIMES}\\t%{FILEFLAGS}\\t%{FILEUSERNAME}\\t%{FILEGROUPNAME}\\t%{FILEDIGESTS}\\t%{FILELINKTOS}\\n]";
        let mut command = fixture.command("rpm");
        command.args(["-qp", "--nosignature", "--nodigest", "--qf", list]).arg(path);
        let theirs = String::from_utf8_lossy(&run(&mut command)).into_owned();
        let ours: String = unpacked.packages[0].files.iter().map(line).collect();
        // Of a package without files rpm writes nothing, or one line of `(none)`.
        let theirs = if theirs.starts_with("(none)") { String::new() } else { theirs };
        assert_eq!(ours, theirs, "{}", path.display());
        same += 1;
    }
    for line in &refused {
        println!("refused: {line}");
    }
    println!("{same} of {} have the files that rpm lists", packages.len());
}

/// What rpmkeys accepts by the keys in the folder that `AMIFORGE_RPM_KEYS` names, of the packages of `AMIFORGE_RPMS`, we accept,
/// unless its digest can be forged; what rpmkeys has no good signature of, we do not.
#[test]
fn signatures_of_others_are_judged_as_rpmkeys_judges_them() {
    let (Some(packages), Some(keys)) = (given("AMIFORGE_RPMS"), std::env::var_os("AMIFORGE_RPM_KEYS")) else {
        return;
    };
    let fixture = RpmFixture::new();
    let mut keyrings = Vec::new();
    for entry in std::fs::read_dir(keys).unwrap() {
        let path = entry.unwrap().path();
        let Ok(keyring) = Keyring::read("key", &std::fs::read(&path).unwrap()) else { continue };
        keyrings.push(keyring);
        let mut command = fixture.command("rpmkeys");
        command.args(["--define", "_dbpath /rpmdb", "--root"]).arg(fixture.folder.path()).arg("--import");
        let _ = command.arg(&path).output().unwrap();
    }
    let (mut both, mut only) = (0, Vec::new());
    for path in &packages {
        let bytes = std::fs::read(path).unwrap();
        let ours = verify_range(&bytes, &keyrings, 1_790_000_000);
        let mut command = fixture.command("rpmkeys");
        command.args(["--define", "_dbpath /rpmdb", "--define", "_pkgverify_level signature"]);
        let output = command.arg("--root").arg(fixture.folder.path()).arg("-Kv").arg(path).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let theirs = said.lines().any(|line| line.contains("Header V") && line.ends_with(": OK"));
        match (ours, theirs) {
            (Ok(_), true) => both += 1,
            (Ok(verified), false) => {
                only.push(format!("only ours: {} {:?}\n{said}", path.display(), verified.signer));
            }
            (Err(error), true) => only.push(format!("only rpm: {}: {}", path.display(), with_causes(&error))),
            (Err(_), false) => {}
        }
    }
    println!("{both} accepted by both\n{}", only.join("\n"));
    let unexplained =
        only.iter().filter(|line| line.starts_with("only rpm") && !line.contains("can be forged"));
    assert_eq!(unexplained.collect::<Vec<_>>(), Vec::<&String>::new());
}

fn line(file: &amiforge_packages::rpm::package::RpmFileEntry) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!(
        "{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\n",
        text(&file.path),
        file.mode,
        file.size,
        file.mtime,
        file.flags,
        file.user,
        file.group,
        file.digest,
        text(&file.target),
    )
}

/// All packages of the test distribution, or of `AMIFORGE_RPM_SET`, together.
#[test]
fn a_set_makes_the_tree_that_rpm_makes_of_it() {
    let inputs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/inputs/rpm/packages");
    let Some(packages) = given("AMIFORGE_RPM_SET").or_else(|| found(&inputs)) else {
        assert!(
            std::env::var_os("REQUIRE_ORACLES").is_none(),
            "there are no packages in {}: tests/inputs/rpm.sh makes them",
            inputs.display()
        );
        println!("SKIP: there are no packages in {}", inputs.display());
        return;
    };
    let fixture = RpmFixture::new();
    let started = Instant::now();
    let (unpacked, blobs) = fixture.unpack(&packages).unwrap();
    println!("{} packages in {:?}", packages.len(), started.elapsed());
    let started = Instant::now();
    let (again, again_blobs) = fixture.unpack(&packages).unwrap();
    println!("{} packages from the store in {:?}", packages.len(), started.elapsed());
    let started = Instant::now();
    let root = fixture.install(&packages).unwrap();
    println!("rpm in {:?}", started.elapsed());
    let left = differences(&unpacked, &blobs, &root);
    assert!(left.is_empty(), "{} differences:\n{}", left.len(), left[..left.len().min(60)].join("\n"));
    assert_eq!(differences(&again, &again_blobs, &root), Vec::<String>::new());
    let entries = unpacked.tree.walk().count();
    let ghosts = unpacked.packages.iter().flat_map(|package| &package.files);
    let ghosts = ghosts.filter(|file| file.presence == FilePresence::Ghost).count();
    println!("{entries} entries, {ghosts} ghosts, {} owners: as rpm's", unpacked.owners.len());
    unpacked.deferred.join().unwrap();
    again.deferred.join().unwrap();
}
