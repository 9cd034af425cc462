//! Signed bundles: signatures by keys that the test makes, policies, and changes of both.

use std::fs;
use std::process::Command;

use amiforge_image::signatures;
use amiforge_trust::policy::SigningPolicy as OwnPolicy;
use amiforge_verify::Choices;
use amiforge_verify::policy::Policy;

use crate::fixture::{Unpacked, amiforge, independent};
use crate::tally::{Reasons, Sequence, Tally};

/// A signed bundle, the public keys of two signers, and a policy.
struct Signed {
    bundle: Unpacked,
    keys: Vec<String>,
    names: Vec<String>,
}

impl Signed {
    /// Signed by ssh-keygen with new keys of these kinds; nothing where there is no ssh-keygen.
    fn new(kinds: &[&str]) -> Option<Self> {
        let bundle = Unpacked::new("ext4");
        let folder = tempfile::tempdir().unwrap();
        let (mut keys, mut names) = (Vec::new(), Vec::new());
        fs::create_dir(bundle.path("signatures")).unwrap();
        for kind in kinds {
            let key = folder.path().join(kind);
            let made = Command::new("ssh-keygen").args(["-q", "-t", kind, "-N", "", "-f"]).arg(&key).status();
            if !made.is_ok_and(|status| status.success()) {
                assert!(std::env::var("REQUIRE_ORACLES").is_err(), "ssh-keygen is missing");
                return None;
            }
            let sums = folder.path().join("sums");
            fs::copy(bundle.path("SHA256SUMS"), &sums).unwrap();
            let status = Command::new("ssh-keygen")
                .args(["-q", "-Y", "sign", "-n", "amiforge-bundle", "-f"])
                .arg(&key)
                .arg(&sums)
                .status()
                .unwrap();
            assert!(status.success(), "ssh-keygen signs with {kind}");
            let line = fs::read_to_string(key.with_extension("pub")).unwrap().trim().to_owned();
            let name =
                format!("signatures/{}.sig", amiforge_verify::sshsig::PublicKey::parse(&line).unwrap().id());
            let signature = folder.path().join("sums.sig");
            fs::copy(&signature, bundle.path(&name)).unwrap();
            fs::remove_file(signature).unwrap();
            keys.push(line);
            names.push(name);
        }
        Some(Self { bundle, keys, names })
    }

    fn policy(&self, names: &str, threshold: usize) -> String {
        let signers =
            (0..self.keys.len()).map(|index| format!("\"signer-{index}\"")).collect::<Vec<_>>().join(", ");
        let tables = self.keys.iter().enumerate();
        let tables =
            tables.map(|(index, key)| format!("[[signer]]\nname = \"signer-{index}\"\nkeys = [\"{key}\"]\n"));
        let tables: String = tables.collect();
        format!(
            "{tables}# who may sign\n[[rule]]\nnames = [{names}]\nsigners = [{signers}]\nthreshold = {threshold}\n"
        )
    }

    fn both(&self, policy: &str) -> (Reasons, Reasons) {
        let mut own = amiforge(self.bundle.folder());
        match OwnPolicy::parse(policy) {
            Err(error) => own.push(format!("policy: {error:?}")),
            Ok(policy) => {
                if let Err(error) = signatures::check(self.bundle.folder(), Some(&policy)) {
                    own.push(format!("signatures: {error}"));
                }
            }
        }
        let other = match Policy::parse(policy.as_bytes()) {
            Err(reason) => vec![format!("policy: {reason}")],
            Ok(policy) => independent(self.bundle.folder(), &Choices { policy: Some(policy), quick: true }),
        };
        (own, other)
    }
}

#[test]
fn both_agree_about_signatures_of_ssh_keygen_and_every_change_of_them() {
    let Some(signed) = Signed::new(&["ed25519", "ecdsa", "rsa"]) else { return };
    let good = signed.policy("\"ext*\", \"x\"", 3);
    let (own, other) = signed.both(&good);
    assert_eq!((own, other), (Vec::new(), Vec::new()));
    let mut tally = Tally::default();
    let mut sequence = Sequence(3);
    for name in &signed.names {
        let before = fs::read(signed.bundle.path(name)).unwrap();
        for _ in 0..30 {
            let (at, bit) = (sequence.below(before.len()), sequence.below(7));
            let mut bytes = before.clone();
            bytes[at] ^= 1 << bit;
            fs::write(signed.bundle.path(name), &bytes).unwrap();
            let (own, other) = signed.both(&good);
            tally.add(
                &format!("{name}: byte {at} of {} becomes {:#04x}", before.len(), bytes[at]),
                &own,
                &other,
            );
        }
        fs::write(signed.bundle.path(name), &before).unwrap();
    }
    for (what, policy) in [
        ("another name", signed.policy("\"web-*\"", 1)),
        ("a question mark", signed.policy("\"ext?\"", 2)),
        ("no threshold", good.replace("threshold = 3\n", "")),
        ("a threshold of none", good.replace("= 3", "= 0")),
        ("a threshold of four", good.replace("= 3", "= 4")),
        ("a negative threshold", good.replace("= 3", "= -1")),
        ("an unknown key", good.replace("threshold", "treshold")),
        ("an unknown table", good.replace("[[rule]]", "[[rules]]")),
        ("an unknown signer", good.replace("signers = [\"signer-0\"", "signers = [\"nobody\"")),
        ("a signer twice", good.replace("\"signer-1\", \"signer-2\"]", "\"signer-0\", \"signer-2\"]")),
        ("a shared key", good.replace(&signed.keys[1], &signed.keys[0])),
        ("no rule", good.split("[[rule]]").next().unwrap().to_owned()),
        ("nothing", String::new()),
        ("a literal text", good.replace("\"ext*\"", "'ext*'")),
        ("a list over lines", good.replace("names = [", "names = [ # names\n  ")),
        ("a trailing comma", good.replace("\"x\"]", "\"x\",\n]")),
        ("another kind before the key", good.replacen("ssh-ed25519", "ssh-rsa", 1)),
        ("a key that is cut", good.replacen("AAAA", "AAA", 1)),
        ("an escape", good.replace("\"ext*\"", "\"\\u0065xt*\"")),
        ("a wrong escape", good.replace("\"ext*\"", "\"\\qext*\"")),
        ("an empty pattern", good.replace("\"ext*\"", "\"\"")),
        ("ends of DOS", good.replace('\n', "\r\n")),
    ] {
        let (own, other) = signed.both(&policy);
        tally.add(&format!("policy: {what}"), &own, &other);
    }
    // The last change: signatures stay, and what they are over does not.
    let sums = fs::read_to_string(signed.bundle.path("SHA256SUMS")).unwrap();
    fs::write(signed.bundle.path("SHA256SUMS"), format!("{sums}{}  x\n", "0".repeat(64))).unwrap();
    let (own, other) = signed.both(&good);
    tally.add("a line more in the statement", &own, &other);
    tally.finish("signatures", 80);
}
