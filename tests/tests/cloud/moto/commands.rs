//! Commands of the program in an account of moto.

use super::account::MotoAccount;

/// moto forgets architecture, metadata service and devices of what is registered: a publish finds that.
pub(super) fn publish_finds_what_was_forgotten(account: &MotoAccount) {
    let bundle = account.bundle_text();
    let refused = account.run(&["publish", &bundle, "--name=published", "--boot-mode=uefi", "--max-rate=0"]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(said.contains("architecture is none and should be `x86_64`"), "{said}");
}

pub(super) fn channels_move_and_are_set_back(account: &MotoAccount) {
    let [first, second] = account.images.each_ref().map(String::as_str);
    let channel = ["--channel=stable", "--name=web"];
    for image in [first, second] {
        account.must(&[&["promote", image], &channel[..]].concat());
    }
    assert!(account.must(&["channels"]).contains(second));
    account.must(&[&["rollback"], &channel[..]].concat());
    assert!(account.must(&["channels", "--channel=stable"]).contains(first));
}

pub(super) fn sharing_is_given_and_taken(account: &MotoAccount) {
    let image = account.images[0].as_str();
    let shared = account.must(&["share", image, "--with=111122223333"]);
    assert!(shared.contains("shared with 111122223333"), "{shared}");
    let again = account.must(&["share", image, "--with=111122223333"]);
    assert!(again.contains("nothing to change"), "{again}");
    account.must(&["unshare", image, "--everyone"]);
    let origin = account.must(&["whois", image, "--tags-only"]);
    assert!(origin.contains(image) && origin.contains("web"), "{origin}");
}

pub(super) fn a_copy_is_made(account: &MotoAccount) {
    let copied = account.must(&["copy", &account.images[0], "--to=eu-west-1"]);
    assert!(copied.contains("eu-west-1 ami-"), "{copied}");
}

/// Templates alone: moto has no instance refresh.
pub(super) fn templates_follow(account: &MotoAccount) {
    let image = account.images[1].as_str();
    let followed = account.must(&["follow", image, "--templates", &account.template, "--no-wait"]);
    assert!(followed.contains(&account.template) && followed.contains("version 2"), "{followed}");
}

pub(super) fn blocks_are_read(account: &MotoAccount) {
    let volume = account.folder.path().join("volume.raw");
    account.must(&["download", &account.snapshot, "-o", &volume.to_string_lossy()]);
    let (found, expected) =
        (std::fs::read(&volume).unwrap(), std::fs::read(account.bundle.join("disk.raw")).unwrap());
    assert!(found.starts_with(&expected));
    account.must(&["verify", &account.snapshot, "--bundle", &account.bundle_text()]);
}

/// The alias of a key that encrypts is looked up, and a key that signs signs a bundle.
pub(super) fn keys_encrypt_and_sign(account: &MotoAccount) {
    let folder = account.folder.path();
    let second = crate::publish::bundles::build(folder, 2, 8).to_string_lossy().into_owned();
    account.must(&["upload", &second, "--kms-key=alias/web", "--max-rate=0"]);
    account.must(&["sign", &second, "--for=bundle", "--key=awskms:alias/sign"]);
}
