//! A bundle that is a small operating system, published in a local region.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use amiforge_publish::request::{AmiOptions, WatermarkOption};
use amiforge_tests::archive::noise;
use amiforge_tests::region::Region;
use amiforge_tests::{program, scratch};
use serde_json::Value;

use crate::register::fixture::{AmiFixture, texts};

/// Builds a system of some MiB whose root has this file system. The recipe names a folder and a file beside it.
fn build(folder: &Path, file_system: &str) -> PathBuf {
    let tree = folder.join("tree");
    for dir in ["etc", "usr/lib", "usr/share"] {
        fs::create_dir_all(tree.join(dir)).unwrap();
    }
    fs::write(tree.join("etc/os-release"), "ID=test\n").unwrap();
    fs::write(tree.join("usr/share/noise"), noise(12 << 20, 1)).unwrap();
    fs::write(folder.join("motd"), "hello\n").unwrap();
    let recipe = format!(
        "# An image of a test.\n[image]\nname = \"web\"\nversion = \"1\"\narch = \"x86_64\"\nepoch = 1700000000\n\n\
         [[partition]]\nrole = \"esp\"\nsize = \"34 MiB\"\n\n\
         [[partition]]\nrole = \"root\"\nfs = \"{file_system}\"\n\n\
         [[source]]\nkind = \"dir\"\npath = \"tree\"\n\n[[file]]\npath = \"/etc/motd\"\nsource = \"motd\"\n"
    );
    fs::write(folder.join("recipe.toml"), recipe).unwrap();
    let out = folder.join("web-1");
    program::must(&["build", folder.join("recipe.toml").to_str().unwrap(), "-o", out.to_str().unwrap()]);
    out
}

/// A published system.
pub(super) struct System {
    pub(super) fixture: AmiFixture,
    pub(super) image: String,
    /// The copy in `local-2`.
    pub(super) copy: String,
    pub(super) manifest: Value,
}

impl System {
    pub(super) fn new(file_system: &str) -> Self {
        let folder = scratch::folder();
        let bundle = build(folder.path(), file_system);
        let region = Region::start(&folder.path().join("region"));
        let fixture = AmiFixture { folder, region, bundle };
        let published = fixture.must(&AmiOptions {
            copy_to: texts(&["local-2"]),
            watermark: Some(WatermarkOption::Auto),
            ..AmiOptions::default()
        });
        let copy = published.copied().next().unwrap().image_id.clone();
        let manifest =
            serde_json::from_slice(&fs::read(fixture.bundle.join("manifest.json")).unwrap()).unwrap();
        Self { image: published.image.id, copy, manifest, fixture }
    }

    pub(super) fn path(&self, name: &str) -> String {
        self.fixture.folder.path().join(name).to_str().unwrap().to_owned()
    }

    pub(super) fn bundle(&self) -> String {
        self.fixture.bundle.to_str().unwrap().to_owned()
    }

    /// Runs a command on the local region; gives its JSON and its error output.
    pub(super) fn run(&self, code: i32, args: &[&str]) -> (Value, String) {
        let output = self.output(args);
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        let out = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {out}{err}");
        (serde_json::from_str(&out).unwrap_or_default(), err)
    }

    fn output(&self, args: &[&str]) -> Output {
        let endpoint = self.fixture.region.running.endpoint();
        let region = if args.contains(&"--region") { &[][..] } else { &["--region", "local"] };
        let store = self.path("store");
        let store = if args[0] == "rebuild" { vec!["--store", store.as_str()] } else { Vec::new() };
        let all = [args, region, &store, &["--endpoint-url", &endpoint, "--json"]].concat();
        program::run(&all)
    }

    /// Runs `whois` on the AMI.
    pub(super) fn whois(&self, code: i32, more: &[&str]) -> Value {
        self.run(code, &[&["whois", self.image.as_str()], more].concat()).0
    }
}

/// The texts of a list of differences.
pub(super) fn differences(shown: &Value) -> Vec<String> {
    let all = shown["differences"].as_array().unwrap();
    all.iter().map(|one| one.as_str().unwrap().to_owned()).collect()
}
