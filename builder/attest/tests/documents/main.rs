//! Documents of a test PKI of NitroTPM's shape: the authentic ones are accepted, and each change is refused by the check that
//! it concerns. A real document is read from a file where there is one.
#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test fails by panicking, and says what it skips"
)]

mod chains;
mod draft;
mod expectations;
mod pki;
mod real;
mod structure;

use amiforge_attest::{AttestationDocument, Authentic, DocumentError, Root, authenticate};

use draft::Draft;
use pki::Pki;

/// The root of a test PKI.
fn root(pki: &Pki) -> Root {
    Root::from_pem(pki.root_pem.as_bytes()).unwrap()
}

/// What a document says, if it is authentic.
fn check(document: &[u8], pki: &Pki) -> Result<AttestationDocument, DocumentError> {
    authenticate(document, &root(pki)).map(|authentic| authentic.document)
}

/// An authentic document of a test PKI.
fn authentic(pki: &Pki) -> Authentic {
    authenticate(&Draft::new(pki).sign(pki), &root(pki)).unwrap()
}

/// A sequence of numbers that is the same at each run: Knuth's linear congruential generator (MMIX).
fn numbers(seed: u64) -> impl Iterator<Item = usize> {
    std::iter::successors(Some(seed), |state| {
        Some(state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407))
    })
    .skip(1)
    .map(|state| (state >> 33) as usize)
}

/// A document with one bit changed.
fn flipped(document: &[u8], bit: usize) -> Vec<u8> {
    let mut changed = document.to_vec();
    let bit = bit % (document.len() * 8);
    changed[bit / 8] ^= 1 << (bit % 8);
    changed
}
