//! Rate limits: requests per second and owner, as token buckets that refill steadily and hold the tokens of
//! one second.

use std::collections::HashMap;
use std::sync::Mutex;

use crate::clock::Timestamp;
use crate::sync::lock;

/// The token buckets by quota and owner.
#[derive(Debug, Default)]
pub(crate) struct Limiter {
    buckets: Mutex<HashMap<(&'static str, String), TokenBucket>>,
}

#[derive(Debug)]
struct TokenBucket {
    tokens: f64,
    updated: Timestamp,
}

impl Limiter {
    /// Takes one token from the owner's bucket of a quota with `rate` tokens per second. False if it is
    /// empty.
    pub(crate) fn take(&self, quota: &'static str, owner: &str, rate: Option<u32>, now: Timestamp) -> bool {
        let Some(rate) = rate.map(f64::from) else { return true };
        let mut buckets = lock(&self.buckets);
        let bucket =
            buckets.entry((quota, owner.to_owned())).or_insert(TokenBucket { tokens: rate, updated: now });
        bucket.tokens = (bucket.tokens + now.since(bucket.updated).as_secs_f64() * rate).min(rate);
        bucket.updated = bucket.updated.max(now);
        let granted = bucket.tokens >= 1.0;
        if granted {
            bucket.tokens -= 1.0;
        }
        granted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_refills_steadily_and_is_counted_per_owner() {
        let limiter = Limiter::default();
        let take = |owner, updated| limiter.take("puts", owner, Some(10), Timestamp(updated));
        assert_eq!((0..20).filter(|_| take("a", 1000)).count(), 10);
        assert!(take("b", 1000));
        assert!(!take("a", 1050) && take("a", 1100) && !take("a", 1150));
        assert_eq!((0..20).filter(|_| take("a", 9000)).count(), 10);
        assert!(limiter.take("puts", "a", None, Timestamp(0)));
    }
}
