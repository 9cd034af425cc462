//! `prune`, `orphans` and `undo`.

use std::collections::{BTreeMap, BTreeSet};

use amiforge_emulator::{FaultScript, InjectedFault};
use serde_json::Value;

use super::account::Account;

/// What nothing uses.
const FREE: [&str; 4] = ["plain", "shared", "two volumes", "a volume of others"];

/// The action of a plan for each image, with the kinds of its reasons.
fn planned(account: &Account, shown: &Value) -> BTreeMap<String, String> {
    let images = shown["regions"][0]["images"].as_array().unwrap();
    let kind =
        |id: &str| account.ids.iter().find(|(_, one)| *one == id).map(|(kind, _)| kind.clone()).unwrap();
    let words = |image: &Value| {
        let because = image["because"].as_array().map(Vec::as_slice).unwrap_or_default();
        let kinds: BTreeSet<_> = because.iter().map(|one| one["kind"].as_str().unwrap()).collect();
        match image["action"].as_str().unwrap() {
            "keep" => kinds.into_iter().collect::<Vec<_>>().join(" "),
            action => format!("{action} {}", image["step"].as_str().unwrap()),
        }
    };
    images.iter().map(|image| (kind(image["imageId"].as_str().unwrap()), words(image))).collect()
}

fn images(read: &Value) -> BTreeSet<String> {
    read["images"].as_object().unwrap().keys().cloned().collect()
}

fn has_snapshot(read: &Value, id: &str) -> bool {
    read["snapshots"].as_object().unwrap().contains_key(id)
}

#[test]
fn a_plan_says_why_each_image_goes_or_stays_and_changes_nothing() {
    let Some(account) = Account::new() else { return };
    let before = account.read_back();
    let mut expected: BTreeMap<String, String> = [
        ("newest", "newest"),
        ("template", "reference"),
        ("stopped instance", "reference"),
        ("protected", "protected"),
        ("channel", "channel reference"),
        ("channel before", "channel"),
        // Other accounts are asked before an image is disabled.
        ("other account", "go deprecate"),
        ("instance of another account", "go deprecate"),
    ]
    .map(|(kind, words)| (kind.to_owned(), words.to_owned()))
    .into();
    expected.extend(FREE.map(|kind| (kind.to_owned(), "go deprecate".to_owned())));
    assert_eq!(planned(&account, &account.prune(&[])), expected);
    let text = account.exits(0, &["prune", "--keep", "1", "--older-than", "0s"]);
    for words in ["launch-template", "/amiforge/web/stable holds it", "it is the newest of its name"] {
        assert!(text.contains(words), "{words}: {text}");
    }
    let young = account.exits(0, &["prune"]);
    assert!(young.lines().all(|line| line.contains("  keep  ")), "{young}");
    assert_eq!(account.read_back(), before);
}

#[test]
fn three_runs_remove_what_nothing_uses_and_undo_brings_it_back() {
    let Some(account) = Account::new() else { return };
    account.retain();
    let before = account.read_back();
    account.prune(&["--yes"]);
    let deprecated = account.read_back();
    for kind in FREE {
        let image = &deprecated["images"][account.id(kind)];
        assert_eq!((&image["state"], &image["deprecated"]), (&"available".into(), &true.into()), "{kind}");
    }
    let done = account.prune(&["--yes"]);
    let lost: Vec<_> = done["regions"][0]["done"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|one| !one["lost"].is_null())
        .map(|one| (one["imageId"].as_str().unwrap(), one["lost"][0].as_str().unwrap()))
        .collect();
    assert_eq!(lost, [(account.id("shared"), "210987654321")], "{done:#}");
    let disabled = account.read_back();
    for kind in FREE {
        assert_eq!(disabled["images"][account.id(kind)]["state"], "disabled", "{kind}");
    }
    for kind in ["other account", "instance of another account"] {
        assert_eq!(disabled["images"][account.id(kind)]["state"], "available", "{kind}");
    }

    account.prune(&["--yes"]);
    let after = account.read_back();
    let gone: BTreeSet<_> = images(&before).difference(&images(&after)).cloned().collect();
    assert_eq!(gone, FREE.map(|kind| account.id(kind).to_owned()).into());
    assert!(!has_snapshot(&after, account.id("root of plain")));
    assert!(has_snapshot(&after, account.id("snapshot of others")), "a snapshot without our tag stays");
    assert_eq!(after["binnedSnapshots"].as_array().unwrap().len(), 5);
    assert_eq!(after["images"][account.id("foreign")], before["images"][account.id("foreign")]);
    let reports: Vec<_> =
        after["reports"].as_array().unwrap().iter().map(|one| one.as_str().unwrap()).collect();
    assert!(reports.iter().all(|image| !gone.contains(*image)), "{reports:?}");

    let listed = account.json(&["undo"]);
    assert_eq!(listed["regions"][0]["images"].as_array().unwrap().len(), 4);
    for kind in FREE {
        let undone = account.json(&["undo", account.id(kind)]);
        assert_eq!(
            (&undone["restored"], &undone["enabled"]),
            (&true.into(), &true.into()),
            "{kind}: {undone}"
        );
    }
    let back = account.read_back();
    for kind in FREE {
        let id = account.id(kind);
        assert_eq!(back["images"][id], before["images"][id], "{kind}");
    }
    let ids = |read: &Value| read["snapshots"].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(ids(&back), ids(&before));
    assert_eq!(back["snapshots"], before["snapshots"], "no mark is left");
}

#[test]
fn an_image_of_which_one_call_fails_does_not_hold_up_the_others() {
    let Some(account) = Account::new() else { return };
    account.region.inject(FaultScript::times(1, "EnableImageDeprecation", InjectedFault::NotFound));
    let output = account.run(&[
        "prune",
        "--keep",
        "1",
        "--older-than",
        "0s",
        "--unused-for",
        "0s",
        "--grace",
        "0s",
        "--yes",
        "--json",
    ]);
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    account.region.inject(FaultScript::default());
    let shown: Value = serde_json::from_slice(&output.stdout).unwrap();
    let done = shown["regions"][0]["done"].as_array().unwrap();
    let of = |outcome: &str| -> Vec<&str> {
        let ended = done.iter().filter(|one| one["outcome"] == outcome);
        ended.map(|one| one["imageId"].as_str().unwrap()).collect()
    };
    // Due are the free ones and the two that other accounts use.
    assert_eq!((of("failed").len(), of("done").len()), (1, FREE.len() + 1), "{shown:#}");
    let read = account.read_back();
    let deprecated = |id: &&str| read["images"][*id]["deprecated"] == true;
    assert!(of("done").iter().all(deprecated) && !of("failed").iter().any(deprecated), "{read:#}");
    account.prune(&["--yes"]);
    let read = account.read_back();
    assert!(FREE.iter().all(|kind| read["images"][account.id(kind)]["deprecated"] == true), "{read:#}");
}

#[test]
fn orphans_are_deleted_only_when_they_are_old_enough_and_it_is_asked_for() {
    let Some(account) = Account::new() else { return };
    let orphans = |shown: &Value| -> Vec<(String, bool)> {
        let all = shown["regions"][0]["orphans"].as_array().unwrap();
        all.iter()
            .map(|one| (one["snapshotId"].as_str().unwrap().to_owned(), one["kept"].is_null()))
            .collect()
    };
    let orphan = account.id("orphan").to_owned();
    assert_eq!(orphans(&account.json(&["orphans"])), [(orphan.clone(), false)], "it is young");
    assert_eq!(orphans(&account.json(&["orphans", "--older-than", "0s"])), [(orphan.clone(), true)]);
    account.exits(2, &["orphans", "--yes"]);
    assert!(has_snapshot(&account.read_back(), &orphan));
    let shown = account.json(&["orphans", "--older-than", "0s", "--delete", "--yes"]);
    assert_eq!(shown["regions"][0]["deleted"], serde_json::json!([orphan]));
    let read = account.read_back();
    assert!(!has_snapshot(&read, &orphan) && has_snapshot(&read, account.id("root of plain")));
}

#[test]
fn what_cannot_be_restored_is_refused() {
    let Some(account) = Account::new() else { return };
    account.exits(1, &["undo", "ami-0123456789abcdef0"]);
    account.exits(1, &["undo", "snap-0123456789abcdef0"]);
    account.exits(2, &["undo", "vol-0123456789abcdef0"]);
}
