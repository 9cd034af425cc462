//! 500 changes of a signature or of what it signs: ssh-keygen refuses each, and so does this program.

use amiforge_trust::signing::SigningKey as _;
use amiforge_trust::sshsig::{BUNDLE, INPUTS, SshSignature, sign};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::oracle::{Keys, ready};
use crate::token::Token;

const MESSAGE: &[u8] = b"0000000000000000000000000000000000000000000000000000000000000000  disk.raw\n";

/// Numbers that follow from one another (Knuth's constants), the same at each run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit
    }
}

/// Whether this program accepts a signature with the key, as a policy does.
fn ours(signature: &[u8], key: &amiforge_trust::keys::PublicKey, message: &[u8]) -> bool {
    SshSignature::parse(signature).is_ok_and(|read| read.key() == key && read.verify(BUNDLE, message).is_ok())
}

fn armour(blob: &[u8]) -> Vec<u8> {
    let base64 = STANDARD.encode(blob);
    format!("-----BEGIN SSH SIGNATURE-----\n{base64}\n-----END SSH SIGNATURE-----\n").into_bytes()
}

/// A change of the signature or of the message.
fn mutate(blob: &[u8], numbers: &mut Numbers, index: usize) -> (Vec<u8>, Vec<u8>) {
    let (mut changed, mut message) = (blob.to_vec(), MESSAGE.to_vec());
    match index % 5 {
        0 | 1 => {
            let at = numbers.below(changed.len());
            changed[at] ^= 1 << numbers.below(8);
        }
        2 => changed.truncate(numbers.below(blob.len())),
        3 => {
            let at = numbers.below(message.len());
            message[at] ^= 1 << numbers.below(8);
        }
        _ => {
            let at = numbers.below(changed.len());
            changed.insert(at, numbers.below(256) as u8);
        }
    }
    (armour(&changed), message)
}

#[test]
fn five_hundred_mutations_are_refused_by_ssh_keygen_and_here_alike() {
    if !ready(&["ssh-keygen"]) {
        return;
    }
    let keys = Keys::new();
    let mut numbers = Numbers(7);
    let made = keys.each();
    let mut signed: Vec<_> =
        made.iter().map(|(_, key)| (key.public().clone(), sign(key, BUNDLE, MESSAGE).unwrap())).collect();
    for token in [Token::ed25519(1), Token::ecdsa(1)] {
        signed.push((token.public().clone(), sign(&token, BUNDLE, MESSAGE).unwrap()));
    }
    let mut refused = 0;
    for (public, signature) in &signed {
        keys.allow(public);
        let blob = signature.to_blob();
        assert!(keys.accepts(BUNDLE, &armour(&blob), MESSAGE) && ours(&armour(&blob), public, MESSAGE));
        for index in 0..63 {
            let (text, message) = mutate(&blob, &mut numbers, index);
            let theirs = keys.accepts(BUNDLE, &text, &message);
            assert_eq!((theirs, ours(&text, public, &message)), (false, false), "{public:?}: {index}");
            refused += 1;
        }
    }
    // Another namespace, hash or key of a sound signature.
    let (public, signature) = &signed[0];
    keys.allow(public);
    let swap = |from: &[u8], to: &[u8]| {
        let mut blob = signature.to_blob();
        let at = blob.windows(from.len()).position(|window| window == from).unwrap();
        blob.splice(at..at + from.len(), to.iter().copied());
        armour(&blob)
    };
    let other = sign(&made[1].1, BUNDLE, MESSAGE).unwrap().to_armour().into_bytes();
    let inputs = sign(&made[0].1, INPUTS, MESSAGE).unwrap().to_armour().into_bytes();
    let renamed = swap(BUNDLE.as_bytes(), INPUTS.as_bytes());
    let rekeyed = swap(public.blob(), Token::ed25519(1).public().blob());
    for text in [other, inputs, renamed, rekeyed, swap(b"sha512", b"sha256"), swap(b"sha512", b"sha1  ")] {
        assert_eq!((keys.accepts(BUNDLE, &text, MESSAGE), ours(&text, public, MESSAGE)), (false, false));
        refused += 1;
    }
    assert!(refused >= 500, "{refused}");
}
