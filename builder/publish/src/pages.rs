//! Lists that a service returns in pages: notices one that does not end.
//!
//! Knows neither calls nor items. A service that repeats itself, or an endpoint that is no such service, must neither hold a
//! command for ever nor fill its memory.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Maximum number of consecutive empty pages. A service may return empty pages, but not this many.
const MAX_EMPTY: u32 = 100;

/// Maximum number of pages of a list. The blocks of the largest volume (64 TiB) take 13,422 pages of 10,000.
const MAX_PAGES: u32 = 100_000;

/// The pages of a list that were returned so far.
#[derive(Debug, Default)]
pub struct Pages {
    /// Hashes of the tokens of the pages.
    tokens: HashSet<u64>,
    empty: u32,
    count: u32,
}

/// Why a list has no end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EndlessList {
    /// A page names an earlier one as the next one.
    #[error("page {page} of the list names an earlier page as the next one")]
    Repeated {
        /// Number of the page, from 1.
        page: u32,
    },
    /// Too many pages in a row are empty.
    #[error("the last {MAX_EMPTY} pages of the list are empty, and there is another one")]
    Empty,
    /// There are too many pages.
    #[error("the list has more than {MAX_PAGES} pages")]
    TooLong,
}

impl Pages {
    /// Records a page of `items` items that names the page `next` as the next one; an empty token is none.
    ///
    /// # Errors
    /// [`EndlessList`], if the list would not end.
    pub fn record(&mut self, items: usize, next: Option<&str>) -> Result<(), EndlessList> {
        self.count += 1;
        self.empty = if items == 0 { self.empty + 1 } else { 0 };
        let Some(next) = next.filter(|next| !next.is_empty()) else { return Ok(()) };
        if !self.tokens.insert(hash(next)) {
            return Err(EndlessList::Repeated { page: self.count });
        }
        if self.empty >= MAX_EMPTY {
            return Err(EndlessList::Empty);
        }
        if self.count >= MAX_PAGES { Err(EndlessList::TooLong) } else { Ok(()) }
    }
}

fn hash(token: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    token.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the first page that is refused gives, of a list in which page `n` holds `items` items and names `next(n)`.
    fn refusal(items: usize, next: impl Fn(u32) -> Option<String>) -> Option<EndlessList> {
        let mut pages = Pages::default();
        for page in 1.. {
            let token = next(page);
            if let Err(endless) = pages.record(items, token.as_deref()) {
                return Some(endless);
            }
            if token.is_none() {
                break;
            }
        }
        None
    }

    #[test]
    fn a_list_of_many_pages_ends() {
        assert_eq!(refusal(1, |page| (page < 20_000).then(|| page.to_string())), None);
        assert_eq!(refusal(0, |page| (page < 90).then(|| page.to_string())), None);
    }

    #[test]
    fn tokens_that_repeat_in_any_distance_are_noticed() {
        assert_eq!(refusal(1, |_| Some("again".to_owned())), Some(EndlessList::Repeated { page: 2 }));
        assert_eq!(refusal(1, |page| Some((page % 3).to_string())), Some(EndlessList::Repeated { page: 4 }));
    }

    #[test]
    fn fresh_tokens_for_ever_are_noticed() {
        assert_eq!(refusal(0, |page| Some(page.to_string())), Some(EndlessList::Empty));
        assert_eq!(refusal(1, |page| Some(page.to_string())), Some(EndlessList::TooLong));
    }
}
