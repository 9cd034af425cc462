//! Names of new versions.

use serde_json::Value;

use super::fixture::UpdateFixture;

#[test]
fn numbers_follow_the_names_in_the_account_and_a_taken_name_is_refused() {
    let Some(fixture) = UpdateFixture::new() else { return };
    let name = |report: &Value| report["published"]["name"].as_str().unwrap().to_owned();
    let numbered = ["--name", "{name}-{number}"];
    assert_eq!(name(&fixture.must(&numbered)), "tested-1");
    fixture.archive(2, 1);
    assert_eq!(name(&fixture.must(&numbered)), "tested-2");
    fixture.archive(3, 2);
    let stderr = fixture.must_fail(1, &mut fixture.command(&["--name", "tested-1"]));
    assert!(stderr.contains("tested-1") && stderr.contains("another `--name`"), "{stderr}");
    let dated = name(&fixture.must(&["--name", "{name}-{date}"]));
    let date = dated.strip_prefix("tested-").unwrap();
    assert!(date.len() == 10 && date.matches('.').count() == 2, "{dated}");
}

#[test]
fn the_name_without_a_template_follows_from_the_content() {
    let Some((fixture, first)) = UpdateFixture::published() else { return };
    let root = first["merkle_root"].as_str().unwrap();
    assert_eq!(first["published"]["name"], format!("tested-{}", &root[..12]));
    fixture.archive(2, 1);
    let second = fixture.must(&[]);
    assert_ne!(second["published"]["name"], first["published"]["name"]);
}
