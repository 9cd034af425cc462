//! Tokens: a page to go on from, a block to read. Opaque to clients: sealed with a key of this state folder, so that
//! they need not be remembered, are good after a restart, and fit nothing but what they were given for.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::clock::Moment;
use crate::digest::BlockDigest;
use crate::sigv4::mac;
use crate::state::World;

use std::sync::atomic::Ordering;

/// How long a block token is good for: as long as it was seen to be, a little short of seven days.
pub(super) const BLOCK_LIFE: std::time::Duration = std::time::Duration::from_mins(9750);
/// How long a page token is good for.
const PAGE_LIFE: std::time::Duration = std::time::Duration::from_hours(1);

/// Bytes of a token before its seal: kind, generation, expiry, purpose, index.
const FIELDS: usize = 1 + 4 + 8 + 8 + 4;
/// Bytes of the seal.
const SEAL: usize = 16;

/// What a token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TokenKind {
    /// Reading a block of a snapshot.
    Block,
    /// Going on with a list.
    Page,
}

impl TokenKind {
    fn byte(self) -> u8 {
        match self {
            Self::Block => 1,
            Self::Page => 2,
        }
    }
}

/// A token for an index of something: a block of a snapshot, or a place in a list. `purpose` names that thing.
pub(super) fn give(world: &World, kind: TokenKind, purpose: &str, index: u32, now: Moment) -> String {
    let life = match kind {
        TokenKind::Block => BLOCK_LIFE,
        TokenKind::Page => PAGE_LIFE,
    };
    let mut token = [0; FIELDS + SEAL];
    token[0] = kind.byte();
    token[1..5].copy_from_slice(&world.generation.load(Ordering::SeqCst).to_le_bytes());
    token[5..13].copy_from_slice(&now.after(life).0.to_le_bytes());
    token[13..21].copy_from_slice(&BlockDigest::of(purpose.as_bytes()).0[..8]);
    token[21..25].copy_from_slice(&index.to_le_bytes());
    let seal = mac(&world.secret, &token[..FIELDS]);
    token[FIELDS..].copy_from_slice(&seal[..SEAL]);
    URL_SAFE_NO_PAD.encode(token)
}

/// The index of a token, if it was given for this purpose and is still good.
pub(super) fn index(world: &World, kind: TokenKind, purpose: &str, token: &str, now: Moment) -> Option<u32> {
    let token: [u8; FIELDS + SEAL] = URL_SAFE_NO_PAD.decode(token).ok()?.try_into().ok()?;
    let (fields, seal) = token.split_at(FIELDS);
    let (at, generation) =
        (|from: usize, to: usize| &fields[from..to], world.generation.load(Ordering::SeqCst));
    let good = mac(&world.secret, fields)[..SEAL] == *seal
        && fields[0] == kind.byte()
        && at(1, 5) == generation.to_le_bytes()
        && now.0 < u64::from_le_bytes(at(5, 13).try_into().ok()?)
        && at(13, 21) == &BlockDigest::of(purpose.as_bytes()).0[..8];
    good.then(|| at(21, 25).try_into().map(u32::from_le_bytes).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::clock::HandClock;
    use crate::state::config::RegionConfig;

    #[test]
    fn a_token_fits_only_what_it_was_given_for_and_only_for_a_while() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(HandClock::new(Moment(1_000_000)));
        let world =
            World::open(RegionConfig { clock: clock.clone(), ..RegionConfig::new(folder.path()) }).unwrap();
        let block = give(&world, TokenKind::Block, "snap-1", 7, world.now());
        let page = give(&world, TokenKind::Page, "snap-1", 7, world.now());
        let check =
            |world: &World, kind, purpose, token: &str| index(world, kind, purpose, token, world.now());
        assert_eq!(check(&world, TokenKind::Block, "snap-1", &block), Some(7));
        assert_eq!(check(&world, TokenKind::Page, "snap-1", &page), Some(7));
        assert_eq!(check(&world, TokenKind::Block, "snap-2", &block), None);
        assert_eq!(check(&world, TokenKind::Block, "snap-1", &page), None);
        assert_eq!(check(&world, TokenKind::Block, "snap-1", &block[1..]), None);
        assert_eq!(check(&world, TokenKind::Block, "snap-1", "AA=="), None);
        clock.advance(Duration::from_hours(1));
        assert_eq!(check(&world, TokenKind::Page, "snap-1", &page), None);
        assert_eq!(check(&world, TokenKind::Block, "snap-1", &block), Some(7));
        drop(world);
        let world =
            World::open(RegionConfig { clock: clock.clone(), ..RegionConfig::new(folder.path()) }).unwrap();
        assert_eq!(check(&world, TokenKind::Block, "snap-1", &block), Some(7), "after a restart");
        world.expire_tokens();
        assert_eq!(check(&world, TokenKind::Block, "snap-1", &block), None);
    }
}
