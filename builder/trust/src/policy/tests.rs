//! Policies: what they decide, and what is no policy.
#![allow(clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "a test fails by panicking")]

use super::*;
use crate::keys::SshKeyError;

/// A made-up key: any 32 bytes are an Ed25519 key in SSH.
fn key(number: u8) -> PublicKey {
    PublicKey::from_ed25519(&[number; 32]).unwrap()
}

fn two_of_three() -> SigningPolicy {
    let keys: Vec<_> = (1..=5).map(|number| key(number).to_openssh()).collect();
    let text = format!(
        "[[signer]]\nname = \"alice\"\nkeys = [\"{} laptop\", \"{}\"]\n\
         [[signer]]\nname = \"bob\"\nkeys = [\"{}\"]\n\
         [[signer]]\nname = \"ci\"\nkeys = [\"{}\"]\n\
         [[signer]]\nname = \"eve\"\nkeys = [\"{}\"]\n\
         [[rule]]\nnames = [\"web-*\", \"db\"]\nsigners = [\"alice\", \"bob\", \"ci\"]\nthreshold = 2\n\
         [[rule]]\nnames = [\"*-test\"]\nsigners = [\"eve\"]\n",
        keys[0], keys[1], keys[2], keys[3], keys[4]
    );
    SigningPolicy::parse(&text).unwrap()
}

#[test]
fn two_of_three_are_needed_and_keys_of_one_signer_count_once() {
    let policy = two_of_three();
    let decide = |name: &str, keys: &[u8]| {
        let keys: Vec<_> = keys.iter().map(|number| key(*number)).collect();
        policy.decide(name, &keys)
    };
    for (keys, met) in [
        (&[][..], false),
        (&[1], false),
        (&[1, 2], false),
        (&[1, 1], false),
        (&[1, 5], false),
        (&[1, 9], false),
        (&[1, 3], true),
        (&[2, 4], true),
        (&[3, 4], true),
        (&[1, 3, 4, 9], true),
    ] {
        assert_eq!(decide("web-1", keys).is_met(), met, "{keys:?}");
    }
    let decision = decide("db", &[5, 1, 2, 9]);
    assert_eq!(decision.signed, ["alice"]);
    assert_eq!((decision.threshold, decision.missing), (Some(2), 1));
    assert_eq!(decision.absent, ["bob", "ci"]);
    assert_eq!(decision.not_asked, ["eve"]);
    assert_eq!(decision.unknown, [key(9).fingerprint()]);
    let refusal = decision.refusal().unwrap();
    assert_eq!(refusal, "1 of 2 signers have signed (alice): 1 more signature is needed, of bob, ci");
    assert!(decide("db", &[]).refusal().unwrap().contains("2 more signatures are needed, of alice, bob, ci"));
}

#[test]
fn the_first_rule_decides_and_a_name_without_a_rule_is_refused() {
    let policy = two_of_three();
    let eve = [key(5)];
    assert!(policy.decide("mail-test", &eve).is_met());
    // The first rule that matches, although the second would be met.
    assert!(!policy.decide("web-test", &eve).is_met());
    let none = policy.decide("mail", &[key(1), key(3)]);
    assert!(!none.is_met());
    assert_eq!(none.refusal().unwrap(), "no rule of the policy is for images of the name `mail`");
}

#[test]
fn allowed_signers_are_those_of_the_rule() {
    let policy = two_of_three();
    let all = policy.allowed_signers(None, &["a", "b"]).unwrap();
    assert_eq!(all.lines().count(), 5);
    assert!(all.starts_with("alice namespaces=\"a,b\" ssh-ed25519 "));
    let rule = policy.allowed_signers(Some("db"), &["a"]).unwrap();
    assert_eq!(rule.lines().next(), Some("# amiforge-threshold 2"));
    assert_eq!(rule.lines().count(), 5);
    assert!(!rule.contains("eve"));
    assert_eq!(policy.allowed_signers(Some("mail"), &["a"]), None);
}

#[test]
fn what_is_wrong_in_a_policy_is_named_with_its_line() {
    let one = key(1).to_openssh();
    let alice = format!("[[signer]]\nname = \"alice\"\nkeys = [\"{one}\"]\n");
    let refused = |text: &str| SigningPolicy::parse(text).unwrap_err();
    let check = |text: &str, line: usize, words: &str| {
        let error = refused(text);
        assert_eq!(error.line, line, "{text}: {error:?}");
        assert!(error.source.to_string().contains(words), "{text}: {}", error.source);
    };
    check("", 1, "no `[[signer]]`");
    check(&alice, 1, "no `[[rule]]`");
    check("[[signer]\n", 1, "");
    check(&format!("{alice}key = 1\n"), 4, "unknown field `key`");
    let rule = "[[rule]]\nnames = [\"*\"]\nsigners = [\"alice\"]\n";
    check(&format!("{alice}{rule}threshold = 2\n"), 7, "the threshold is 2, and the rule has 1 signers");
    check(&format!("{alice}{rule}threshold = 0\n"), 7, "the threshold is 0");
    check(&format!("{alice}{rule}threshold = -1\n"), 7, "the threshold is -1");
    check(&format!("{alice}[[rule]]\nnames = [\"*\"]\nsigners = []\n"), 4, "has 0 signers");
    check(&format!("{alice}[[rule]]\nnames = []\nsigners = [\"alice\"]\n"), 4, "no names");
    check(&format!("{alice}[[rule]]\nnames = [\"\"]\nsigners = [\"alice\"]\n"), 5, "the pattern ``");
    check(&format!("{alice}[[rule]]\nnames = [\"*\"]\nsigners = [\"bob\\n\"]\n"), 6, "no signer `bob\\x0a`");
    check(&format!("{alice}[[rule]]\nnames = [\"*\"]\nsigners = [\"alice\", \"alice\"]\n"), 6, "twice");
    check(&format!("{alice}{alice}{rule}"), 5, "two signers have the name `alice`");
    let bob = alice.replace("alice", "bob");
    check(&format!("{alice}{bob}{rule}"), 6, "the signer `bob` has the key SHA256:");
    for name in ["", "-x", "a b", "a*", "a,b", "#a", "!a", "\\u001b"] {
        let text = format!("[[signer]]\nname = \"{name}\"\nkeys = [\"{one}\"]\n{rule}");
        check(&text, 2, "of a signer is not 1 to");
    }
    check(&format!("[[signer]]\nname = \"alice\"\nkeys = []\n{rule}"), 2, "has no key");
    let error = refused(&format!(
        "[[signer]]\nname = \"alice\"\nkeys = [\n  \"{one}\",\n  \"ssh-dss AAAA\"]\n{rule}"
    ));
    assert_eq!(error.line, 5);
    let PolicyProblem::Key { name, source: SshKeyError::Kind { name: kind } } = error.source else {
        panic!("{error:?}");
    };
    assert_eq!((name.as_str(), kind.as_str()), ("alice", "ssh-dss"));
    check(&" ".repeat(LEN_MAX + 1), 1, "are the most");
}

#[test]
fn a_rule_may_require_attestations_and_no_other_words() {
    let text = |require: &str| {
        format!(
            "[[signer]]\nname = \"ci\"\nkeys = [\"{}\"]\n[[rule]]\nnames = [\"*\"]\nsigners = [\"ci\"]\n{require}",
            key(1).to_openssh()
        )
    };
    let required =
        |words: &str| SigningPolicy::parse(&text(words)).map(|policy| policy.rules()[0].require.clone());
    assert_eq!(required("").unwrap(), [""; 0]);
    assert_eq!(required("require = [\"bundle\"]").unwrap(), [""; 0]);
    let both = required("require = [\"bundle\", \"provenance\", \"provenance\", \"vex\"]");
    assert_eq!(both.unwrap(), ["provenance", "vex"]);
    let error = required("require = [\"luck\"]").unwrap_err();
    assert_eq!(error.source, PolicyProblem::Requirement { word: "luck".to_owned() });
    assert_eq!(error.line, 7);
}
