//! The time of an image of a distribution: `amiforge build` of `examples/debian-minimal` compared with mmdebstrap,
//! which installs the same packages from local files into a tar and makes no image of it.
//!
//!     cargo build --release -p amiforge && cargo bench -p amiforge-tests --bench distribution -- --rounds 3
//!
//! Both have every package in memory before the measurement. Cases: all layers rebuilt, with the packages' scripts
//! (with a fixed clock, unlike mmdebstrap) and without; all layers from the store, with nothing changed and with one
//! file changed, and a `cp` of the image. Every case runs once a round, in turn; medians and ratios are printed,
//! nothing is asserted. Needs the package archive that apt of this host uses, mmdebstrap, and root or user namespaces.

#[path = "../build/clock.rs"]
#[expect(dead_code, reason = "shared with other benchmarks, which use more of it")]
mod clock;

use std::cell::Cell;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use amiforge_formats::digest::Digest;
use amiforge_tests::recipe::Recipe;
use amiforge_tests::{program, scratch};
use clock::Sample;

fn main() {
    let words: Vec<String> = std::env::args().collect();
    let rounds =
        words.iter().position(|word| word == "--rounds").and_then(|at| words.get(at + 1)?.parse().ok());
    let folder = scratch::folder();
    let fixture = LockedRecipe::new(folder.path());
    let cases = fixture.cases();
    let mut samples = vec![Vec::new(); cases.len()];
    for round in 1..=rounds.unwrap_or(3) {
        for ((name, run), samples) in cases.iter().zip(&mut samples) {
            println!("round {round}: {name}");
            samples.push(run());
        }
    }
    report(&cases, &samples);
}

type Case<'a> = (&'static str, Box<dyn Fn() -> Sample + 'a>);

/// A recipe with its lock, and its packages: in a store, and as an archive that apt reads.
struct LockedRecipe {
    folder: PathBuf,
    recipe: Recipe,
    changes: Cell<u32>,
}

impl LockedRecipe {
    fn new(folder: &Path) -> Self {
        let recipe = folder.join("recipe.toml");
        fs::copy(scratch::repository().join("examples/debian-minimal/recipe.toml"), &recipe)
            .expect("the example");
        let shared = scratch::repository().join("target/inputs/distribution");
        for command in ["lock", "fetch"] {
            program::must(&[command, &recipe.to_string_lossy(), "--store", &shared.to_string_lossy()]);
        }
        let recipe = Recipe::example("debian-minimal");
        let fixture = Self { folder: folder.to_owned(), recipe, changes: Cell::new(0) };
        fixture.copy_packages(&shared);
        fixture
    }

    /// Copies the locked packages into an archive, which is also the store.
    fn copy_packages(&self, shared: &Path) {
        let lock = fs::read_to_string(self.folder.join("recipe.lock")).expect("the lock");
        let (archive, objects) = (self.folder.join("archive"), self.folder.join("store/objects"));
        fs::create_dir_all(&archive).and_then(|()| fs::create_dir_all(&objects)).expect("folders");
        let mut index = String::new();
        for line in lock.lines() {
            let Some(digest) = line.strip_prefix("sha256 = ") else { continue };
            let digest = digest.trim_matches('"');
            let (object, deb) = (objects.join(digest), archive.join(format!("{digest}.deb")));
            fs::copy(shared.join("objects").join(digest), &object).expect("a package");
            fs::hard_link(&object, &deb).expect("a name for it");
            let control = Command::new("dpkg-deb").arg("-f").arg(&deb).output().expect("dpkg-deb");
            let (control, size) =
                (String::from_utf8_lossy(&control.stdout), fs::metadata(&deb).expect("it").len());
            let _ = writeln!(index, "{control}Filename: ./{digest}.deb\nSize: {size}\nSHA256: {digest}\n");
        }
        // mmdebstrap accepts only a release with the codename that it is given.
        let digest = Digest::of(index.as_bytes());
        let release =
            format!("Suite: trixie\nCodename: trixie\nSHA256:\n {digest} {} Packages\n", index.len());
        fs::write(archive.join("Packages"), index).expect("an index");
        fs::write(archive.join("Release"), release).expect("a release");
    }

    fn build(&self, recipe: &str, store: &str, out: &str) -> Sample {
        let mut command = Command::new(program::path());
        command.arg("build").arg(self.folder.join(recipe)).arg("-o").arg(self.folder.join(out));
        clock::run(command.arg("--force").arg("--store").arg(self.folder.join(store)))
    }

    /// A changed recipe with the same lock.
    fn another(&self, name: &str, recipe: &Recipe) {
        fs::write(self.folder.join(format!("{name}.toml")), recipe.to_string()).expect("a recipe");
        fs::copy(self.folder.join("recipe.lock"), self.folder.join(format!("{name}.lock")))
            .expect("its lock");
    }

    /// A store with the packages and no layer.
    fn without_layers(&self, recipe: &str) -> Sample {
        let store = self.folder.join("cold");
        let _ = fs::remove_dir_all(&store);
        fs::create_dir_all(store.join("objects")).expect("a store");
        for entry in fs::read_dir(self.folder.join("store/objects")).expect("the store") {
            let path = entry.expect("an object").path();
            let name = path.file_name().expect("its name");
            fs::hard_link(&path, store.join("objects").join(name)).expect("an object");
        }
        self.build(recipe, "cold", "cold.out")
    }

    fn mmdebstrap(&self) -> Sample {
        let tar = self.folder.join("theirs.tar");
        let _ = fs::remove_file(&tar);
        let mut command = Command::new("mmdebstrap");
        command.env("SOURCE_DATE_EPOCH", "1700000000").env("TMPDIR", &self.folder);
        command.args(["--quiet", "--variant=required", "--aptopt=APT::Install-Recommends \"false\""]);
        command.arg(format!("--include={}", self.recipe.packages().join(",")));
        let source = format!("deb [trusted=yes] copy:{} ./", self.folder.join("archive").display());
        clock::run(command.arg("trixie").arg(&tar).arg(source))
    }

    fn copied(&self) -> Sample {
        let to = self.folder.join("copied");
        let _ = fs::remove_file(&to);
        clock::run(Command::new("cp").arg(self.folder.join("warm.out/disk.raw")).arg(to))
    }

    /// Changes one file to a content that it never had.
    fn one_file_changed(&self) -> Sample {
        let count = self.changes.get();
        self.changes.set(count + 1);
        let file = [("path", "/etc/motd".to_owned()), ("content", count.to_string())];
        let file = file.into_iter().map(|(key, value)| (key.to_owned(), value.into()));
        self.another("changed", &self.recipe.clone().push("file", file.collect()));
        self.build("changed.toml", "store", "changed.out")
    }

    fn cases(&self) -> Vec<Case<'_>> {
        // The layers that the warm cases take.
        self.build("recipe.toml", "store", "warm.out");
        self.another("native", &self.recipe.clone().set("source.0.scripts", "native"));
        vec![
            ("mmdebstrap, to a tar", Box::new(|| self.mmdebstrap())),
            ("build, no layers", Box::new(|| self.without_layers("recipe.toml"))),
            ("build natively, no layers", Box::new(|| self.without_layers("native.toml"))),
            ("cp of the image", Box::new(|| self.copied())),
            ("build, all layers", Box::new(|| self.build("recipe.toml", "store", "warm.out"))),
            ("build, one file changed", Box::new(|| self.one_file_changed())),
        ]
    }
}

fn report(cases: &[Case<'_>], samples: &[Vec<Sample>]) {
    println!("{:<28} {:>9} {:>9}", "", "median s", "CPU s");
    let mut medians = Vec::new();
    for ((name, _), samples) in cases.iter().zip(samples) {
        let cpu = clock::median_of(samples.iter().map(|sample| sample.cpu));
        medians.push(clock::median(samples));
        println!("{name:<28} {:>9.2} {cpu:>9.2}", clock::median(samples));
    }
    if let [theirs, cold, native, cp, warm, changed] = medians[..] {
        println!("without layers: {:.2} x mmdebstrap, natively {:.2} x", cold / theirs, native / theirs);
        println!("with all layers: {:.2} x cp, one file changed {:.2} x", warm / cp, changed / cp);
    }
}
