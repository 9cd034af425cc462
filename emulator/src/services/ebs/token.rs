//! Page tokens and block tokens. They are opaque to clients and authenticated with the key of the state
//! folder, so they need not be stored, remain valid after a restart, and are only valid for the purpose that
//! they were issued for.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::clock::Timestamp;
use crate::digest::Sha256Digest;
use crate::sigv4::hmac_sha256;
use crate::state::State;

use std::sync::atomic::Ordering;

/// The lifetime of a block token as observed, slightly less than seven days.
pub(super) const BLOCK_TOKEN_LIFETIME: std::time::Duration = std::time::Duration::from_mins(9750);
/// The lifetime of a page token.
const PAGE_TOKEN_LIFETIME: std::time::Duration = std::time::Duration::from_hours(1);

/// The size of a token without its MAC: kind, generation, expiry, purpose, index.
const FIELDS: usize = 1 + 4 + 8 + 8 + 4;
/// The size of the truncated MAC.
const MAC_LEN: usize = 16;

/// The purpose of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TokenKind {
    /// To read a block of a snapshot.
    Block,
    /// To continue a list.
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

/// Issues a token for an index: of a block in a snapshot, or of an entry in a list. `purpose` identifies the
/// snapshot or list.
pub(super) fn issue(state: &State, kind: TokenKind, purpose: &str, index: u32, now: Timestamp) -> String {
    let life = match kind {
        TokenKind::Block => BLOCK_TOKEN_LIFETIME,
        TokenKind::Page => PAGE_TOKEN_LIFETIME,
    };
    let mut token = [0; FIELDS + MAC_LEN];
    token[0] = kind.byte();
    token[1..5].copy_from_slice(&state.generation.load(Ordering::SeqCst).to_le_bytes());
    token[5..13].copy_from_slice(&now.after(life).0.to_le_bytes());
    token[13..21].copy_from_slice(&Sha256Digest::of(purpose.as_bytes()).0[..8]);
    token[21..25].copy_from_slice(&index.to_le_bytes());
    let mac = hmac_sha256(&state.secret, &token[..FIELDS]);
    token[FIELDS..].copy_from_slice(&mac[..MAC_LEN]);
    URL_SAFE_NO_PAD.encode(token)
}

/// Verifies a token and returns its index; `None` if it was issued for another purpose or has expired.
pub(super) fn verify(
    state: &State,
    kind: TokenKind,
    purpose: &str,
    token: &str,
    now: Timestamp,
) -> Option<u32> {
    let token: [u8; FIELDS + MAC_LEN] = URL_SAFE_NO_PAD.decode(token).ok()?.try_into().ok()?;
    let (fields, mac) = token.split_at(FIELDS);
    let (at, generation) =
        (|from: usize, to: usize| &fields[from..to], state.generation.load(Ordering::SeqCst));
    let valid = hmac_sha256(&state.secret, fields)[..MAC_LEN] == *mac
        && fields[0] == kind.byte()
        && at(1, 5) == generation.to_le_bytes()
        && now.0 < u64::from_le_bytes(at(5, 13).try_into().ok()?)
        && at(13, 21) == &Sha256Digest::of(purpose.as_bytes()).0[..8];
    valid.then(|| at(21, 25).try_into().map(u32::from_le_bytes).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::clock::ManualClock;
    use crate::state::config::RegionConfig;

    #[test]
    fn a_token_is_valid_for_its_purpose_and_lifetime_only() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::new(Timestamp(1_000_000)));
        let state =
            State::open(RegionConfig { clock: clock.clone(), ..RegionConfig::new(folder.path()) }).unwrap();
        let block = issue(&state, TokenKind::Block, "snap-1", 7, state.now());
        let page = issue(&state, TokenKind::Page, "snap-1", 7, state.now());
        let check =
            |state: &State, kind, purpose, token: &str| verify(state, kind, purpose, token, state.now());
        assert_eq!(check(&state, TokenKind::Block, "snap-1", &block), Some(7));
        assert_eq!(check(&state, TokenKind::Page, "snap-1", &page), Some(7));
        assert_eq!(check(&state, TokenKind::Block, "snap-2", &block), None);
        assert_eq!(check(&state, TokenKind::Block, "snap-1", &page), None);
        assert_eq!(check(&state, TokenKind::Block, "snap-1", &block[1..]), None);
        assert_eq!(check(&state, TokenKind::Block, "snap-1", "AA=="), None);
        clock.advance(Duration::from_hours(1));
        assert_eq!(check(&state, TokenKind::Page, "snap-1", &page), None);
        assert_eq!(check(&state, TokenKind::Block, "snap-1", &block), Some(7));
        drop(state);
        let state =
            State::open(RegionConfig { clock: clock.clone(), ..RegionConfig::new(folder.path()) }).unwrap();
        assert_eq!(check(&state, TokenKind::Block, "snap-1", &block), Some(7), "after a restart");
        state.expire_tokens();
        assert_eq!(check(&state, TokenKind::Block, "snap-1", &block), None);
    }
}
