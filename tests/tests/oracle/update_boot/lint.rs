//! The script by shellcheck.

use std::path::Path;

use amiforge_tests::{oracle, scratch};

#[test]
fn shellcheck_has_nothing_to_say() {
    if !oracle::ready(&["shellcheck"], false) {
        return;
    }
    let folder = scratch::repository().join("rootfs/src/steps/kernel_hook/image");
    for name in ["update-boot", "zz-amiforge"] {
        oracle::must(
            "shellcheck",
            &["-s", "sh", "-S", "warning", &Path::new(&folder).join(name).to_string_lossy()],
        );
    }
}
