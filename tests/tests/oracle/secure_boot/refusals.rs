//! What firmware would refuse is not attached, and what does not belong into a recipe is not built.

use amiforge_tests::secure_boot::{SecureBoot, UKI, files};
use amiforge_tests::{oracle, program};

/// Attaches, which has to fail with these words and to write nothing.
fn refused(made: &SecureBoot, bundle: &str, signature: &str, more: &[&str], words: &[&str]) {
    let bundle = made.path(bundle);
    let before = files(&bundle);
    let output = made.attach(&bundle, signature, "refused", more);
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{err}");
    for word in words {
        assert!(err.contains(word), "`{word}` is missing: {err}");
    }
    assert!(err.contains("hint: "), "{err}");
    assert!(!made.path("refused").exists() && !made.path(".refused.partial").exists());
    assert!(files(&bundle) == before, "the bundle was changed");
}

#[test]
fn signatures_that_firmware_would_refuse_are_not_attached() {
    let Some(made) = SecureBoot::new("") else { return };
    let unsigned = made.build("unsigned", &[]);
    let good = made.openssl(&unsigned, "db");
    let other = made.openssl(&unsigned, "other");
    let other_certificate = made.text("other.crt");
    let other_certificate = ["--certificate", other_certificate.as_str()];

    refused(&made, "unsigned", &other, &[], &["made by no key of db (`db`)"]);
    refused(&made, "unsigned", &other, &other_certificate, &["`other` is neither in db nor signed by"]);
    refused(&made, "unsigned", &good, &other_certificate, &["not one of `other` over these bytes"]);
    let mut bytes = std::fs::read(&good).unwrap();
    bytes[100] ^= 4;
    let flipped = made.text("flipped.sig");
    std::fs::write(&flipped, &bytes).unwrap();
    refused(&made, "unsigned", &flipped, &[], &["made by no key of db"]);
    // A signature of other bytes: those of another image.
    std::fs::write(made.path("tree/usr/lib/os-release"), "ID=another\n").unwrap();
    let another = made.build("another", &[]);
    let foreign = made.openssl(&another, "db");
    refused(&made, "unsigned", &foreign, &[], &["made by no key of db"]);

    let bundle = unsigned.to_string_lossy().into_owned();
    let missing = program::run(&["attach", &bundle]);
    let err = String::from_utf8_lossy(&missing.stderr).into_owned();
    assert!(
        err.contains("no signature was given for `uki`") && err.contains("--signature uki=FILE"),
        "{err}"
    );
    let unknown = program::run(&["attach", &bundle, "--signature", &format!("kernel={good}")]);
    let err = String::from_utf8_lossy(&unknown.stderr).into_owned();
    assert!(err.contains("there is no request `kernel`; there are `uki`"), "{err}");
}

#[test]
fn what_dbx_revokes_is_not_attached() {
    let revoked = SecureBoot::with(", dbx = \"db.crt\"", |_| {});
    let Some(made) = revoked else { return };
    let unsigned = made.build("unsigned", &[]);
    let signature = made.openssl(&unsigned, "db");
    refused(&made, "unsigned", &signature, &[], &["dbx revokes the certificate `db`"]);
}

#[test]
fn a_bundle_that_was_changed_after_its_build_is_not_signed() {
    let Some(made) = SecureBoot::new("") else { return };
    let unsigned = made.build("unsigned", &[]);
    let signature = made.openssl(&unsigned, "db");
    let change = |name: &str, at: u64| {
        use std::os::unix::fs::FileExt as _;
        let file = std::fs::File::options().read(true).write(true).open(unsigned.join(name)).unwrap();
        let mut byte = [0];
        file.read_exact_at(&mut byte, at).unwrap();
        file.write_all_at(&[byte[0] ^ 1], at).unwrap();
    };
    let disk = program::Bundle::open(&unsigned);
    let esp = disk.partition("fat32");
    let ranges = &disk.manifest["secure_boot"]["programs"][0]["ranges"];
    let table = ranges[0][0].as_u64().unwrap();
    for (name, at, word) in [
        ("uefi-data", 100, "`uefi-data` has SHA-256"),
        ("signing/uki.tbs", 70, "`signing/uki.tbs` has SHA-256"),
        ("disk.raw", table - 4096, "has the Authenticode digest"),
        ("disk.raw", disk.partition("ext4").start + 5000, "without the signatures"),
        ("disk.raw", esp.start + 512 + 500, "without the signatures"),
    ] {
        change(name, at);
        refused(&made, "unsigned", &signature, &[], &[word]);
        change(name, at);
    }
    let output = made.attach(&unsigned, &signature, "good", &[]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn keys_and_other_files_are_refused_where_certificates_belong() {
    for (trust, words) in [
        (", dbx = \"db.key\"", "it holds a private key"),
        (", db = \"db.key\"", "it holds a private key"),
        (", db = \"both.pem\"", "it holds a private key"),
        (", db = \"ec.crt\"", "has a key of kind 1.2.840.10045.2.1"),
        (", db = \"recipe.toml\"", "neither DER nor PEM"),
    ] {
        let made = SecureBoot::with(trust, |made| {
            let read = |name: &str| std::fs::read(made.path(name)).unwrap();
            std::fs::write(made.path("both.pem"), [read("db.crt"), read("db.key")].concat()).unwrap();
            let (key, certificate) = (made.text("ec.key"), made.text("ec.crt"));
            let command = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
            let files = ["-subj", "/CN=ec", "-keyout", &key, "-out", &certificate];
            oracle::must("openssl", &[&command[..], &files].concat());
        });
        let Some(made) = made else { return };
        let output = program::run(&["build", &made.text("recipe.toml"), "-o", &made.text("out")]);
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{err}");
        assert!(err.contains(words), "{trust}: {err}");
        let key = std::fs::read_to_string(made.path("db.key")).unwrap();
        let line = key.lines().nth(3).unwrap();
        assert!(!err.contains(line), "a key was shown");
    }
}

#[test]
fn a_token_without_a_pin_and_a_locked_key_are_named() {
    let Some(made) = SecureBoot::new("") else { return };
    let bundle = made.build("unsigned", &[]).to_string_lossy().into_owned();
    let locked = made.text("locked.key");
    let (key, mut command) = (made.text("db.key"), vec!["pkey", "-aes256", "-passout", "pass:x", "-in"]);
    command.extend([key.as_str(), "-out", &locked]);
    oracle::must("openssl", &command);
    let certificate = made.text("db.crt");
    for (key, words) in [
        (locked.as_str(), "is encrypted"),
        (certificate.as_str(), "holds no RSA private key"),
        ("pkcs11:object=db?module-path=/nowhere.so", "needs a PIN"),
        ("pkcs11:object=db?module-path=/m&pin-value=4321", "can be read by others"),
        ("awskms:a b", "a key id, an ARN"),
    ] {
        let output = program::run(&["sign", &bundle, "--key", key]);
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && err.contains(words) && !err.contains("4321"), "{key}: {err}");
    }
    // The request is still there to be signed.
    program::must(&["--quiet", "sign", &bundle, "--key", &key]);
    assert!(files(&made.path("unsigned")).iter().any(|(name, _)| name.ends_with(format!("{UKI}.tbs"))));
}
