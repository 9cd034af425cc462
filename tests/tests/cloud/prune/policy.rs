//! The IAM policy that a dry run prints allows the calls that are made.

use std::collections::BTreeSet;

use serde_json::Value;

use super::account::Account;

/// The actions of a policy.
fn allowed(shown: &Value) -> BTreeSet<String> {
    let statements = shown["policy"]["Statement"].as_array().unwrap();
    let actions = statements.iter().flat_map(|one| one["Action"].as_array().unwrap());
    actions.map(|action| action.as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_policy_of_a_dry_run_allows_every_call_that_is_made() {
    let Some(account) = Account::new() else { return };
    account.retain();
    let plain = account.id("plain").to_owned();
    for command in ["prune", "orphans", "undo"] {
        // Each at its turn: what can be restored has been deregistered by then.
        let shown = &match command {
            "prune" => account.prune(&["--dry-run"]),
            "orphans" => account.json(&["orphans", "--delete", "--dry-run"]),
            _ => account.json(&["undo", &plain, "--dry-run"]),
        };
        let before = account.region.request_log.requests().len();
        match command {
            "prune" => {
                for _ in 0..3 {
                    account.prune(&["--yes"]);
                }
            }
            "orphans" => drop(account.json(&["orphans", "--older-than", "0s", "--delete", "--yes"])),
            _ => {
                account.json(&["undo"]);
                account.json(&["undo", &plain]);
            }
        }
        let made: BTreeSet<String> = account
            .region
            .request_log
            .requests()
            .into_iter()
            .skip(before)
            .map(|seen| format!("{}:{}", seen.service, seen.action))
            .collect();
        assert!(made.len() > 3, "{command}: {made:?}");
        let forbidden: Vec<_> = made.difference(&allowed(shown)).cloned().collect();
        assert!(forbidden.is_empty(), "{command} makes these calls, which are not allowed: {forbidden:?}");
    }
}
