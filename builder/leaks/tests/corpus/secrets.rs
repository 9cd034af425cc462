//! A secret of the corpus, and the list of those in files.

use super::{keys, machine, tokens};

/// A secret in a file.
pub(crate) struct Secret {
    /// What it is, for the table.
    pub(crate) kind: &'static str,
    /// The file, without a leading `/`.
    pub(crate) path: &'static str,
    /// Its content.
    pub(crate) bytes: Vec<u8>,
    /// The rules of which one has to find it.
    pub(crate) rules: &'static [&'static str],
}

impl Secret {
    pub(crate) fn new(
        kind: &'static str,
        path: &'static str,
        bytes: impl Into<Vec<u8>>,
        rules: &'static [&'static str],
    ) -> Self {
        Self { kind, path, bytes: bytes.into(), rules }
    }
}

/// Programs that make some of the secrets.
pub(crate) const MAKERS: [&str; 3] = ["ssh-keygen", "openssl", "gpg"];

/// All secrets in files.
pub(crate) fn all() -> Vec<Secret> {
    let all: Vec<_> =
        [keys::secrets(), tokens::secrets(), machine::secrets()].into_iter().flatten().collect();
    assert_eq!(all.len(), 40);
    all
}

/// Files of a system that has nothing to hide.
pub(crate) fn harmless() -> Vec<(&'static str, Vec<u8>)> {
    let text = |text: &str| text.as_bytes().to_vec();
    vec![
        ("etc/os-release", text("ID=debian\nVERSION_ID=\"13\"\n")),
        ("etc/passwd", text("root:x:0:0:root:/root:/bin/bash\ndeploy:x:1000:1000::/home/deploy:/bin/sh\n")),
        ("etc/group", text("root:x:0:\n")),
        ("etc/shadow", text("root:*:19000:0:99999:7:::\ndeploy:!:19000:0:99999:7:::\n")),
        ("etc/fstab", text("LABEL=root / ext4 defaults 0 1\n")),
        ("etc/machine-id", Vec::new()),
        ("etc/app/config.toml", text("password-file = \"/run/secrets/app\"\ntoken = \"${APP_TOKEN}\"\n")),
        (
            "usr/share/doc/app/README",
            text("Set AWS_SECRET_ACCESS_KEY to your key, and password=<password>.\n"),
        ),
        ("etc/ssl/certs/app.pem", super::keys::certificate()),
        ("usr/bin/app", b"\x7fELF\x02\x01\x01\0a program".to_vec()),
    ]
}

#[test]
#[ignore = "writes seeds"]
fn seeds_for_the_fuzz_target_are_written() {
    if MAKERS.iter().any(|program| super::tool::find(program).is_none()) {
        return;
    }
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/leaks");
    std::fs::create_dir_all(&folder).unwrap();
    let secrets = all().into_iter().map(|secret| (secret.path, secret.bytes));
    for (number, (path, bytes)) in secrets.chain(harmless()).enumerate() {
        std::fs::write(folder.join(format!("{number:02}-{}", path.replace('/', "-"))), bytes).unwrap();
    }
}
