//! A public snapshot as a source: refused without consent, read from a copy with it, and nothing is left in the region. The
//! local region refuses public snapshots as EBS does.
#![expect(clippy::unwrap_used, reason = "a test that cannot prepare its case fails")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use amiforge_tests::archive::noise;
use amiforge_tests::{program, scratch};
use serde_json::Value;

const RECIPE: &str = "[image]\nname = \"base\"\nversion = \"1\"\narch = \"x86_64\"\nepoch = 1900000000\n\n\
    [disk]\nsize = \"64 MiB\"\n\n[[partition]]\nrole = \"esp\"\nsize = \"34 MiB\"\n\n[[partition]]\nrole = \"root\"\n\n\
    [[source]]\nkind = \"dir\"\npath = \"tree\"\n";

/// A region with a public AMI.
struct PublicImage {
    folder: tempfile::TempDir,
    image: String,
}

impl PublicImage {
    fn new() -> Self {
        let mut fixture = Self { folder: scratch::folder(), image: String::new() };
        for name in ["tree/etc", "tree/usr/bin"] {
            fs::create_dir_all(fixture.path(name)).unwrap();
        }
        fs::write(fixture.path("tree/etc/motd"), "public\n").unwrap();
        fs::write(fixture.path("tree/usr/bin/tool"), noise(3 << 20, 1)).unwrap();
        fs::write(fixture.path("recipe.toml"), RECIPE).unwrap();
        fixture.must(&["build", "recipe.toml", "-o", "base"]);
        let shown = fixture.must(&["--json", "publish", "base", "--region", "local", "--max-rate=0"]);
        let shown: Value = serde_json::from_str(&shown).unwrap();
        shown["imageId"].as_str().unwrap().clone_into(&mut fixture.image);
        let image = fixture.image.clone();
        fixture.must(&["share", &image, "--region", "local", "--with", "all", "--public-snapshots", "--yes"]);
        fixture
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(program::path());
        command.args(args).current_dir(self.folder.path());
        command.env("AMIFORGE_LOCAL_REGION", self.path("region"));
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    fn must(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Number of snapshots in the region.
    fn snapshots(&self) -> usize {
        let regions = fs::read_dir(self.path("region")).unwrap();
        let lists = regions.filter_map(|region| fs::read_dir(region.unwrap().path().join("snapshots")).ok());
        let json = |path: &Path| path.extension().is_some_and(|extension| extension == "json");
        lists.flatten().filter(|entry| json(&entry.as_ref().unwrap().path())).count()
    }

    /// The files of a store that a fetch leaves beside its objects.
    fn leftovers(&self, store: &str) -> Vec<PathBuf> {
        let list = fs::read_dir(self.path(store).join("snapshots")).into_iter().flatten();
        list.map(|entry| entry.unwrap().path()).collect()
    }
}

#[test]
fn a_public_snapshot_is_copied_with_consent_and_the_copy_is_deleted() {
    let public = PublicImage::new();
    let before = public.snapshots();
    let import = ["import", &public.image, "--region", "local", "-o", "web", "--store", "store"];
    let refused = public.run(&import);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("is public") && said.contains("--copy"), "{said}");
    assert_eq!(public.snapshots(), before);
    public.must(&[&import[..], &["--copy"]].concat());
    assert_eq!(public.snapshots(), before, "the copy is deleted");
    assert!(public.leftovers("store").is_empty(), "{:?}", public.leftovers("store"));

    // The lock names the source, and another store gets the same file by another copy.
    public.must(&["fetch", "web/recipe.toml", "--store", "other", "--copy"]);
    assert_eq!(public.snapshots(), before);
    public.must(&["build", "web/recipe.toml", "-o", "out/web", "--store", "other"]);
}

#[test]
fn an_import_that_is_killed_leaves_nothing_once_it_was_run_again() {
    let public = PublicImage::new();
    let before = public.snapshots();
    let import = ["import", &public.image, "--region", "local", "-o", "web", "--store", "store", "--copy"];
    for millis in [20, 60, 100, 150, 220, 300, 420] {
        let mut child = public.command(&import).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(millis));
        let _ = child.kill();
        child.wait().unwrap();
        if public.path("web").exists() {
            let _ = fs::remove_dir_all(public.path("web"));
        }
    }
    public.must(&import);
    assert_eq!(public.snapshots(), before);
    assert!(public.leftovers("store").is_empty(), "{:?}", public.leftovers("store"));
}
