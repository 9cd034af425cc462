//! Disk images that are no good as a source: cut short, with a size that is not theirs, changed while they are read, no files,
//! or with a damaged package database. Each is refused with what to do next, and nothing of it is left.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use amiforge_formats::digest::Digest;
use amiforge_tests::debs::Suite;
use amiforge_tests::lock_fixture::LockFixture;
use amiforge_tests::program::{self, Bundle};
use amiforge_tests::{archive, oracle, scratch};

/// A small disk with the files of a system, as a raw image.
fn base(folder: &Path, files: &[(&str, &[u8])]) -> String {
    let tree = folder.join("tree");
    let noise = archive::noise(3 << 20, 9);
    let own: [(&str, &[u8]); 2] = [("etc/os-release", b"ID=tests\n"), ("usr/bin/noise", &noise)];
    for (path, content) in own.iter().chain(files) {
        let path = tree.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    let recipe = "[image]\nname = \"base\"\nversion = \"1\"\narch = \"x86_64\"\n[[source]]\nkind = \"dir\"\npath = \"tree\"\n";
    fs::write(folder.join("base.toml"), recipe).unwrap();
    let out = folder.join("base");
    program::must(&[
        "build",
        &folder.join("base.toml").to_string_lossy(),
        "--force",
        "-o",
        &out.to_string_lossy(),
    ]);
    out.join("disk.raw").to_string_lossy().into_owned()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// An import that has to end with 1 soon, with a hint and without a folder.
fn refused(folder: &Path, image: &str, expected: &str) {
    let out = folder.join("imported");
    let mut command = Command::new(oracle::find("timeout").unwrap());
    command.arg("60").arg(program::path()).args(["import", image, "-o"]).arg(&out);
    let output = command.output().unwrap();
    let text = said(&output);
    assert_eq!(output.status.code(), Some(1), "{image}: {text}");
    assert!(text.contains(expected), "{image}: no `{expected}` in {text}");
    assert!(!out.exists(), "{image}: a folder is left");
}

/// An image that `import` refuses with a hint, or, where only contents are missing, which it does not read, `build`.
fn refused_or_not_built(folder: &Path, image: &str) {
    let (out, built) = (folder.join("imported"), folder.join("built"));
    let run = |args: &[&str]| {
        let output = Command::new(program::path()).args(args).current_dir(folder).output().unwrap();
        (output.status.code(), said(&output))
    };
    let (code, text) = run(&["import", image, "-o", "imported"]);
    if code == Some(1) {
        assert!(text.contains("hint: ") && !out.exists(), "{image}: {text}");
        return;
    }
    assert_eq!(code, Some(0), "{image}: {text}");
    let (code, text) = run(&["build", "imported/recipe.toml", "-o", "built", "--store", "store"]);
    assert_eq!(code, Some(1), "{image}: {text}");
    assert!(!built.exists(), "{image}: a bundle of what is not there");
    fs::remove_dir_all(out).unwrap();
}

#[test]
fn an_image_that_is_cut_short_is_refused_whatever_holds_it() {
    if !oracle::ready(&["qemu-img", "timeout"], false) {
        return;
    }
    let folder = scratch::folder();
    let raw = base(folder.path(), &[]);
    let at = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    for (name, options) in [
        ("raw", &["-O", "raw"][..]),
        ("qcow2", &["-O", "qcow2"]),
        ("packed", &["-c", "-O", "qcow2"]),
        ("vmdk", &["-O", "vmdk"]),
        ("stream", &["-O", "vmdk", "-o", "subformat=streamOptimized"]),
        ("vhd", &["-O", "vpc"]),
        ("vhdx", &["-O", "vhdx"]),
    ] {
        let (whole, cut) = (at(&format!("whole.{name}")), at(&format!("cut.{name}")));
        oracle::must("qemu-img", &[&["convert", "-f", "raw"], options, &[&raw, &whole]].concat());
        program::must(&["import", &whole, "-o", &at(&format!("good-{name}"))]);
        let len = fs::metadata(&whole).unwrap().len();
        for kept in [0, 100, 511, 66_000, 1 << 20, len / 3, len - len / 8] {
            fs::copy(&whole, &cut).unwrap();
            OpenOptions::new().write(true).open(&cut).unwrap().set_len(kept).unwrap();
            refused_or_not_built(folder.path(), &cut);
        }
    }
}

#[test]
fn an_image_that_lies_about_its_size_is_refused() {
    if !oracle::ready(&["qemu-img", "timeout"], false) {
        return;
    }
    let folder = scratch::folder();
    let raw = base(folder.path(), &[]);
    let at = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    for (format, field, little) in [("qcow2", 24, false), ("vmdk", 12, true)] {
        let image = at(&format!("lie.{format}"));
        for size in [u64::MAX, 1 << 62, 1 << 40, 512, 0] {
            oracle::must("qemu-img", &["convert", "-f", "raw", "-O", format, &raw, &image]);
            let bytes = if little { size.to_le_bytes() } else { size.to_be_bytes() };
            OpenOptions::new().write(true).open(&image).unwrap().write_all_at(&bytes, field).unwrap();
            refused(folder.path(), &image, "cannot import");
        }
    }
    // A table of partitions that says more than the disk has.
    let short = at("short.raw");
    fs::copy(&raw, &short).unwrap();
    OpenOptions::new().write(true).open(&short).unwrap().set_len(20 << 20).unwrap();
    refused(folder.path(), &short, "cut short");
}

#[test]
fn what_is_no_file_is_refused_without_waiting() {
    if !oracle::ready(&["mkfifo", "timeout"], false) {
        return;
    }
    let folder = scratch::folder();
    let at = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    oracle::must("mkfifo", &[&at("pipe")]);
    fs::create_dir(at("folder")).unwrap();
    for (image, expected) in [
        (at("pipe"), "it is a FIFO"),
        (at("folder"), "it is a directory"),
        ("/dev/zero".to_owned(), "it is a device"),
        (at("missing"), "No such file"),
    ] {
        refused(folder.path(), &image, expected);
        let text = format!(
            "[image]\nname = \"web\"\nversion = \"1\"\narch = \"x86_64\"\n[[source]]\nkind = \"image\"\npath = \"{image}\"\nsha256 = \
             \"{}\"\n",
            "0".repeat(64)
        );
        fs::write(at("recipe.toml"), text).unwrap();
        let mut command = Command::new(oracle::find("timeout").unwrap());
        command.arg("60").arg(program::path()).args(["build", &at("recipe.toml"), "-o", &at("out")]);
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{image}: {}", said(&output));
        assert!(said(&output).contains(expected), "{image}: {}", said(&output));
        assert!(!folder.path().join("out").exists() && !folder.path().join(".out.partial").exists());
    }
}

#[test]
fn an_image_that_is_another_one_or_changes_while_it_is_read_gives_no_bundle() {
    let folder = scratch::folder();
    let noise = archive::noise(48 << 20, 3);
    let raw = base(folder.path(), &[("usr/share/noise", &noise)]);
    let good = fs::read(&raw).unwrap();
    let at = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let recipe = format!(
        "[image]\nname = \"web\"\nversion = \"1\"\narch = \"x86_64\"\n[[source]]\nkind = \"image\"\npath = \"{raw}\"\nsha256 = \"{}\"\n[system]\nfstab = \"replace\"\n",
        Digest::of(&good)
    );
    fs::write(at("recipe.toml"), recipe).unwrap();
    let build = || {
        let mut command = Command::new(program::path());
        command.args(["build", &at("recipe.toml"), "-o", &at("out"), "--store", &at("store")]);
        command
    };
    let whole = Bundle::build(at("recipe.toml").as_ref(), at("whole").as_ref());
    let flip = |at: usize| {
        let file = OpenOptions::new().write(true).open(&raw).unwrap();
        file.write_all_at(&[good[at] ^ 1], at as u64).unwrap();
    };
    // A byte of the noise, so that the file system stays one.
    let place = good.windows(64).position(|bytes| bytes == &noise[(40 << 20)..(40 << 20) + 64]).unwrap();
    flip(place);
    let output = build().output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains("sha256"), "{}", said(&output));
    let mut noticed = 0;
    for delay in [0, 5, 10, 20, 40, 60, 90, 130] {
        fs::write(&raw, &good).unwrap();
        let _ = fs::remove_dir_all(at("out"));
        let mut child = build().stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_millis(delay) && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
        flip(place);
        let output = child.wait_with_output().unwrap();
        if output.status.success() {
            // It had read the byte before: then the bundle is the good one.
            assert_eq!(Bundle::open(at("out").as_ref()).digest(), whole.digest(), "after {delay} ms");
            continue;
        }
        noticed += 1;
        assert_eq!(output.status.code(), Some(1), "{}", said(&output));
        assert!(!folder.path().join("out").exists(), "after {delay} ms");
    }
    assert!(noticed > 0, "no build was still reading");
}

#[test]
fn a_damaged_database_of_packages_is_refused_by_lock() {
    let Some(fixture) = LockFixture::new(&["app"]) else { return };
    let mirror = fixture.write_archive(&Suite::new("stable", LockFixture::sample_packages())).url();
    let good = "Package: dpkg\nStatus: install ok installed\nVersion: 1\nArchitecture: amd64\n";
    let table: [(&[u8], Option<&str>); 6] = [
        (good.as_bytes(), None),
        (b"", Some("has no package, so what is installed is not known")),
        (b"garbage\n\nPackage\n", Some("is damaged; dpkg keeps the one before")),
        (&[0xff, 0xfe, 0, 7, b'\n'], Some("is damaged; dpkg keeps the one before")),
        (&good.as_bytes()[..20], Some("is damaged; dpkg keeps the one before")),
        (
            b"Package: a\nStatus: install ok half-installed\nVersion: 1\n",
            Some("is in the state `half-installed`"),
        ),
    ];
    for (status, expected) in table {
        let raw = base(&fixture.path(""), &[("var/lib/dpkg/status", status)]);
        let sha256 = Digest::of(&fs::read(&raw).unwrap());
        fixture.write_recipe(&["app"], "");
        let text = fs::read_to_string(fixture.path("recipe.toml")).unwrap();
        let image =
            format!("[[source]]\nkind = \"image\"\npath = \"{raw}\"\nsha256 = \"{sha256}\"\n\n[[source]]");
        let text = text.replacen("[[source]]", &image, 1).replace("base = \"none\"\n", "");
        fs::write(fixture.path("recipe.toml"), text).unwrap();
        let _ = fs::remove_file(fixture.path("recipe.lock"));
        let Some(expected) = expected else {
            fixture.must("lock", &mirror, &[]);
            continue;
        };
        let text = fixture.must_fail(2, "lock", &mirror, &[]);
        assert!(text.contains(expected), "{text}");
        assert!(!fixture.path("recipe.lock").exists());
    }
}
