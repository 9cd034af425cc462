//! Values in texts of any of the usual syntaxes, found by their names.

use std::ops::Range;

use memchr::memmem;

use crate::content::is_placeholder;

/// The lines that are neither empty nor comments, with their ranges.
pub(super) fn content_lines(bytes: &[u8]) -> impl Iterator<Item = Range<usize>> + '_ {
    lines(bytes).filter(|range| {
        let line = bytes[range.clone()].trim_ascii();
        !line.is_empty() && !line.iter().all(|byte| *byte == 0) && !b"#;".contains(&line[0])
    })
}

/// All lines, with their ranges, without line breaks.
fn lines(bytes: &[u8]) -> impl Iterator<Item = Range<usize>> + '_ {
    let mut start = 0;
    bytes.split(|byte| *byte == b'\n').map(move |line| {
        let range = start..start + line.len();
        start += line.len() + 1;
        range
    })
}

/// The values of these names, which are lower case.
pub(super) fn values(bytes: &[u8], names: &[&str]) -> Vec<Range<usize>> {
    let lower = bytes.to_ascii_lowercase();
    let mut all: Vec<Range<usize>> = Vec::new();
    for name in names {
        let starts = memmem::find_iter(&lower, name.as_bytes());
        all.extend(starts.filter_map(|at| value_after(bytes, at, at + name.len())));
    }
    all.sort_by_key(|range| range.start);
    all.dedup();
    all
}

/// The value of the name in the range `at..after`.
fn value_after(bytes: &[u8], at: usize, after: usize) -> Option<Range<usize>> {
    let letter = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-.".contains(byte);
    let before = at.checked_sub(1).and_then(|at| bytes.get(at));
    // `//host/:_authToken=` has a colon before the name.
    if before.is_some_and(letter) || bytes.get(after).is_some_and(letter) || is_comment(bytes, at) {
        return None;
    }
    let mut start = after;
    let mut separated = false;
    for byte in bytes.get(after..)?.iter().take(64) {
        match byte {
            b'=' | b':' | b'>' => separated = true,
            b' ' | b'\t' => separated = true,
            b'"' | b'\'' => {}
            _ => break,
        }
        start += 1;
    }
    let range = start..start + value_len(bytes.get(start..)?);
    let value = &bytes[range.clone()];
    let text = value.iter().all(|byte| byte.is_ascii_graphic() || *byte >= 0x80);
    (separated && !value.is_empty() && text && !is_placeholder(value)).then_some(range)
}

/// The length of a value: up to white space or what ends it in JSON, XML and shells.
pub(super) fn value_len(rest: &[u8]) -> usize {
    let ends = |byte: &u8| byte.is_ascii_whitespace() || b"\"',;<>}".contains(byte);
    rest.iter().take(8192).position(ends).unwrap_or(rest.len().min(8192))
}

/// Whether an offset is in a line that is a comment.
fn is_comment(bytes: &[u8], at: usize) -> bool {
    let start = bytes[..at].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let line = bytes[start..at].trim_ascii_start();
    line.starts_with(b"#") || line.starts_with(b";") || line.starts_with(b"//") && !line.contains(&b':')
}

/// The string in quotes after an offset, in the same line.
pub(super) fn quoted_after(bytes: &[u8], at: usize) -> Option<Range<usize>> {
    let rest = bytes.get(at..)?;
    let line = &rest[..rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len())];
    let quote = line.iter().position(|byte| *byte == b'"' || *byte == b'\'')?;
    let value = line.get(quote + 1..)?;
    let len = value.iter().position(|byte| *byte == line[quote])?;
    let range = at + quote + 1..at + quote + 1 + len;
    (len >= 4 && !is_placeholder(&bytes[range.clone()])).then_some(range)
}
