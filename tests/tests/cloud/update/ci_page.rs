//! The action, its scripts and the examples of docs/ci.md, judged by the schemas of `SchemaStore` and by shellcheck.

use std::fs;
use std::path::Path;
use std::process::Command;

use amiforge_tests::{oracle, python, scratch};

/// The fenced blocks of the page: their language and their text.
fn blocks() -> Vec<(String, String)> {
    let page = fs::read_to_string(scratch::repository().join("docs/ci.md")).unwrap();
    let mut blocks = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        if let Some(language) = line.strip_prefix("```") {
            let text: Vec<_> = lines.by_ref().take_while(|line| *line != "```").collect();
            blocks.push((language.to_owned(), format!("{}\n", text.join("\n"))));
        }
    }
    blocks
}

/// Validates files against a schema that check-jsonschema brings.
fn validate(python: &Path, schema: &str, file: &Path) {
    let output = Command::new(python)
        .args(["-m", "check_jsonschema", "--builtin-schema", schema])
        .arg(file)
        .output()
        .unwrap();
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {text}", file.display());
}

#[test]
fn the_action_and_the_examples_of_jobs_follow_their_schemas() {
    let Some(python) = python::with(&["check_jsonschema"]) else { return };
    validate(&python, "vendor.github-actions", &scratch::repository().join("action.yml"));
    let folder = scratch::folder();
    let mut validated = 0;
    for (language, text) in blocks() {
        if language != "yaml" {
            continue;
        }
        let name = text.lines().next().unwrap().trim_start_matches("# ").to_owned();
        let schema =
            if name.starts_with(".github/") { "vendor.github-workflows" } else { "vendor.gitlab-ci" };
        let file = folder.path().join(name.replace('/', "-"));
        fs::write(&file, &text).unwrap();
        validate(&python, schema, &file);
        validated += 1;
    }
    assert_eq!(validated, 3);
}

#[test]
fn shellcheck_accepts_the_scripts_of_the_action_and_of_the_page() {
    if !oracle::ready(&["shellcheck"], false) {
        return;
    }
    for entry in fs::read_dir(scratch::repository().join("action")).unwrap() {
        oracle::must("shellcheck", &["--severity=style", &entry.unwrap().path().to_string_lossy()]);
    }
    let folder = scratch::folder();
    let scripts: Vec<_> = blocks().into_iter().filter(|(language, _)| language == "sh").collect();
    assert_eq!(scripts.len(), 3);
    for (index, (_, text)) in scripts.iter().enumerate() {
        let file = folder.path().join(format!("{index}.sh"));
        fs::write(&file, text).unwrap();
        oracle::must("shellcheck", &["--severity=style", &file.to_string_lossy()]);
    }
}

#[test]
fn no_expression_of_the_action_is_part_of_a_script() {
    let action = fs::read_to_string(scratch::repository().join("action.yml")).unwrap();
    for line in action.lines().filter(|line| line.trim_start().starts_with("run:")) {
        assert!(line.contains("\"$GITHUB_ACTION_PATH/action/") && !line.contains("${{"), "{line}");
    }
    let page = blocks().into_iter().filter(|(language, _)| language == "yaml");
    for (_, text) in page {
        // In a block of a script, which is indented more than its key.
        let mut script: Option<usize> = None;
        for line in text.lines() {
            let indent = line.len() - line.trim_start().len();
            if script.is_some_and(|at| indent <= at && !line.trim().is_empty()) {
                script = None;
            }
            let opens = line.trim_start().trim_start_matches("- ").starts_with("run:");
            assert!(!((opens || script.is_some()) && line.contains("${{")), "{line}");
            if opens {
                script = Some(indent);
            }
        }
    }
}
