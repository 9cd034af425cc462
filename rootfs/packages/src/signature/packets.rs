//! Packets of OpenPGP (RFC 9580, section 4.2), as far as they are distinguished: those that are irrelevant here are
//! left out before a keyring is read.
#![warn(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

/// A trust packet: what its owner's `GnuPG` thinks of a key. The keyring of Ubuntu's archive has some.
const TRUST: u8 = 12;

/// A binary keyring without its trust packets. What is no whole packet is given as it is.
pub(super) fn without_trust(bytes: &[u8]) -> Vec<u8> {
    let (mut relevant, mut rest) = (Vec::with_capacity(bytes.len()), bytes);
    while let Some((tag, len)) = packet(rest) {
        let Some((whole, after)) = rest.split_at_checked(len) else { break };
        if tag != TRUST {
            relevant.extend_from_slice(whole);
        }
        rest = after;
    }
    relevant.extend_from_slice(rest);
    relevant
}

/// Tag and whole length of the packet at the start; nothing where it has no length of its own.
pub(crate) fn packet(bytes: &[u8]) -> Option<(u8, usize)> {
    let first = *bytes.first().filter(|first| **first & 0x80 != 0)?;
    let number = |from: usize, len: usize| {
        let bytes = bytes.get(from..from.checked_add(len)?)?;
        Some(bytes.iter().fold(0_usize, |sum, byte| (sum << 8) | usize::from(*byte)))
    };
    let (tag, header, body) = if first & 0x40 == 0 {
        let width = match first & 3 {
            0 => 1,
            1 => 2,
            2 => 4,
            _ => return None,
        };
        ((first >> 2) & 15, 1_usize.saturating_add(width), number(1, width)?)
    } else {
        let (header, body) = match number(1, 1)? {
            short @ 0..192 => (2, short),
            192..224 => (3, number(1, 2)?.saturating_sub(192 << 8).saturating_add(192)),
            255 => (6, number(2, 4)?),
            _ => return None,
        };
        (first & 0x3f, header, body)
    };
    Some((tag, header.checked_add(body)?))
}
