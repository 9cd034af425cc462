//! `verify.sh`, run by dash and by busybox.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output};

use amiforge_trust::sshsig::{BUNDLE, INPUTS, sign};

use super::fixture::{Fixture, key, policy};

/// The shells that are installed; fails where oracles are required and one is not.
fn shells() -> Vec<Vec<&'static str>> {
    let installed = |program: &str| {
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
    };
    let required = std::env::var_os("REQUIRE_ORACLES").is_some_and(|value| value == "1");
    let all = ["dash", "busybox", "ssh-keygen"];
    let missing: Vec<_> = all.into_iter().filter(|program| !installed(program)).collect();
    assert!(missing.is_empty() || !required, "an oracle is missing: {missing:?}");
    if missing.contains(&"ssh-keygen") {
        eprintln!("SKIP not installed: {missing:?}");
        return Vec::new();
    }
    let shells = [vec!["dash"], vec!["busybox", "sh"]];
    shells.into_iter().filter(|shell| !missing.contains(&shell[0])).collect()
}

fn run(shell: &[&str], bundle: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(shell[0]);
    command.args(&shell[1..]).arg(bundle.join("verify.sh")).args(arguments);
    // From elsewhere: the script finds its bundle, and arguments are relative to where it was started.
    command.current_dir(bundle.parent().unwrap()).output().unwrap()
}

fn expect(shell: &[&str], fixture: &Fixture, arguments: &[&str], code: i32, words: &str) {
    let output = run(shell, &fixture.path, arguments);
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{shell:?} {arguments:?}: {out}{err}");
    assert!(
        format!("{out}{err}").contains(words),
        "{shell:?} {arguments:?}: `{words}` is missing: {out}{err}"
    );
    let plain = |byte: u8| byte == b'\n' || (b' '..=b'~').contains(&byte);
    assert!(output.stdout.iter().copied().all(plain), "{out:?}");
}

#[test]
fn the_script_checks_files_and_signatures() {
    for shell in shells() {
        let fixture = Fixture::new();
        let expect = |arguments: &[&str], code, words| expect(&shell, &fixture, arguments, code, words);
        expect(&[], 0, "which nobody has signed");
        let allowed = fixture.path.with_file_name("allowed");
        let write = |threshold| {
            let text = policy("web", threshold).allowed_signers(Some("web"), &[BUNDLE]).unwrap();
            fs::write(&allowed, text).unwrap();
        };
        write(2);
        expect(&["allowed"], 3, "signatures of 2 signers are needed, and 0 are there");
        fixture.sign(1);
        expect(&[], 0, "signed     by the key SHA256:");
        expect(&["allowed"], 3, "signatures of 2 signers are needed, and 1 are there");
        expect(&["allowed", "signer-1"], 0, "as signed by signer-1");
        expect(&["allowed", "signer-2"], 3, "of the signer signer-2 are needed");
        fixture.sign(2);
        expect(&["allowed"], 0, "as signed by signer-1 signer-2");
        expect(&[allowed.to_str().unwrap()], 0, "as signed by signer-1 signer-2");
        fixture.sign(9);
        expect(&["allowed"], 0, "which is not asked for");
        write(3);
        expect(&["allowed"], 3, "signatures of 3 signers are needed, and 2 are there");
        expect(&["nowhere"], 1, "not a file that can be read");
        expect(&["allowed", ""], 1, "IDENTITY is empty");
        expect(&["a", "b", "c"], 1, "usage");
        fs::write(&allowed, "# amiforge-threshold 0\n").unwrap();
        expect(&["allowed"], 1, "is not a number");
        fs::write(&allowed, "").unwrap();
        expect(&["allowed"], 3, "signatures of 1 signers are needed");
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "one case after another")]
fn the_script_refuses_what_nobody_signed() {
    for shell in shells() {
        let fixture = Fixture::new();
        fixture.sign(1);
        let expect = |code, words| expect(&shell, &fixture, &[], code, words);
        let at = |name: &str| fixture.path.join(name);
        for name in
            ["-rf", "a b", ".hidden", "..x", "*", "\u{1b}[31m", "new\nline", "disk.raw verify.sh", "$(id)"]
        {
            fs::write(at(name), "").unwrap();
            expect(3, "is not in SHA256SUMS");
            fs::remove_file(at(name)).unwrap();
        }
        fs::create_dir(at("signing")).unwrap();
        expect(0, "files");
        fs::write(at("signing/-x"), "").unwrap();
        expect(3, "signing/-x is not in SHA256SUMS");
        fs::remove_dir_all(at("signing")).unwrap();
        let tree = fs::read(at("tree.txt")).unwrap();
        fs::write(at("tree.txt"), "x").unwrap();
        expect(3, "tree.txt has SHA-256");
        fs::remove_file(at("tree.txt")).unwrap();
        expect(3, "tree.txt is missing");
        symlink("manifest.json", at("tree.txt")).unwrap();
        expect(3, "tree.txt is missing, or not a regular file");
        fs::remove_file(at("tree.txt")).unwrap();
        fs::write(at("tree.txt"), tree).unwrap();
        expect(0, "agree with SHA256SUMS");
        let text = fs::read_to_string(at("SHA256SUMS")).unwrap();
        let first = text.lines().next().unwrap().to_owned();
        let zeros = "0".repeat(64);
        for (changed, words) in [
            (format!("{text}{first}\n"), "twice"),
            (format!("{text}{zeros}  ../../etc/passwd\n"), "a name that no file of a bundle has"),
            (format!("{text}{zeros}  --help\n"), "a name that no file of a bundle has"),
            (format!("{text}{zeros}  $(touch pwned)\n"), "a name that no file of a bundle has"),
            (format!("{text}{zeros} *disk.raw\n"), "SHA256SUMS"),
            (format!("{text}x\n"), "a line of another form"),
            (String::new(), "does not list disk.raw"),
        ] {
            fs::write(at("SHA256SUMS"), &changed).unwrap();
            expect(3, words);
        }
        assert!(!at("pwned").exists() && !at("../pwned").exists());
        fs::write(at("SHA256SUMS"), &text).unwrap();
        for bytes in [
            b"x".to_vec(),
            sign(&key(4), INPUTS, text.as_bytes()).unwrap().to_armour().into_bytes(),
            sign(&key(4), BUNDLE, b"other").unwrap().to_armour().into_bytes(),
        ] {
            fs::write(at("signatures/0123456789abcdef.sig"), bytes).unwrap();
            expect(3, "signatures/0123456789abcdef.sig is no signature of SHA256SUMS");
        }
        fs::rename(at("signatures/0123456789abcdef.sig"), at("signatures/-O.sig")).unwrap();
        expect(3, "is not named as a signature is");
        fs::remove_file(at("signatures/-O.sig")).unwrap();
        fs::rename(at("signatures"), at("../elsewhere")).unwrap();
        symlink("../elsewhere", at("signatures")).unwrap();
        expect(3, "signatures is");
        fs::remove_file(at("SHA256SUMS")).unwrap();
        expect(1, "no SHA256SUMS");
    }
}
