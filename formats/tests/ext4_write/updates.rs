//! An update of a system sends little more than what is new.

use amiforge_formats::ext4::write::Ext4Draft;
use amiforge_formats::plan::Plan;

use super::fixture::{MIB, dirty, options};
use super::fixtures::system::{PACKAGES, System, files_of};

fn plan(system: &System, len: u64) -> Plan {
    Ext4Draft::grouped(&system.tree, &system.groups(), &options()).unwrap().plan(len).unwrap()
}

/// Blocks sent of those that the new content takes, in hundredths, and blocks sent.
fn update(before: &System, after: &System, len: u64) -> (u64, u64) {
    let (used, sent) = dirty(&plan(before, len), &plan(after, len));
    let new = after.new_bytes(before);
    let hundredths = sent as u64 * 100 / new.div_ceil(MIB / 2);
    println!("{sent} of {used} blocks for {new} bytes: {hundredths} hundredths");
    (hundredths, sent as u64)
}

#[test]
fn an_update_of_a_system_sends_little_more_than_its_new_content() {
    let before = System::new(&|_| false, 1);
    let security = System::new(&|package| package % 13 == 0, 2);
    let (hundredths, _) = update(&before, &security, 4096 * MIB);
    // Without the kernel and initrd that stand in other partitions too, and with more of small packages than a real one.
    assert!(hundredths <= 150, "{hundredths}");
}

#[test]
fn an_update_of_one_small_package_sends_few_blocks() {
    let before = System::new(&|_| false, 1);
    for package in (0..PACKAGES).filter(|package| files_of(*package) < 12).step_by(5) {
        let after = System::new(&|one| one == package, 1);
        if after.new_bytes(&before) > MIB {
            continue;
        }
        let (_, sent) = update(&before, &after, 4096 * MIB);
        assert!(sent <= 16, "{sent} blocks for package {package}");
    }
}
