//! Texts for readers: sizes, times, and the console of a guest.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::clock::Timestamp;
use crate::state::blocks::BLOCK_SIZE;

/// The number of lines of a console that are shown.
const LINES: usize = 200;

/// A number of blocks as a size.
pub(super) fn blocks(count: u64) -> String {
    size(count * BLOCK_SIZE as u64)
}

/// A number of GiB as bytes.
pub(super) fn gib(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0) << 30
}

/// A size in binary units, with one digit after the point below ten.
pub(super) fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["bytes", "KiB", "MiB", "GiB", "TiB"];
    let mut unit = 0;
    let mut value = bytes as f64;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    let digits = usize::from(unit > 0 && value < 10.0 && value.fract() != 0.0);
    format!("{value:.digits$} {}", UNITS[unit])
}

/// A number with a noun, in the plural unless it is one.
pub(super) fn count(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

/// A time: `2026-11-27 15:30 UTC`.
pub(super) fn time(time: Timestamp) -> String {
    format!("{} UTC", time.iso().get(..16).unwrap_or_default().replace('T', " "))
}

/// How long ago a time was, in one unit.
pub(super) fn ago(time: Timestamp, now: Timestamp) -> String {
    let seconds = now.0.saturating_sub(time.0) / 1000;
    let (number, unit) = match seconds {
        0..60 => return "just now".to_owned(),
        60..3600 => (seconds / 60, "minute"),
        3600..86_400 => (seconds / 3600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    format!("{} ago", count(number, unit))
}

/// A time of the system as a timestamp.
pub(super) fn timestamp(time: SystemTime) -> Timestamp {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// The last lines of a console without what a terminal would obey: escape sequences (ECMA-48, 5.3 to 5.6) are
/// left out, and a line that was written over is shown as it was at last.
pub(super) fn console(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes).replace("\r\n", "\n");
    let plain = without_sequences(&text);
    let lines: Vec<&str> = plain.lines().map(|line| line.rsplit('\r').next().unwrap_or(line)).collect();
    let lines = &lines[lines.len().saturating_sub(LINES)..];
    lines.iter().map(|line| line.trim_end()).collect::<Vec<_>>().join("\n")
}

fn without_sequences(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(character) = rest.next() {
        match character {
            '\u{1b}' => skip_sequence(&mut rest),
            '\u{9b}' => skip_control(&mut rest),
            '\n' | '\r' | '\t' => plain.push(character),
            '\u{8}' => drop(plain.pop()),
            other if other.is_control() => {}
            other => plain.push(other),
        }
    }
    plain
}

/// Skips what follows an ESC.
fn skip_sequence(rest: &mut std::str::Chars<'_>) {
    match rest.next() {
        Some('[') => skip_control(rest),
        // Strings end with BEL or ST.
        Some(']' | 'P' | 'X' | '^' | '_') => {
            while let Some(character) = rest.next() {
                if character == '\u{7}' || character == '\u{9c}' {
                    return;
                }
                if character == '\u{1b}' {
                    rest.next();
                    return;
                }
            }
        }
        // Intermediate bytes, then a final one.
        Some(' '..='/') => {
            rest.find(|character| !(' '..='/').contains(character));
        }
        _ => {}
    }
}

/// Skips the parameters and the final byte of a control sequence.
fn skip_control(rest: &mut std::str::Chars<'_>) {
    rest.find(|character| ('@'..='~').contains(character) || character.is_control());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times_are_short() {
        for (bytes, expected) in [
            (0, "0 bytes"),
            (512 << 10, "512 KiB"),
            (3 << 19, "1.5 MiB"),
            (8 << 30, "8 GiB"),
            (1 << 50, "1024 TiB"),
        ] {
            assert_eq!(size(bytes), expected);
        }
        let now = Timestamp(100_000_000_000);
        let before = |seconds: u64| ago(Timestamp(now.0 - seconds * 1000), now);
        assert_eq!(
            [before(3), before(60), before(7200), before(86_400)],
            ["just now", "1 minute ago", "2 hours ago", "1 day ago"]
        );
        assert_eq!(time(Timestamp(0)), "1970-01-01 00:00 UTC");
    }

    #[test]
    fn a_console_is_text() {
        let raw = b"\x1b[2J\x1b[1;31mred\x1b[0m\r\n 10%\r 20%\r100%\n\x1b]0;title\x07a\x08b\x1b(B\xff\x1bPq\x1b\\end\x1b[";
        assert_eq!(console(raw), "red\n100%\nb\u{fffd}end");
        let long = (0..500).map(|line| line.to_string()).collect::<Vec<_>>().join("\n");
        assert_eq!(console(long.as_bytes()).lines().next(), Some("300"));
    }

    proptest::proptest! {
        #[test]
        fn no_console_makes_it_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            let shown = console(&bytes);
            assert!(!shown.contains('\u{1b}'));
        }
    }
}
