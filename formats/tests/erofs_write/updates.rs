//! An update of a system sends little more than what is new, as little as one of ext4.

use amiforge_formats::erofs::write::ErofsDraft;
use amiforge_formats::ext4::write::{Ext4Draft, Ext4Options, JournalSize};
use amiforge_formats::plan::Plan;

use super::fixture::{MIB, dirty, options};
use super::fixtures::system::{PACKAGES, System, files_of};

fn plan(system: &System, len: u64) -> Plan {
    ErofsDraft::grouped(&system.tree, &system.groups(), &options()).unwrap().plan(len).unwrap()
}

/// The same system as ext4.
fn ext4(system: &System, len: u64) -> Plan {
    let options = Ext4Options {
        uuid: options().uuid,
        hash_seed: options().uuid,
        label: String::new(),
        time: options().time,
        journal: JournalSize::None,
        reserved: 0,
    };
    Ext4Draft::grouped(&system.tree, &system.groups(), &options).unwrap().plan(len).unwrap()
}

/// Blocks that the new content takes, that EROFS sends, and that ext4 sends.
fn update(before: &System, after: &System, len: u64) -> (u64, u64, u64) {
    let (used, sent) = dirty(&plan(before, len), &plan(after, len));
    let (_, by_ext4) = dirty(&ext4(before, len), &ext4(after, len));
    let new = after.new_bytes(before);
    println!("{sent} of {used} blocks for {new} bytes; ext4: {by_ext4}");
    (new.div_ceil(MIB / 2), sent as u64, by_ext4 as u64)
}

#[test]
fn an_update_of_a_system_sends_about_as_much_as_one_of_ext4() {
    let before = System::new(&|_| false, 1);
    let security = System::new(&|package| package % 13 == 0, 2);
    let (new, sent, by_ext4) = update(&before, &security, 4096 * MIB);
    assert!(sent * 100 <= new * 150, "{sent} for {new}");
    assert!(sent * 100 <= by_ext4 * 110, "{sent}, ext4 {by_ext4}");
}

#[test]
fn an_update_of_one_small_package_sends_few_blocks() {
    let before = System::new(&|_| false, 1);
    let (mut all, mut all_of_ext4) = (0, 0);
    for package in (0..PACKAGES).filter(|package| files_of(*package) < 12).step_by(5) {
        let after = System::new(&|one| one == package, 1);
        if after.new_bytes(&before) > MIB {
            continue;
        }
        let (_, sent, by_ext4) = update(&before, &after, 4096 * MIB);
        assert!(sent <= 24, "{sent} blocks for package {package}");
        (all, all_of_ext4) = (all + sent, all_of_ext4 + by_ext4);
    }
    // Content of a few KiB is in other slots than the rest of its package.
    assert!(all * 100 <= all_of_ext4 * 130, "{all}, ext4 {all_of_ext4}");
}
