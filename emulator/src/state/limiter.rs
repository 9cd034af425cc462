//! Quotas: how many requests a second somebody may make. Buckets that fill steadily and hold one second's worth.

use std::collections::HashMap;
use std::sync::Mutex;

use crate::clock::Moment;
use crate::sync::lock;

/// What was used of each quota.
#[derive(Debug, Default)]
pub(crate) struct Limiter {
    buckets: Mutex<HashMap<(&'static str, String), TokenBucket>>,
}

#[derive(Debug)]
struct TokenBucket {
    left: f64,
    at: Moment,
}

impl Limiter {
    /// Takes one request of a quota's `rate` a second for somebody. False if there is none left.
    pub(crate) fn take(&self, quota: &'static str, whose: &str, rate: Option<u32>, now: Moment) -> bool {
        let Some(rate) = rate.map(f64::from) else { return true };
        let mut buckets = lock(&self.buckets);
        let bucket = buckets.entry((quota, whose.to_owned())).or_insert(TokenBucket { left: rate, at: now });
        bucket.left = (bucket.left + now.since(bucket.at).as_secs_f64() * rate).min(rate);
        bucket.at = bucket.at.max(now);
        let taken = bucket.left >= 1.0;
        if taken {
            bucket.left -= 1.0;
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_fills_steadily_and_is_everybodys_own() {
        let limiter = Limiter::default();
        let take = |who, at| limiter.take("puts", who, Some(10), Moment(at));
        assert_eq!((0..20).filter(|_| take("a", 1000)).count(), 10);
        assert!(take("b", 1000));
        assert!(!take("a", 1050) && take("a", 1100) && !take("a", 1150));
        assert_eq!((0..20).filter(|_| take("a", 9000)).count(), 10);
        assert!(limiter.take("puts", "a", None, Moment(0)));
    }
}
