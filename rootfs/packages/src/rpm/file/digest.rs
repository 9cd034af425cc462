//! The digests that headers state of files and of the payload, by the numbers of OpenPGP (RFC 9580, section 9.5).

use amiforge_formats::digest::hex;
use amiforge_store::{FileDigests, FileHasher};
use md5::Md5;
use sha2::{Digest as _, Sha224, Sha256, Sha384, Sha512};

/// The number of SHA-256.
const SHA256: u64 = 8;

/// A digest of bytes that come one after another.
pub(super) enum RunningDigest {
    Md5(Md5),
    Sha1(sha1::Sha1),
    Sha224(Sha224),
    Sha256(Sha256),
    Sha384(Sha384),
    Sha512(Sha512),
    /// SHA-256 of a file's content, and with it what bills of materials name.
    Content(FileHasher),
}

impl RunningDigest {
    /// A digest of nothing yet; none where the algorithm is unknown here.
    pub(super) fn new(algorithm: u64) -> Option<Self> {
        Some(match algorithm {
            1 => Self::Md5(Md5::new()),
            2 => Self::Sha1(<sha1::Sha1 as sha1::Digest>::new()),
            SHA256 => Self::Sha256(Sha256::new()),
            9 => Self::Sha384(Sha384::new()),
            10 => Self::Sha512(Sha512::new()),
            11 => Self::Sha224(Sha224::new()),
            _ => return None,
        })
    }

    /// A digest of a file's content.
    pub(super) fn of_content(algorithm: u64) -> Option<Self> {
        if algorithm == SHA256 { Some(Self::Content(FileHasher::default())) } else { Self::new(algorithm) }
    }

    /// Takes the next bytes.
    pub(super) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Md5(state) => state.update(bytes),
            Self::Sha1(state) => sha1::Digest::update(state, bytes),
            Self::Sha224(state) => state.update(bytes),
            Self::Sha256(state) => state.update(bytes),
            Self::Sha384(state) => state.update(bytes),
            Self::Sha512(state) => state.update(bytes),
            Self::Content(state) => state.update(bytes),
        }
    }

    /// The digest of all bytes in hexadecimal.
    pub(super) fn finish(self) -> String {
        self.finish_content().0
    }

    /// The digest of all bytes in hexadecimal; of a content whose digest is SHA-256, both digests of it.
    pub(super) fn finish_content(self) -> (String, Option<FileDigests>) {
        let digest = match self {
            Self::Md5(state) => hex(&state.finalize()),
            Self::Sha1(state) => hex(&sha1::Digest::finalize(state)),
            Self::Sha224(state) => hex(&state.finalize()),
            Self::Sha256(state) => hex(&state.finalize()),
            Self::Sha384(state) => hex(&state.finalize()),
            Self::Sha512(state) => hex(&state.finalize()),
            Self::Content(state) => {
                let both = state.finish();
                return (hex(&both.sha256.0), Some(both));
            }
        };
        (digest, None)
    }
}
