//! `SHA256SUMS`: a line for each file, as `sha256sum` of the GNU core utilities writes and checks it.

use std::fmt::Write;

use amiforge_formats::digest::Digest;

/// A line of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SumLine {
    /// Name of the file.
    pub name: String,
    /// Its SHA-256.
    pub sha256: Digest,
}

/// Why a text is not a list of sums.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SumsError {
    /// A line of another form.
    #[error("line {line} is not a SHA-256, two spaces and a name")]
    Line {
        /// Its number, from 1.
        line: usize,
    },
}

/// The text for files in the order given.
pub(super) fn write(files: &[(&str, Digest)]) -> String {
    files.iter().fold(String::new(), |mut text, (name, sha256)| {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{sha256}  {name}");
        text
    })
}

/// Whether a text is the one that a build writes for these lines: digests in lower case, a newline after each line, sorted by
/// name. `docs/bundle.md` asks for this form, because other readers might read another one differently.
pub fn is_as_written(text: &str, lines: &[SumLine]) -> bool {
    let all: Vec<_> = lines.iter().map(|line| (line.name.as_str(), line.sha256)).collect();
    all.is_sorted_by_key(|(name, _)| *name) && write(&all) == text
}

/// Reads the lines. Names are plain, or plain in the folder of signing requests: no other directory, no escapes.
///
/// # Errors
/// [`SumsError`].
pub fn parse(text: &str) -> Result<Vec<SumLine>, SumsError> {
    let line = |(index, line): (usize, &str)| {
        let sum = line.split_once("  ").and_then(|(sha256, name)| {
            let last = name.strip_prefix("signing/").unwrap_or(name);
            let plain = !last.is_empty() && last != ".." && !last.contains(['/', '\\', '\0']);
            let sha256 = sha256.parse().ok().filter(|_| plain)?;
            Some(SumLine { name: name.to_owned(), sha256 })
        });
        sum.ok_or(SumsError::Line { line: index + 1 })
    };
    // Not `lines`, which would take the ends of lines of DOS, and sha256sum does not.
    text.split_terminator('\n').enumerate().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_read_back_and_other_lines_are_named() {
        let text = write(&[("disk.raw", Digest::of(b"a")), ("tree.txt", Digest::of(b"b"))]);
        assert!(text.ends_with("  tree.txt\n"));
        let sums = parse(&text).unwrap();
        assert_eq!(sums[1], SumLine { name: "tree.txt".to_owned(), sha256: Digest::of(b"b") });
        for wrong in ["", "x", "../disk.raw"] {
            let text = format!("{text}{}  {wrong}\n", &"0".repeat(if wrong == "x" { 63 } else { 64 }));
            assert_eq!(parse(&text), Err(SumsError::Line { line: 3 }), "{wrong}");
        }
    }

    #[test]
    fn a_text_in_another_form_is_known() {
        let text = write(&[("disk.raw", Digest::of(b"a")), ("tree.txt", Digest::of(b"b"))]);
        let is_own = |text: &str| is_as_written(text, &parse(text).unwrap());
        assert!(is_own(&text));
        let lines: Vec<_> = text.lines().collect();
        let upper = format!("{}{}", text[..64].to_uppercase(), &text[64..]);
        for other in [text.trim_end().to_owned(), upper, format!("{}\n{}\n", lines[1], lines[0])] {
            assert!(!is_own(&other), "{other}");
        }
    }
}
