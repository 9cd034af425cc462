//! shellcheck accepts the scripts.

use std::path::Path;

use amiforge_tests::{oracle, scratch};

#[test]
fn shellcheck_finds_nothing() {
    if !oracle::ready(&["shellcheck"], false) {
        return;
    }
    let folder = scratch::repository().join("rootfs/src/steps/kernel_hook/image");
    for name in ["update-boot", "zz-amiforge", "99-amiforge.install"] {
        oracle::must(
            "shellcheck",
            &["-s", "sh", "-S", "warning", &Path::new(&folder).join(name).to_string_lossy()],
        );
    }
}
