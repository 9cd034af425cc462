//! `SHA256SUMS`: a line of digest, two spaces and name for every file, as `sha256sum` of the GNU core utilities has it.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString as _};

use crate::bytes::{from_hex, shown};
use crate::digest::Sha;
use crate::report::Log;

/// The longest list that is read: a bundle has a score of files.
const LEN_MAX: usize = 64 << 10;

/// The digests of the lines by name. What is not such a line is reported, and so is another form than the one that is signed:
/// sorted by name, a newline after each line.
pub(crate) fn parse(bytes: &[u8], log: &mut Log<'_>) -> BTreeMap<String, Sha> {
    let mut sums = BTreeMap::new();
    let Ok(text) = core::str::from_utf8(bytes) else {
        log.wrong(None, "it is not UTF-8");
        return sums;
    };
    if bytes.len() > LEN_MAX {
        log.wrong(None, format!("it has {} bytes, which is more than 64 KiB", bytes.len()));
    }
    if !text.is_empty() && !text.ends_with('\n') {
        log.wrong(None, "its last line has no newline");
    }
    let mut last = "";
    for (index, line) in text.split_terminator('\n').enumerate() {
        let number = index.saturating_add(1);
        let fields = line.split_once("  ").and_then(|(sum, name)| Some((from_hex::<32>(sum)?, plain(name)?)));
        let Some((sum, name)) = fields else {
            log.wrong(
                None,
                format!("line {number} is not a SHA-256, two spaces and a name: {}", shown(line)),
            );
            continue;
        };
        if sums.insert(name.to_string(), sum).is_some() {
            log.wrong(None, format!("line {number} is a second one for {}", shown(name)));
        } else if name < last {
            log.wrong(None, format!("line {number} is not in the order of the names"));
        }
        last = name;
    }
    sums
}

/// A name that stays in the folder of the bundle.
fn plain(name: &str) -> Option<&str> {
    let parts = name.split('/');
    let inside = parts.clone().count() <= 2
        && parts.clone().all(|part| !part.is_empty() && part != "." && part != "..")
        && !name.contains(['\\', '\0']);
    inside.then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Report;

    #[test]
    fn lines_are_read_and_others_are_reported() {
        let sum = "0".repeat(64);
        for (text, lines, wrong) in [
            (format!("{sum}  a\n{sum}  signing/b c\n"), 2, 0),
            (format!("{sum}  a\n{sum}  a\n"), 1, 1),
            (format!("{sum}  a"), 1, 1),
            (format!("{sum}  b\n{sum}  a\n"), 2, 1),
            (format!("{sum}  a\n").repeat(1000), 1, 1000),
            (format!("{sum} *a\n"), 0, 1),
            (format!("{sum}  ../a\n{sum}  /a\n{sum}  a/b/c\n"), 0, 3),
            (format!("{}  a\r\n", &sum[1..]), 0, 1),
            (format!("{sum}  a\n\n"), 1, 1),
        ] {
            let mut report = Report::default();
            assert_eq!(parse(text.as_bytes(), &mut report.part("SHA256SUMS", 0)).len(), lines, "{text}");
            assert_eq!(report.mismatches.len(), wrong, "{text}");
        }
    }
}
