//! Foreign text on a terminal: which characters are printed as they are, and how the others are made harmless.
//!
//! Guests, images, archives and services choose names and messages that this program prints. A control character in
//! them would be an instruction to the user's terminal: set the title, write the clipboard, answer a query as if the
//! answer was typed. [`escape`] and [`Escaper`] are for text of which nothing may be lost; [`TerminalFilter`] is for the copy of
//! a console, whose colours stay. Specifications: ECMA-48, xterm's `ctlseqs`, the Unicode bidirectional algorithm.

mod decode;
mod filter;

use std::borrow::Cow;
use std::fmt::Write as _;

pub use filter::{Allow, TerminalFilter};

use decode::{DecodedUnit, Decoder};

/// Whether a character may be printed as it is. Not printable are control characters (C0, DEL, C1) and what changes
/// the direction of the text around it or is invisible, which would show one name as another. The joiners that scripts
/// and emoji need are printable.
pub const fn is_printable(character: char) -> bool {
    !matches!(
        character,
        '\0'..='\u{1f}'
            | '\u{7f}'..='\u{9f}'
            | '\u{ad}'
            | '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'
            | '\u{200e}'
            | '\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

/// Text with everything that is not printable as `\xNN` or `\u{NNNN}`. Line feeds and tabs stay.
pub fn escape(text: &str) -> Cow<'_, str> {
    if text.chars().all(stays) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    text.chars().for_each(|character| push_escaped(character, &mut escaped));
    Cow::Owned(escaped)
}

/// JSON with everything in its strings that is not printable as `\uNNNN`. JSON leaves DEL, C1 and directions as they are.
pub fn escape_json(json: &str) -> Cow<'_, str> {
    if json.chars().all(stays) {
        return Cow::Borrowed(json);
    }
    let mut escaped = String::with_capacity(json.len() + 16);
    for character in json.chars() {
        if stays(character) {
            escaped.push(character);
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                // Writing to a String cannot fail.
                let _ = write!(escaped, "\\u{unit:04x}");
            }
        }
    }
    Cow::Owned(escaped)
}

/// [`escape`] for bytes that come in portions; what is no UTF-8 is escaped byte by byte.
#[derive(Debug, Default)]
pub struct Escaper(Decoder);

impl Escaper {
    /// The next portion, escaped. The bytes of a character that is not whole yet wait for the next one.
    pub fn push(&mut self, bytes: &[u8]) -> String {
        let mut escaped = String::with_capacity(bytes.len());
        self.0.push(bytes, |unit| match unit {
            DecodedUnit::Char(character) => push_escaped(character, &mut escaped),
            DecodedUnit::Byte(byte) => push_byte(byte, &mut escaped),
        });
        escaped
    }

    /// What is left at the end of the bytes.
    pub fn end(&mut self) -> String {
        let mut escaped = String::new();
        self.0.end().iter().for_each(|byte| push_byte(*byte, &mut escaped));
        escaped
    }
}

/// Whether a character of a text of several lines is printed as it is.
const fn stays(character: char) -> bool {
    is_printable(character) || matches!(character, '\n' | '\t')
}

fn push_escaped(character: char, into: &mut String) {
    // Writing to a String cannot fail.
    let _ = match character {
        character if stays(character) => into.write_char(character),
        character if character.is_ascii() => write!(into, "\\x{:02x}", u32::from(character)),
        character => write!(into, "\\u{{{:x}}}", u32::from(character)),
    };
}

fn push_byte(byte: u8, into: &mut String) {
    // Writing to a String cannot fail.
    let _ = write!(into, "\\x{byte:02x}");
}

#[cfg(test)]
mod tests;
