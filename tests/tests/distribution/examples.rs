//! The examples build, verify, and hold what they are about; a small change makes little anew.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use amiforge_tests::{oracle, program, scratch};

use crate::yard::{Yard, checked, has, must, read, same};

#[test]
fn the_web_server_has_its_page_and_its_modules() {
    let Some(yard) = Yard::of("web-server") else { return };
    let (bundle, told) = yard.build_told("out");
    let listing = checked(&bundle);
    for line in [
        "/etc/apache2/mods-enabled/headers.load symlink ",
        "/etc/apache2/sites-enabled/000-default.conf symlink ",
        "/etc/systemd/system/multi-user.target.wants/apache2.service symlink ",
        "/var/www/html/index.html file 0644 0:0 ",
        "/etc/machine-id file 0444 0:0 ",
    ] {
        assert!(has(&listing, line), "no line `{line}…`");
    }
    assert!(!has(&listing, "/etc/ssh/ssh_host_"), "no image has the keys of a host");
    let cleaned = bundle.manifest["cleaned"].as_array().unwrap();
    assert!(cleaned.iter().any(|one| one["rule"] == "ssh-host-keys"), "{cleaned:?}");
    let layers: Vec<_> = told["layers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["name"].clone(), one["reused"].clone()))
        .collect();
    assert_eq!(layers, [("packages".into(), false.into()), ("run".into(), false.into())]);
    let inputs = bundle.manifest["inputs"].as_array().unwrap();
    assert!(
        inputs
            .iter()
            .any(|one| one["kind"] == "deb" && one["name"].as_str().unwrap().starts_with("apache2 "))
    );
    bill(&bundle.folder.join("sbom.cdx.json"));
}

/// A bill of materials names the packages, with digests of the files that each brought.
fn bill(path: &std::path::Path) {
    let bill: serde_json::Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    let components = bill["components"].as_array().unwrap();
    let apache = components.iter().find(|one| one["name"] == "apache2-bin").unwrap();
    assert!(apache["purl"].as_str().unwrap().starts_with("pkg:deb/debian/apache2-bin@"), "{apache}");
    assert_eq!(apache["hashes"][0]["alg"], "SHA-256");
    let files = apache["components"].as_array().unwrap();
    let server = files.iter().find(|file| file["name"] == "/usr/sbin/apache2").unwrap();
    assert_eq!(server["hashes"][1]["content"].as_str().unwrap().len(), 64);
    assert!(components.iter().any(|one| one["type"] == "file" && one["name"] == "/var/www/html/index.html"));
}

#[test]
fn a_changed_file_of_lamp_is_built_without_running_anything() {
    let Some(yard) = Yard::of("lamp") else { return };
    let first = yard.build("out");
    let listing = checked(&first);
    for line in [
        "/usr/sbin/mariadbd file 0755 ",
        "/etc/apache2/mods-enabled/php8.2.load symlink ",
        "/var/www/html/index.php file ",
        "/etc/systemd/system/multi-user.target.wants/greetings.service symlink ",
    ] {
        assert!(has(&listing, line), "no line `{line}…`");
    }
    let recipe = fs::read_to_string(yard.recipe()).unwrap();
    fs::write(yard.recipe(), recipe.replace("Hello from the database", "Hello again")).unwrap();
    if !oracle::ready(&["strace"], false) {
        return;
    }
    let (log, command) = (yard.path("strace.log"), yard.command("out", "store"));
    let mut traced = Command::new(oracle::find("strace").unwrap());
    traced.args(["-f", "-e", "trace=execve,execveat", "-o"]).arg(&log).arg(command.get_program());
    let told = must(&traced.args(command.get_args()).output().unwrap());
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert!(told["layers"].as_array().unwrap().iter().all(|layer| layer["reused"] == true), "{told}");
    let log = fs::read_to_string(log).unwrap();
    assert_eq!(log.matches("exec").count(), 1, "only the program itself is started:\n{log}");
    let listing = read(&first, "/usr/local/share/greetings.sql");
    assert!(listing.contains("Hello again"), "{listing}");
}

/// The entries of a yard's store that are no fetched files.
fn entries(yard: &Yard) -> Vec<PathBuf> {
    let all = fs::read_dir(yard.path("store")).unwrap().map(|entry| entry.unwrap().path());
    all.filter(|path| path.is_file()).collect()
}

/// Changes a byte of a file.
fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 1;
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_rebuild_is_the_same_and_believes_no_damaged_byte() {
    let Some(yard) = Yard::of("web-server") else { return };
    let first = yard.build("out");
    let (again, told) = yard.build_told("again");
    assert!(told["layers"].as_array().unwrap().iter().all(|layer| layer["reused"] == true), "{told}");
    same(&first, &again);
    checked(&again);
    // What is known of the image is an entry of the store like any other.
    let small: Vec<_> =
        entries(&yard).into_iter().filter(|path| fs::metadata(path).unwrap().len() < 4096).collect();
    assert!(!small.is_empty(), "nothing is known of the image");
    for path in &small {
        flip(path, fs::metadata(path).unwrap().len() as usize / 2);
    }
    same(&first, &yard.build("again"));
    // A byte of a program that is in the image.
    let words = ["inspect", &format!("{}:root/usr/sbin/apache2", first.folder.display()), "--cat"];
    let program = Command::new(program::path()).args(words).output().unwrap().stdout;
    let middle = &program[program.len() / 2..][..256];
    let found = entries(&yard).into_iter().find_map(|path| {
        let bytes = fs::read(&path).unwrap();
        let at = place_of(&bytes, middle)?;
        Some((path, at))
    });
    let (path, at) = found.expect("the program lies in the store");
    flip(&path, at);
    let output = yard.command("again", "store").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(&*path.file_name().unwrap().to_string_lossy()), "{said}");
    assert!(!path.exists(), "the damaged entry is still there");
    same(&first, &yard.build("again"));
}

#[test]
fn a_build_that_is_killed_leaves_its_packages_to_the_next() {
    let recipe =
        fs::read_to_string(scratch::repository().join("examples/debian-minimal/recipe.toml")).unwrap();
    let recipe = recipe.replace("man = false", "man = false\nscripts = \"native\"");
    let Some(yard) = Yard::with(&format!("{recipe}\n[[run]]\ncommand = \"sleep 300\"\n")) else { return };
    let mut command = yard.command("out", "store");
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let layers = || {
        let names = entries(&yard).into_iter().map(|path| path.file_name().unwrap().to_owned());
        names.filter(|name| name.to_string_lossy().starts_with("layer-")).count()
    };
    let end = Instant::now() + Duration::from_mins(2);
    while layers() == 0 {
        assert!(child.try_wait().unwrap().is_none(), "the build ended");
        assert!(Instant::now() < end, "no layer while the command runs");
        std::thread::sleep(Duration::from_millis(50));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let recipe = fs::read_to_string(yard.recipe()).unwrap();
    fs::write(yard.recipe(), recipe.replace("sleep 300", "true")).unwrap();
    let (_, told) = yard.build_told("out");
    assert_eq!(told["layers"][0]["reused"], true, "{told}");
}

/// Where some bytes begin in others.
fn place_of(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

#[test]
fn a_server_compiled_from_source_leaves_its_tools_behind() {
    let Some(yard) = Yard::of("from-source") else { return };
    let (bundle, told) = yard.build_told("out");
    let listing = checked(&bundle);
    for line in [
        "/usr/sbin/nginx file 0755 0:0 ",
        "/etc/nginx/mime.types file 0644 0:0 ",
        "/etc/systemd/system/multi-user.target.wants/nginx.service symlink ",
    ] {
        assert!(has(&listing, line), "no line `{line}…`");
    }
    assert!(!has(&listing, "/usr/bin/gcc"), "tools do not go into the image");
    let names: Vec<_> = told["layers"].as_array().unwrap().iter().map(|one| one["name"].clone()).collect();
    assert_eq!(names, ["packages", "tools of nginx", "stage nginx"]);
    let inputs = bundle.manifest["inputs"].as_array().unwrap();
    let source = inputs.iter().find(|one| one["kind"] == "source").unwrap();
    assert_eq!(source["name"], "nginx: nginx_1.22.1.orig.tar.gz");
    // The same from nothing but the store's files.
    yard.another_store("other");
    must(&yard.command("again", "other").output().unwrap());
    crate::yard::same(&bundle, &program::Bundle::open(&yard.path("again")));
}
