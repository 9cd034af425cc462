//! Every command that calls AWS prints its IAM policy, and a test of this folder shows that it is the least one. The commands
//! are those of the program itself, so that a new one is asked for its test.

use std::collections::{BTreeMap, BTreeSet};

use amiforge_tests::program;

use super::{channels, fleet, life, publish, reading, signing, sources, update, upload};
use crate::import;

/// A test, which shows by running.
type PolicyTest = fn();

/// The commands and the tests of their policies.
#[rustfmt::skip]
const TESTED: &[(&str, &[PolicyTest])] = &[
    ("allowed-images", &[life::the_policies_of_sharing_are_the_least]),
    ("backup", &[life::the_policies_of_backup_and_restore_image_are_the_least]),
    ("boot", &[reading::the_policy_of_boot_is_the_least]),
    ("channels", &[reading::the_policies_of_images_and_channels_are_the_least]),
    ("copy", &[life::the_policies_of_copy_are_the_least]),
    ("download", &[reading::the_policies_of_download_and_leaks_are_the_least]),
    ("fetch", &[sources::the_policies_of_lock_fetch_and_outdated_are_the_least]),
    ("follow", &[
        fleet::the_policies_of_follow_are_the_least,
        fleet::the_policies_of_follow_let_a_fleet_be_taken_back,
    ]),
    ("images", &[reading::the_policies_of_images_and_channels_are_the_least]),
    ("import", &[sources::the_policies_of_import_are_the_least]),
    ("leaks", &[reading::the_policies_of_download_and_leaks_are_the_least]),
    ("lock", &[sources::the_policies_of_lock_fetch_and_outdated_are_the_least]),
    ("marketplace check", &[reading::the_policy_of_marketplace_check_is_the_least]),
    ("orphans", &[life::the_policies_of_orphans_are_the_least]),
    ("outdated", &[sources::the_policies_of_lock_fetch_and_outdated_are_the_least]),
    ("promote", &[
        channels::the_policies_of_promote_and_rollback_are_the_least,
        channels::the_policy_of_a_promotion_lets_a_region_be_set_back,
        channels::the_policies_of_a_long_history_are_the_least,
    ]),
    ("prune", &[channels::the_policies_of_prune_are_the_least]),
    ("publish", &[
        publish::the_policy_of_a_plain_publish_is_the_least,
        publish::the_policy_of_copies_with_all_attributes_is_the_least,
        publish::the_policy_of_a_publish_onto_a_parent_is_the_least,
        import::policy::the_policy_of_an_import_is_the_least,
    ]),
    ("rebuild", &[reading::the_policies_of_rebuild_are_the_least]),
    ("receipts export", &[reading::the_policies_of_receipts_export_are_the_least]),
    ("register", &[upload::the_policies_of_register_are_the_least]),
    ("restore-image", &[life::the_policies_of_backup_and_restore_image_are_the_least]),
    ("rollback", &[channels::the_policies_of_promote_and_rollback_are_the_least]),
    ("share", &[life::the_policies_of_sharing_are_the_least]),
    ("sign", &[signing::the_policies_of_a_signature_by_a_key_of_kms_are_the_least]),
    ("snapshot archive", &[life::the_policies_of_the_archive_are_the_least]),
    ("snapshot fast-restore", &[life::the_policies_of_snapshot_are_the_least]),
    ("snapshot lock", &[life::the_policies_of_snapshot_are_the_least]),
    ("snapshot restore", &[life::the_policies_of_the_archive_are_the_least]),
    ("snapshot unlock", &[life::the_policies_of_snapshot_are_the_least]),
    ("undo", &[
        reading::the_policy_of_listing_what_can_be_undone_is_the_least,
        channels::the_policies_of_undo_are_the_least,
    ]),
    ("unshare", &[
        life::the_policies_of_sharing_are_the_least,
        life::the_policy_of_giving_a_permission_up_is_the_least,
    ]),
    ("update", &[update::the_policies_of_update_are_the_least]),
    ("upload", &[upload::the_policies_of_upload_are_the_least]),
    ("verify", &[
        reading::the_policies_of_verify_are_the_least,
        signing::the_policies_of_a_signature_by_a_key_of_kms_are_the_least,
    ]),
    ("whois", &[reading::the_policies_of_whois_are_the_least]),
];

/// What a command that calls AWS has in its help: the option of a profile, or the consent to copy a public snapshot.
const CALLS: [&str; 2] = ["--profile <PROFILE>", "--copy\n"];

/// The help of every command by its words without `amiforge`, as the generated page has it.
fn commands() -> BTreeMap<String, String> {
    let page = program::must(&["docs", "cli"]);
    let mut commands = BTreeMap::new();
    for section in page.split("\n## ").skip(1).flat_map(|section| section.split("\n### ")) {
        let (title, help) = section.split_once('\n').expect("a title and its help");
        commands.insert(title.trim_start_matches("amiforge").trim().to_owned(), help.to_owned());
    }
    commands
}

#[test]
fn every_command_that_calls_aws_prints_its_policy_and_has_a_test_of_it() {
    let commands = commands();
    assert!(commands.len() > 50, "the page is not read as it is written: {:?}", commands.keys());
    let calling = commands.iter().filter(|(_, help)| CALLS.iter().any(|option| help.contains(option)));
    let calling: BTreeMap<_, _> = calling.collect();
    let silent: Vec<_> = calling.iter().filter(|(_, help)| !help.contains("--dry-run")).collect();
    assert!(silent.is_empty(), "these call AWS and do not print what they need: {silent:?}");
    let calling: BTreeSet<_> = calling.keys().map(|name| name.as_str()).collect();
    let tested: BTreeSet<_> = TESTED.iter().map(|(name, _)| *name).collect();
    assert_eq!(calling, tested, "a command that calls AWS needs a row with the test of its policy");
    assert!(TESTED.iter().all(|(_, tests)| !tests.is_empty()));
}
