//! A build needs nothing of the host: no root, no PATH, no network, no writable `/`, and starts no program.

use std::path::{Path, PathBuf};
use std::process::Command;

use amiforge_tests::program::{self, Bundle};
use amiforge_tests::{oracle, scratch};

/// System calls that a build must never make once it runs (`clone3` only with a name-space flag).
const FORBIDDEN: &str = "mount,umount2,unshare,setns,clone3,socket,socketpair,connect,bind,execve,execveat,\
                         ptrace,init_module,finit_module,mknod,mknodat,chroot,pivot_root";

/// Everything but the yard read-only, no network interface, no privilege, an empty PATH.
const JAIL: &str = r#"
set -e
mount --make-rprivate /
mount --bind "$YARD" "$YARD"
for at in $(cut -d' ' -f5 /proc/self/mountinfo | sort -r); do
    [ "$at" = "$YARD" ] || mount -o remount,bind,ro "$at" 2>/dev/null || true
done
if touch "$FOLDER/probe" 2>/dev/null; then echo "the root can be written to"; exit 9; fi
if ip -o link show up | grep -q .; then echo "an interface is up"; exit 9; fi
exec setpriv --reuid 65534 --regid 65534 --clear-groups --no-new-privs \
    /usr/bin/env -i PATH= "$PROGRAM" build "$RECIPE" -o "$YARD/out"
"#;

fn recipe(folder: &Path) -> PathBuf {
    program::must(&["new", &folder.join("machine").to_string_lossy()]);
    folder.join("machine/recipe.toml")
}

#[test]
fn nobody_without_network_or_writable_root_builds_the_same_bytes() {
    if !oracle::ready(&["unshare", "setpriv", "mount", "ip"], true) {
        return;
    }
    let folder = scratch::folder();
    let recipe = recipe(folder.path());
    let by_root = Bundle::build(&recipe, &folder.path().join("by-root"));
    // The program itself may lie in a folder that nobody can enter.
    let program = folder.path().join("amiforge");
    std::fs::copy(program::path(), &program).unwrap();
    let yard = folder.path().join("yard");
    std::fs::create_dir(&yard).unwrap();
    oracle::must("chmod", &["-R", "a+rX", &folder.path().to_string_lossy()]);
    oracle::must("chown", &["65534:65534", &yard.to_string_lossy()]);
    let output = Command::new(oracle::find("unshare").unwrap())
        .args(["--mount", "--net", "sh", "-c", JAIL])
        .env("YARD", &yard)
        .env("FOLDER", folder.path())
        .env("PROGRAM", &program)
        .env("RECIPE", &recipe)
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}{}", String::from_utf8_lossy(&output.stdout));
    let by_nobody = Bundle::open(&yard.join("out"));
    assert_eq!(by_nobody.digest(), by_root.digest());
    for file in ["manifest.json", "tree.txt", "SHA256SUMS"] {
        let read = |bundle: &Bundle| std::fs::read(bundle.folder.join(file)).unwrap();
        assert!(read(&by_nobody) == read(&by_root), "{file} differs");
    }
}

#[test]
fn a_build_makes_no_call_that_needs_a_privilege_a_network_or_a_program() {
    if !oracle::ready(&["strace"], false) {
        return;
    }
    let folder = scratch::folder();
    let recipe = recipe(folder.path());
    let trace = folder.path().join("trace");
    let out = folder.path().join("out");
    let filter = format!("trace={FORBIDDEN}");
    let program = program::path();
    oracle::must(
        "strace",
        &[
            "-f".as_ref(),
            "-e".as_ref(),
            filter.as_ref(),
            "-o".as_ref(),
            trace.as_os_str(),
            program.as_os_str(),
            "build".as_ref(),
            recipe.as_os_str(),
            "-o".as_ref(),
            out.as_os_str(),
        ],
    );
    let text = std::fs::read_to_string(&trace).unwrap();
    let calls: Vec<_> = text
        .lines()
        .filter(|line| !line.contains("+++") && !line.contains("---"))
        .filter(|line| !line.contains("clone3") || line.contains("CLONE_NEW"))
        .collect();
    assert_eq!(calls.len(), 1, "only the start itself may appear:\n{text}");
    assert!(calls[0].contains("execve("), "{text}");
}
