//! The console: everything that a guest wrote to its serial port, as bytes, as plain text, and as what stands on the
//! screen at the end.

use super::screen::Screen;

/// Most bytes that are kept: a guest can write without end.
const MAX_BYTES: usize = 16 << 20;
/// Longest control sequence; what is longer is none.
const MAX_SEQUENCE: usize = 64;

/// What a guest wrote.
#[derive(Debug, Default)]
pub struct Console {
    bytes: Vec<u8>,
    text: String,
    screen: Screen,
    state: ConsoleState,
    /// Bytes of a character that is not whole yet.
    partial: Vec<u8>,
}

/// What the next character belongs to.
#[derive(Debug, Default)]
enum ConsoleState {
    #[default]
    Text,
    Escape,
    Sequence(String),
    /// A title or the like, up to its terminator.
    ControlString(usize),
}

impl Console {
    /// Takes what came.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.bytes.len() >= MAX_BYTES {
            return;
        }
        self.bytes.extend_from_slice(bytes);
        for &byte in bytes {
            self.partial.push(byte);
            match std::str::from_utf8(&self.partial) {
                Ok(text) => {
                    let character = text.chars().next();
                    self.partial.clear();
                    if let Some(character) = character {
                        self.accept(character);
                    }
                }
                Err(error) if error.error_len().is_some() || self.partial.len() >= 4 => {
                    self.partial.clear();
                    self.accept(char::REPLACEMENT_CHARACTER);
                }
                Err(_) => {}
            }
        }
    }

    /// All bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The text without control sequences and carriage returns.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What stands on the screen: at most the last `count` lines.
    pub fn screen(&self, count: usize) -> Vec<String> {
        let mut lines = self.screen.lines();
        lines.split_off(lines.len().saturating_sub(count))
    }

    fn accept(&mut self, character: char) {
        self.state = match std::mem::take(&mut self.state) {
            ConsoleState::Text => self.accept_text(character),
            ConsoleState::Escape => match character {
                '[' => ConsoleState::Sequence(String::new()),
                ']' | 'P' | '^' | '_' => ConsoleState::ControlString(0),
                // The reset of a terminal.
                'c' => {
                    self.screen = Screen::default();
                    ConsoleState::Text
                }
                '(' | ')' => ConsoleState::ControlString(MAX_SEQUENCE * 64 - 1),
                _ => ConsoleState::Text,
            },
            ConsoleState::Sequence(mut sequence) => match character {
                '\u{40}'..='\u{7e}' => {
                    let number = |part: &str| part.parse().unwrap_or(0);
                    let numbers: Vec<usize> = sequence.split(';').map(number).collect();
                    self.screen.control(&numbers, character);
                    // A cursor that is put elsewhere begins a line of its own.
                    if matches!(character, 'H' | 'f') && !self.text.ends_with('\n') && !self.text.is_empty() {
                        self.text.push('\n');
                    }
                    ConsoleState::Text
                }
                _ if sequence.len() < MAX_SEQUENCE => {
                    sequence.push(character);
                    ConsoleState::Sequence(sequence)
                }
                _ => ConsoleState::Text,
            },
            ConsoleState::ControlString(len) => match character {
                '\u{7}' | '\\' => ConsoleState::Text,
                _ if len + 1 < MAX_SEQUENCE * 64 => ConsoleState::ControlString(len + 1),
                _ => ConsoleState::Text,
            },
        };
    }

    fn accept_text(&mut self, character: char) -> ConsoleState {
        if character == '\u{1b}' {
            return ConsoleState::Escape;
        }
        self.screen.put(character);
        if character == '\n' || character == '\t' || !character.is_control() {
            self.text.push(character);
        }
        ConsoleState::Text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn console(bytes: &[u8]) -> Console {
        let mut console = Console::default();
        // In the worst portions.
        for byte in bytes {
            console.push(&[*byte]);
        }
        console
    }

    #[test]
    fn text_has_no_colours_and_no_carriage_returns() {
        let console =
            console("[\x1b[0;32m  OK  \x1b[0m] Started \x1b[0;1;39müber.service\x1b[0m\r\n".as_bytes());
        assert_eq!(console.text(), "[  OK  ] Started über.service\n");
        assert_eq!(console.screen(5), ["[  OK  ] Started über.service"]);
    }

    #[test]
    fn the_screen_is_what_stands_on_it_after_cursor_and_erasure() {
        let console = console(b"gone\x1b[2J\x1b[01;01H\x1b[=3hfirst\x1b[3;4Hthird\x1b[1;3H\x1b[Kx\rF\xff");
        assert_eq!(console.screen(9), ["F\u{fffd}x", "", "   third"]);
        assert_eq!(console.screen(1), ["   third"]);
        assert!(console.text().contains("\nthird\n"), "{:?}", console.text());
    }

    #[test]
    fn no_bytes_whatever_are_too_much() {
        for seed in 0..200_u32 {
            let mut state = seed;
            let bytes: Vec<u8> = (0..400)
                .map(|_| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    let byte = (state >> 24) as u8;
                    if byte.is_multiple_of(5) {
                        0x1b
                    } else if byte.is_multiple_of(3) {
                        b"[0123;HJKABCDG"[byte as usize % 14]
                    } else {
                        byte
                    }
                })
                .collect();
            console(&bytes).screen(50);
        }
    }
}
