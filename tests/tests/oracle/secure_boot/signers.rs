//! Whoever signs, the result is the same bundle, and a build never opens a key.

use std::path::Path;
use std::process::Command;

use amiforge_tests::secure_boot::{SecureBoot, UKI, files};
use amiforge_tests::{oracle, program};

/// The library of `SoftHSM2`.
const SOFTHSM: [&str; 2] =
    ["/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so"];

/// A token with the key `db`, and the URI of the key.
fn token(made: &SecureBoot) -> (String, String) {
    std::fs::create_dir_all(made.path("tokens")).unwrap();
    let settings = made.text("softhsm2.conf");
    std::fs::write(&settings, format!("directories.tokendir = {}\n", made.text("tokens"))).unwrap();
    let softhsm = |args: &[&str]| {
        let output =
            Command::new("softhsm2-util").env("SOFTHSM2_CONF", &settings).args(args).output().unwrap();
        assert!(output.status.success(), "{output:?}");
    };
    softhsm(&["--init-token", "--free", "--label", "build a", "--pin", "1234", "--so-pin", "5678"]);
    let key = made.text("db.key");
    softhsm(&["--import", &key, "--token", "build a", "--label", "db", "--id", "0a", "--pin", "1234"]);
    let module = SOFTHSM.into_iter().find(|path| Path::new(path).is_file()).expect("the library of SoftHSM2");
    (settings, format!("pkcs11:token=build%20a;object=db;id=%0a?module-path={module}"))
}

#[test]
fn openssl_a_file_a_token_and_a_build_with_the_signature_give_one_bundle() {
    if !oracle::ready(&["softhsm2-util", "pkcs11-tool"], false) {
        return;
    }
    let Some(made) = SecureBoot::new("") else { return };
    let unsigned = made.build("unsigned", &[]);
    let signature = made.openssl(&unsigned, "db");
    let output = made.attach(&unsigned, &signature, "attached", &[]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let expected = files(&made.path("attached"));

    // The signature as a pinned input of the build.
    let given = format!("{UKI}={signature}");
    made.build("built", &["--signature", &given]);
    assert!(files(&made.path("built")) == expected, "a build with the signature gives other bytes");

    let bundle = unsigned.to_string_lossy().into_owned();
    let sign = |key: &str, out: &str, environment: &[(&str, &str)]| {
        let out_path = made.text(out);
        let mut command = Command::new(program::path());
        command.args(["--quiet", "sign", &bundle, "--key", key, "-o", &out_path]);
        let output = command.envs(environment.iter().copied()).output().unwrap();
        assert!(output.status.success(), "{key}: {}", String::from_utf8_lossy(&output.stderr));
        assert!(files(Path::new(&out_path)) == expected, "{key}");
    };
    sign(&made.text("db.key"), "by-file", &[]);
    let old = made.text("db.pkcs1");
    oracle::must("openssl", &["rsa", "-traditional", "-in", &made.text("db.key"), "-out", &old]);
    sign(&old, "by-pkcs1", &[]);
    let (settings, uri) = token(&made);
    sign(&uri, "by-token", &[("SOFTHSM2_CONF", &settings), ("AMIFORGE_PKCS11_PIN", "1234")]);
    std::fs::write(made.path("pin"), "1234\n").unwrap();
    let by_file = format!("{uri}&pin-source=file:{}", made.text("pin"));
    sign(&by_file, "by-pin-file", &[("SOFTHSM2_CONF", &settings)]);

    // In place: the unsigned bundle becomes the signed one.
    program::must(&["--quiet", "attach", &bundle, "--signature", &given]);
    assert!(files(&unsigned) == expected);
    let report = program::must(&["verify", &bundle]);
    assert!(report.contains("is signed by `db`") && report.contains("no difference"), "{report}");
}

#[test]
fn only_the_declared_ranges_change_and_every_verification_passes() {
    let Some(made) = SecureBoot::new("") else { return };
    let signed = made.signed_bundle();
    let unsigned = made.path("unsigned");
    let (before, after) =
        (std::fs::read(unsigned.join("disk.raw")).unwrap(), std::fs::read(signed.join("disk.raw")).unwrap());
    let manifest = program::Bundle::open(&signed).manifest;
    let ranges: Vec<(u64, u64)> =
        serde_json::from_value(manifest["secure_boot"]["programs"][0]["ranges"].clone()).unwrap();
    assert_eq!(ranges.iter().map(|(_, len)| len).sum::<u64>(), 8192);
    let changed = (0_u64..).zip(before.iter().zip(&after)).filter(|(_, (one, other))| one != other);
    let outside: Vec<_> = changed
        .map(|(at, _)| at)
        .filter(|at| !ranges.iter().any(|(start, len)| (*start..start + len).contains(at)))
        .collect();
    assert_eq!((before.len(), outside), (after.len(), Vec::new()));
    let report = program::must(&["verify", &unsigned.to_string_lossy()]);
    assert!(report.contains("is not signed yet"), "{report}");
    program::must(&["verify", &signed.to_string_lossy()]);

    // The other commands say the same.
    let show = |command: &str, bundle: &Path| {
        let output = program::run(&[command, &bundle.to_string_lossy()]);
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    assert!(show("inspect", &unsigned).contains("Secure Boot: `EFI/BOOT/BOOTX64.EFI` is unsigned"));
    assert!(show("inspect", &signed).contains("Secure Boot: `EFI/BOOT/BOOTX64.EFI` is signed by `db`"));
    assert!(show("preflight", &unsigned).contains("does not start `EFI/BOOT/BOOTX64.EFI`: it is not signed"));
    assert!(!show("preflight", &signed).contains("does not start `EFI"));
}

#[test]
fn a_build_opens_no_key() {
    if !oracle::ready(&["strace"], false) {
        return;
    }
    let Some(made) = SecureBoot::new("") else { return };
    let trace = made.text("trace");
    let command = ["-f", "-qq", "-e", "trace=open,openat,openat2", "-o", &trace, "--"];
    let program = program::path();
    let (recipe, out, store) = (made.text("recipe.toml"), made.text("out"), made.text("store"));
    let build = [&program.to_string_lossy(), "--quiet", "build", &recipe, "-o", &out, "--store", &store];
    oracle::must("strace", &[&command[..], &build].concat());
    let opened = std::fs::read_to_string(&trace).unwrap();
    assert!(opened.contains("db.crt"), "certificates are opened");
    let keys: Vec<_> =
        opened.lines().filter(|line| line.contains(".key") || line.contains("softhsm")).collect();
    assert!(keys.is_empty(), "{keys:#?}");
}

#[test]
fn a_killed_attach_leaves_a_whole_bundle() {
    let Some(made) = SecureBoot::new("") else { return };
    let bundle = made.build("web", &[]);
    let given = format!("{UKI}={}", made.openssl(&bundle, "db"));
    let bundle = bundle.to_string_lossy().into_owned();
    for delay in [0, 5, 10, 20, 40, 60, 80, 120] {
        let mut command = Command::new(program::path());
        command.args(["--quiet", "attach", &bundle, "--signature", &given]);
        let mut child = command.spawn().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(delay));
        let _ = child.kill();
        child.wait().unwrap();
        let report = program::must(&["verify", &bundle]);
        assert!(report.contains("no difference"), "after {delay} ms: {report}");
    }
    program::must(&["--quiet", "attach", &bundle, "--signature", &given]);
    assert!(!made.path(".web.partial").exists());
    assert!(program::must(&["verify", &bundle]).contains("is signed by `db`"));
}
