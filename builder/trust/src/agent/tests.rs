//! Answers that an agent should not give. A real one is asked in the tests with ssh-agent.
#![allow(clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "a test fails by panicking")]

use super::*;
use crate::wire::strings;

#[test]
fn lists_of_keys_are_read_and_other_kinds_are_passed_over() {
    let key = PublicKey::from_ed25519(&[1; 32]).unwrap();
    let other = strings(&[b"ssh-dss", b"x"]);
    let fields = strings(&[&other, b"old", key.blob(), b"\x1b[0m"]);
    let answer = [&[IDENTITIES_ANSWER, 0, 0, 0, 2][..], &fields].concat();
    let expected = AgentIdentity { public: key, comment: b"\x1b[0m".to_vec() };
    assert_eq!(parse_identities(&answer), Some(vec![expected]));
    for len in 0..answer.len() {
        assert_eq!(parse_identities(&answer[..len]), None, "{len}");
    }
    assert_eq!(parse_identities(&[5]), None);
    assert_eq!(parse_identities(&[IDENTITIES_ANSWER, 0xff, 0, 0, 0]), None);
}
