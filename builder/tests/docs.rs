//! The generated pages of `docs/` are what the program prints.
#![expect(clippy::unwrap_used, reason = "a test that cannot prepare its case fails")]

use std::path::Path;
use std::process::Command;

fn page_is_up_to_date(page: &str) {
    let output = Command::new(env!("CARGO_BIN_EXE_amiforge")).args(["docs", page]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let now = String::from_utf8(output.stdout).unwrap();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../docs/{page}.md"));
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &now).unwrap();
    }
    let then = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        now == then,
        "docs/{page}.md is not what `amiforge docs {page}` prints; UPDATE_DOCS=1 rewrites it"
    );
}

#[test]
fn the_reference_of_recipes_is_up_to_date() {
    page_is_up_to_date("recipe");
}

#[test]
fn the_reference_of_the_command_line_is_up_to_date() {
    page_is_up_to_date("cli");
}
