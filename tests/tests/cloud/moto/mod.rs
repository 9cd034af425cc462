//! The program and its clients against moto, a server that others wrote: every call that moto has is made, and what it lacks is
//! known, so that what it gains is noticed.
#![expect(clippy::unwrap_used, reason = "a test that cannot prepare its case fails")]

mod account;
mod calls;
mod commands;
mod operations;

use std::collections::BTreeSet;

use amiforge_tests::python;

use account::MotoAccount;

/// moto keeps few fields of an image, so a publish that compares them ends; all that follows works.
#[test]
fn every_call_that_moto_has_is_made_against_it() {
    let Some(python) = python::with(&["boto3", "moto.server"]) else { return };
    let account = MotoAccount::new(&python);
    commands::publish_finds_what_was_forgotten(&account);
    commands::channels_move_and_are_set_back(&account);
    commands::sharing_is_given_and_taken(&account);
    commands::a_copy_is_made(&account);
    commands::templates_follow(&account);
    commands::blocks_are_read(&account);
    commands::keys_encrypt_and_sign(&account);
    calls::what_no_command_reaches(&account);
    let made = account.made();
    let lacking = operations::lacking();
    let possible = operations::called().into_iter().filter(|one| !lacking.contains(one));
    let possible: BTreeSet<_> = possible.map(|(service, name)| format!("{service} {name}")).collect();
    let missed: Vec<_> = possible.difference(&made).collect();
    assert!(missed.is_empty(), "moto has these, and they were not called: {missed:?}");
}

#[test]
fn what_moto_lacks_is_what_is_listed() {
    let Some(python) = python::with(&["moto.server"]) else { return };
    let (found, listed) = (operations::missing(&python), operations::lacking());
    let gained: Vec<_> = listed.difference(&found).collect();
    assert!(
        gained.is_empty(),
        "moto has these by now, or nothing calls them: take them from the list and call them: {gained:?}"
    );
    let lost: Vec<_> = found.difference(&listed).collect();
    assert!(lost.is_empty(), "moto lacks these, which the list does not have: {lost:?}");
}
