//! Versions of rpm packages: epoch, version and release (rpm, `docs/man/rpm-version.7.scd`).

use std::cmp::Ordering;
use std::fmt;

/// A version as packages and their relations write it: `1:2.4.62-1.amzn2023`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Evr {
    /// The epoch; a missing one counts as 0.
    pub epoch: Option<u32>,
    /// The version.
    pub version: String,
    /// The release; in a relation a missing one fits any.
    pub release: Option<String>,
}

impl Evr {
    /// Reads a version: an epoch before the first colon if there are only digits, a release after the last hyphen.
    pub fn parse(text: &str) -> Self {
        let (epoch, rest) = match text.split_once(':') {
            Some((epoch, rest)) if epoch.bytes().all(|byte| byte.is_ascii_digit()) => {
                (if epoch.is_empty() { Some(0) } else { epoch.parse().ok() }, rest)
            }
            _ => (None, text),
        };
        let (version, release) = match rest.rsplit_once('-') {
            Some((version, release)) => (version, Some(release.to_owned())),
            None => (rest, None),
        };
        Self { epoch, version: version.to_owned(), release }
    }

    /// The order of two versions as rpm has it. A release that one of them lacks is not compared.
    pub fn compare(&self, other: &Self) -> Ordering {
        let epoch = self.epoch.unwrap_or(0).cmp(&other.epoch.unwrap_or(0));
        let version = epoch.then_with(|| compare_segments(&self.version, &other.version));
        version.then_with(|| match (&self.release, &other.release) {
            (Some(a), Some(b)) => compare_segments(a, b),
            _ => Ordering::Equal,
        })
    }
}

impl fmt::Display for Evr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(epoch) = self.epoch.filter(|epoch| *epoch != 0) {
            write!(f, "{epoch}:")?;
        }
        f.write_str(&self.version)?;
        self.release.as_ref().map_or(Ok(()), |release| write!(f, "-{release}"))
    }
}

/// The order of two versions or releases: runs of digits and runs of letters are compared one after the other, `~` comes
/// before everything, `^` after the end and before anything else, and all other characters only separate.
pub fn compare_segments(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.as_bytes(), b.as_bytes());
    loop {
        a = skip_separators(a);
        b = skip_separators(b);
        match (a.first(), b.first()) {
            (Some(b'~'), Some(b'~')) | (Some(b'^'), Some(b'^')) => {
                a = a.get(1..).unwrap_or_default();
                b = b.get(1..).unwrap_or_default();
            }
            (Some(b'~'), _) => return Ordering::Less,
            (_, Some(b'~')) => return Ordering::Greater,
            (None, None) => return Ordering::Equal,
            // What is longer comes after, but for `^`, which comes before all that goes on otherwise.
            (Some(b'^') | None, Some(_)) => return Ordering::Less,
            (Some(_), Some(b'^') | None) => return Ordering::Greater,
            (Some(one), Some(other)) => {
                let digits = one.is_ascii_digit();
                if digits != other.is_ascii_digit() {
                    return if digits { Ordering::Greater } else { Ordering::Less };
                }
                let (run, rest) = split_run(a, digits);
                let (other_run, other_rest) = split_run(b, digits);
                let order = if digits { compare_numbers(run, other_run) } else { run.cmp(other_run) };
                if order != Ordering::Equal {
                    return order;
                }
                a = rest;
                b = other_rest;
            }
        }
    }
}

fn skip_separators(text: &[u8]) -> &[u8] {
    let start = text.iter().position(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'~' | b'^'));
    text.get(start.unwrap_or(text.len())..).unwrap_or_default()
}

/// The leading run of digits or of letters, and the rest.
fn split_run(text: &[u8], digits: bool) -> (&[u8], &[u8]) {
    let in_run = |byte: &u8| if digits { byte.is_ascii_digit() } else { byte.is_ascii_alphabetic() };
    text.split_at(text.iter().position(|byte| !in_run(byte)).unwrap_or(text.len()))
}

/// The order of two runs of digits of any length.
fn compare_numbers(a: &[u8], b: &[u8]) -> Ordering {
    let significant =
        |run: &[u8]| run.iter().skip_while(|digit| **digit == b'0').copied().collect::<Vec<_>>();
    let (a, b) = (significant(a), significant(b));
    a.len().cmp(&b.len()).then_with(|| a.cmp(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_compared_as_rpm_compares_them() {
        let rising = ["1~a", "1~b", "1", "1^a", "1^b", "1.a", "1.1", "1.01.1", "1.2", "1.10", "2"];
        for (index, a) in rising.iter().enumerate() {
            for (other, b) in rising.iter().enumerate() {
                assert_eq!(compare_segments(a, b), index.cmp(&other), "{a} {b}");
            }
        }
        assert_eq!(compare_segments("1_0", "1.00"), Ordering::Equal);
    }

    #[test]
    fn a_missing_release_fits_any() {
        let compare = |a, b| Evr::parse(a).compare(&Evr::parse(b));
        assert_eq!(compare("1.0", "1.0-5"), Ordering::Equal);
        assert_eq!(compare("1:0.1-1", "9-9"), Ordering::Greater);
        assert_eq!(compare("0:1-1", "1-1"), Ordering::Equal);
        assert_eq!(Evr::parse("1:2-3").to_string(), "1:2-3");
    }
}
