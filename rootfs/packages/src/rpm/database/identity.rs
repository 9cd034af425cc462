//! What a package is called: name, version and architecture by its header.

use crate::rpm::evr::Evr;
use crate::rpm::header::{RpmHeader, RpmTag, tag};

/// The name that keys of the database have instead of packages.
const KEY: &[u8] = b"gpg-pubkey";

/// Name, version and architecture of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HeaderIdentity {
    /// Name.
    pub(crate) name: String,
    /// Version; always with a release.
    pub(crate) evr: Evr,
    /// Architecture, `noarch`, or empty for what has none.
    pub(crate) arch: String,
}

impl HeaderIdentity {
    /// That of a header. What the header lacks is empty.
    pub(crate) fn of(header: &RpmHeader) -> Self {
        let epoch = header.number(tag::EPOCH).and_then(|epoch| u32::try_from(epoch).ok());
        let (version, release) = (text(header, tag::VERSION), Some(text(header, tag::RELEASE)));
        let evr = Evr { epoch, version, release };
        Self { name: text(header, tag::NAME), evr, arch: text(header, tag::ARCH) }
    }
}

/// Whether a header is that of a key, which is no package.
pub(crate) fn is_key(header: &RpmHeader) -> bool {
    header.text(tag::NAME) == Some(KEY) && header.entry(tag::PUBKEYS).is_some()
}

/// The first text of a tag, empty where there is none.
pub(crate) fn text(header: &RpmHeader, tag: RpmTag) -> String {
    String::from_utf8_lossy(header.text(tag).unwrap_or_default()).into_owned()
}
