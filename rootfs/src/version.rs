//! Versions of Debian packages and their order (deb-version(7), Debian Policy 5.6.12), which kernel releases are ordered by too.
//!
//! Written here because the order is all that is needed: it compares borrowed text, a million times in a resolution.

use std::cmp::Ordering;

/// Compares two versions as dpkg does: epochs as numbers, then upstream versions, then revisions. Total: versions that
/// no archive should have are ordered too.
pub fn compare(a: &str, b: &str) -> Ordering {
    let ((epoch_a, a), (epoch_b, b)) = (split_epoch(a), split_epoch(b));
    let ((upstream_a, revision_a), (upstream_b, revision_b)) = (split_revision(a), split_revision(b));
    part(epoch_a, epoch_b)
        .then_with(|| part(upstream_a, upstream_b))
        .then_with(|| part(revision_a, revision_b))
}

/// Whether a text can be a version: it begins (after the epoch) with a digit or letter and has only characters that
/// versions have.
pub fn is_version(text: &str) -> bool {
    let (epoch, rest) = split_epoch(text);
    epoch.bytes().all(|byte| byte.is_ascii_digit())
        && rest.starts_with(|first: char| first.is_ascii_alphanumeric())
        && rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".+-~:".contains(&byte))
}

/// The version without its epoch, as in the names of files.
pub fn without_epoch(version: &str) -> &str {
    split_epoch(version).1
}

fn split_epoch(version: &str) -> (&str, &str) {
    version.split_once(':').unwrap_or(("", version))
}

fn split_revision(version: &str) -> (&str, &str) {
    version.rsplit_once('-').unwrap_or((version, ""))
}

/// Alternating runs of other characters and digits: the former by rank, the latter as numbers of any length.
fn part(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.as_bytes(), b.as_bytes());
    while !a.is_empty() || !b.is_empty() {
        let (word_a, word_b) =
            (take(&mut a, |byte| !byte.is_ascii_digit()), take(&mut b, |byte| !byte.is_ascii_digit()));
        let (number_a, number_b) = (take(&mut a, u8::is_ascii_digit), take(&mut b, u8::is_ascii_digit));
        let order = words(word_a, word_b).then_with(|| numbers(number_a, number_b));
        if order.is_ne() {
            return order;
        }
    }
    Ordering::Equal
}

fn take<'a>(text: &mut &'a [u8], belongs: impl Fn(&u8) -> bool) -> &'a [u8] {
    let end = text.iter().position(|byte| !belongs(byte)).unwrap_or(text.len());
    let (taken, rest) = text.split_at(end);
    *text = rest;
    taken
}

fn words(a: &[u8], b: &[u8]) -> Ordering {
    let length = a.len().max(b.len());
    let ranks = |text: &[u8]| -> Vec<i32> {
        text.iter().map(|byte| rank(*byte)).chain(std::iter::repeat(0)).take(length).collect()
    };
    // Most runs are `.` against `.`.
    if a == b { Ordering::Equal } else { ranks(a).cmp(&ranks(b)) }
}

/// `~` before the end of the text, then letters, then all else.
fn rank(byte: u8) -> i32 {
    match byte {
        b'~' => -1,
        byte if byte.is_ascii_alphabetic() => i32::from(byte),
        byte => i32::from(byte).saturating_add(256),
    }
}

fn numbers(a: &[u8], b: &[u8]) -> Ordering {
    let (a, b) = (strip_zeros(a), strip_zeros(b));
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

fn strip_zeros(digits: &[u8]) -> &[u8] {
    let start = digits.iter().position(|digit| *digit != b'0').unwrap_or(digits.len());
    digits.split_at(start).1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_ordered_as_dpkg_orders_them() {
        // Ascending; each differs from the next.
        let ladder = [
            "0~~",
            "0~",
            "0",
            "0.0~rc1",
            "0.0",
            "0.1",
            "1.0~beta1~svc1245",
            "1.0~beta1",
            "1.0",
            "1.0-1~bpo1",
            "1.0-1",
            "1.0-1+deb12u1",
            "1.0-1.1",
            "1.0a",
            "1.0+b",
            "1.2.3",
            "1.2.10",
            "1.10",
            "2",
            "99999999999999999999999",
            "1:0.1",
            "2:0",
        ];
        for (i, low) in ladder.iter().enumerate() {
            for (j, high) in ladder.iter().enumerate() {
                assert_eq!(compare(low, high), i.cmp(&j), "{low} against {high}");
            }
        }
    }

    #[test]
    fn leading_zeros_an_absent_epoch_and_an_absent_revision_count_for_nothing() {
        for (a, b) in [("1.01", "1.1"), ("0:1", "1"), ("1-0", "1"), ("1.0-", "1.0"), ("", ""), ("00", "0")] {
            assert_eq!(compare(a, b), Ordering::Equal, "{a} against {b}");
        }
    }

    #[test]
    fn only_a_version_is_one() {
        assert!(["1", "1:2.3-4+b5~6", "a1"].into_iter().all(is_version));
        assert!(["", "1 2", "x:1", "~1", "1_2", ":", "1/2"].into_iter().all(|text| !is_version(text)));
    }
}
