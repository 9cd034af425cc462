//! A policy as ssh-keygen reads it.

use amiforge_trust::policy::SigningPolicy;
use amiforge_trust::signing::SigningKey as _;
use amiforge_trust::sshsig::{BUNDLE, INPUTS, sign};
use std::fmt::Write as _;

use crate::oracle::{Keys, ready, run};

#[test]
fn ssh_keygen_finds_the_signers_of_a_policy() {
    if !ready(&["ssh-keygen"]) {
        return;
    }
    let keys = Keys::new();
    let made = keys.each();
    let mut text = String::new();
    for (name, key) in &made {
        write!(
            text,
            "[[signer]]\nname = \"{name}@x.org\"\nkeys = ['{} {name}']\n",
            key.public().to_openssh()
        )
        .unwrap();
    }
    text += "[[rule]]\nnames = [\"*\"]\nsigners = [\"key-0@x.org\", \"key-1@x.org\"]\nthreshold = 2\n";
    let policy = SigningPolicy::parse(&text).unwrap();
    std::fs::write(keys.path("all"), policy.allowed_signers(None, &[BUNDLE, INPUTS]).unwrap()).unwrap();
    std::fs::write(keys.path("rule"), policy.allowed_signers(Some("web"), &[BUNDLE]).unwrap()).unwrap();
    std::fs::write(keys.path("message"), "message").unwrap();
    for (index, (name, key)) in made.iter().enumerate() {
        let signed = sign(key, BUNDLE, b"message").unwrap();
        std::fs::write(keys.path("signature"), signed.to_armour()).unwrap();
        let (signature, identity) = (keys.text("signature"), format!("{name}@x.org"));
        let verified = |allowed: &str, namespace: &str| {
            let allowed = keys.text(allowed);
            let command =
                ["-Y", "verify", "-f", &allowed, "-I", &identity, "-n", namespace, "-s", &signature];
            run("ssh-keygen", &command, Some(&keys.path("message"))).status.success()
        };
        assert!(verified("all", BUNDLE) && !verified("all", INPUTS), "{name}");
        assert_eq!(verified("rule", BUNDLE), index < 2, "{name}");
        let found =
            run("ssh-keygen", &["-Y", "find-principals", "-f", &keys.text("all"), "-s", &signature], None);
        assert_eq!(String::from_utf8_lossy(&found.stdout).trim(), identity);
    }
    assert!(policy.decide("web", &[made[0].1.public().clone(), made[1].1.public().clone()]).is_met());
}
