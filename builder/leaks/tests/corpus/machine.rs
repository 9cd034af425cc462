//! What one machine or one user leaves: hashes, histories, identities, and what cloud-init keeps.

use super::secrets::Secret;
use super::tool::{letters, random, run, word};

/// A hash of crypt(5).
fn hash() -> String {
    String::from_utf8(run("openssl", &["passwd", "-6", &word(12)])).unwrap().trim_end().to_owned()
}

/// What a machine leaves.
pub(crate) fn secrets() -> Vec<Secret> {
    let public = String::from_utf8(public_key()).unwrap();
    vec![
        Secret::new(
            "password hash",
            "etc/shadow",
            format!("root:{}:19000:0:99999:7:::\n", hash()),
            &["password-hash"],
        ),
        Secret::new(
            "history with a password",
            "root/.bash_history",
            format!("ls\ncurl -u deploy:{} https://internal/\n", word(14)),
            &["history", "command-line-password"],
        ),
        Secret::new(
            "cloud-init instance data",
            "var/lib/cloud/instances/i-1/user-data.txt",
            format!("#cloud-config\nhostname: {}\n", word(8)),
            &["cloud-init-instance"],
        ),
        Secret::new(
            "cloud-init password",
            "etc/cloud/cloud.cfg.d/99-local.cfg",
            format!("chpasswd:\n  expire: false\n  list: |\n    deploy:{}\n", word(12)),
            &["cloud-init-password"],
        ),
        Secret::new(
            "foreign authorized key",
            "home/deploy/.ssh/authorized_keys",
            public,
            &["authorized-keys"],
        ),
        Secret::new(
            "machine id",
            "etc/machine-id",
            format!("{}\n", letters(b"0123456789abcdef", 32)),
            &["machine-id"],
        ),
        Secret::new("random seed", "var/lib/systemd/random-seed", random(512), &["random-seed"]),
        Secret::new(
            "Wi-Fi passphrase",
            "etc/wpa_supplicant/wpa_supplicant.conf",
            format!("network={{\n\tssid=\"office\"\n\tpsk=\"{}\"\n}}\n", word(16)),
            &["wpa-secret"],
        ),
    ]
}

fn public_key() -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    run("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-C", "builder", "-f", super::tool::text(&path)]);
    std::fs::read(path.with_extension("pub")).unwrap()
}
