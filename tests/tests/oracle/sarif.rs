//! Logs of `leaks --sarif`, judged by the schema of SARIF that OASIS publishes.

use std::fs;

use amiforge_tests::{program, python, scratch};

/// A token that was never issued.
const TOKEN: &str = "ghp_aB3dE5gH7jK9mN1pQ3rS5tU7vW9xY1zA3bC5";

const RECIPE: &str = "[image]\nname = \"web\"\narch = \"x86_64\"\nepoch = \"2030-01-01T00:00:00Z\"\n[[source]]\nkind = \"dir\"\n\
    path = \"tree\"\n[[allow]]\nrule = \"history\"\npath = \"/root/.bash_history\"\nreason = \"the history of a tutorial\"\n";

#[test]
fn logs_of_every_kind_of_finding_are_what_the_schema_says() {
    let Some(schema) = scratch::input("sarif/schema.json") else { return };
    let Some(python) = python::with(&["jsonschema"]) else { return };
    let folder = scratch::folder();
    let at = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    for (path, content) in [
        ("etc/app.conf", format!("# settings\ntoken {TOKEN}\n")),
        ("root/.bash_history", "ls\n".to_owned()),
        ("root/caf\u{e9} #1 %2f?.txt", format!("{TOKEN}\n")),
        ("root/.netrc", "machine example.org login a password b\n".to_owned()),
        ("opt/binary", format!("\0\u{1}{}{TOKEN}\0", "\0".repeat(5000))),
    ] {
        let file = folder.path().join("tree").join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, content).unwrap();
    }
    fs::write(at("recipe.toml"), RECIPE).unwrap();
    program::must(&["build", &at("recipe.toml"), "-o", &at("out")]);
    // Below the tree: bytes of a token in a block that no file has.
    let mut disk = fs::read(at("out/disk.raw")).unwrap();
    let len = disk.len();
    disk[len - 40_000..][..TOKEN.len()].copy_from_slice(TOKEN.as_bytes());
    fs::write(at("foreign.raw"), &disk).unwrap();
    for image in ["out", "foreign.raw"] {
        let log = at(&format!("{image}.sarif"));
        let output = program::run(&["leaks", &at(image), "--sarif", &log]);
        assert_eq!(output.status.code(), Some(3), "{}", String::from_utf8_lossy(&output.stderr));
        let checked = python::must(&python, "sarif.py", &[schema.to_string_lossy().into_owned(), log]);
        let results: usize = checked.rsplit(' ').nth(1).unwrap().parse().unwrap();
        assert!(results >= 4, "{checked}");
    }
}
