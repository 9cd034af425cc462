//! The copy of a console on the user's terminal: text, colours and line control pass; what would make the terminal act,
//! remember or answer is dropped.

use super::decode::{DecodedUnit, Decoder};
use super::is_printable;

/// Longest control sequence that is looked at; a longer one is dropped.
const SEQUENCE_MAX: usize = 64;
/// Longest string (title, clipboard) that is dropped as one; what follows counts as text again.
const STRING_MAX: usize = 4096;
/// Most digits of a parameter: larger counts only keep terminals busy.
const DIGITS_MAX: usize = 4;

/// What passes besides text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Allow {
    /// Line feed, carriage return, tab, backspace and colours (SGR): what is above the current line stays as it is. A
    /// cursor that is put elsewhere begins a line.
    Lines,
    /// Also what programs with a whole screen need: the cursor, erasing, scrolling, the alternate screen, line drawing,
    /// the bell. No string (OSC, DCS, APC, PM, SOS), no query, no report, no mouse, no keyboard mode.
    Screen,
}

/// Makes the bytes of a console harmless. They may come in any portions.
#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a state of the terminal that is changed by itself"
)]
pub struct TerminalFilter {
    allow: Allow,
    decoder: Decoder,
    state: FilterState,
    /// Whether the current line has text.
    open: bool,
    /// What has to be set back at the end.
    colored: bool,
    screen: bool,
    alternate: bool,
}

/// What the next character belongs to.
#[derive(Debug, Default)]
enum FilterState {
    #[default]
    Text,
    /// After ESC.
    Escape,
    /// After ESC and a byte that designates a character set or the like.
    Designation(char),
    /// After CSI: parameters so far.
    Sequence(String),
    /// A sequence that is too long or not of ASCII, up to its end.
    Ignored,
    /// A string, with its length so far.
    Words(usize),
}

impl TerminalFilter {
    /// A filter for the beginning of a console.
    pub fn new(allow: Allow) -> Self {
        Self {
            allow,
            decoder: Decoder::default(),
            state: FilterState::Text,
            open: false,
            colored: false,
            screen: false,
            alternate: false,
        }
    }

    /// What may be written to the terminal of the next portion.
    pub fn push(&mut self, bytes: &[u8]) -> String {
        let mut out = String::with_capacity(bytes.len());
        let mut decoder = std::mem::take(&mut self.decoder);
        decoder.push(bytes, |unit| match unit {
            DecodedUnit::Char(character) => self.take(character, &mut out),
            DecodedUnit::Byte(_) => self.take(char::REPLACEMENT_CHARACTER, &mut out),
        });
        self.decoder = decoder;
        out
    }

    /// What sets the terminal back to what it was; nothing where nothing was changed. The filter begins anew.
    pub fn end(&mut self) -> String {
        let mut out = String::new();
        if self.alternate {
            out.push_str("\x1b[?1049l");
        }
        if self.screen {
            // The region of scrolling is set back around the cursor's position, which setting it would change.
            out.push_str("\x1b[?25h\x1b[?7h\x1b[4l\x1b(B\x1b7\x1b[r\x1b8");
        }
        if self.colored {
            out.push_str("\x1b[0m");
        }
        *self = Self::new(self.allow);
        out
    }

    /// Whether the current line has text.
    pub fn is_in_line(&self) -> bool {
        self.open
    }

    fn take(&mut self, character: char, out: &mut String) {
        // What ends every sequence, wherever it is.
        match character {
            '\u{1b}' => return self.state = FilterState::Escape,
            '\u{18}' | '\u{1a}' | '\u{9c}' => return self.state = FilterState::Text,
            '\u{9b}' => return self.state = FilterState::Sequence(String::new()),
            '\u{90}' | '\u{98}' | '\u{9d}'..='\u{9f}' => return self.state = FilterState::Words(0),
            // A guest that crashes within a sequence must not hide what follows.
            '\n' => {
                self.state = FilterState::Text;
                return self.text('\n', out);
            }
            _ => {}
        }
        self.state = match std::mem::take(&mut self.state) {
            FilterState::Text => {
                self.text(character, out);
                FilterState::Text
            }
            FilterState::Escape => self.escape(character, out),
            FilterState::Designation(set) => self.designation(set, character, out),
            FilterState::Sequence(parameters) => self.sequence(parameters, character, out),
            FilterState::Ignored if matches!(character, '\u{40}'..='\u{7e}') => FilterState::Text,
            FilterState::Ignored => FilterState::Ignored,
            FilterState::Words(_) if character == '\u{7}' => FilterState::Text,
            FilterState::Words(len) if len < STRING_MAX => FilterState::Words(len.saturating_add(1)),
            FilterState::Words(_) => FilterState::Text,
        };
    }

    fn text(&mut self, character: char, out: &mut String) {
        match character {
            '\n' => self.open = false,
            '\r' | '\t' | '\u{8}' => {}
            '\u{7}' if self.allow == Allow::Screen => {}
            character if is_printable(character) => self.open = true,
            _ => return,
        }
        out.push(character);
    }

    fn escape(&mut self, character: char, out: &mut String) -> FilterState {
        match character {
            '[' => FilterState::Sequence(String::new()),
            ']' | 'P' | 'X' | '^' | '_' => FilterState::Words(0),
            '\u{20}'..='\u{2f}' => FilterState::Designation(character),
            // Save, restore, and move the cursor by a line with scrolling.
            '7' | '8' | 'D' | 'E' | 'M' => {
                self.control(&format!("\x1b{character}"), out);
                FilterState::Text
            }
            _ => FilterState::Text,
        }
    }

    fn designation(&mut self, set: char, character: char, out: &mut String) -> FilterState {
        match (set, character) {
            // Line drawing, and back.
            ('(', '0' | 'B') => self.control(&format!("\x1b({character}"), out),
            // More bytes may come before the last one.
            (_, '\u{20}'..='\u{2f}') => return FilterState::Designation(' '),
            _ => {}
        }
        FilterState::Text
    }

    fn sequence(&mut self, mut parameters: String, character: char, out: &mut String) -> FilterState {
        match character {
            '\u{20}'..='\u{3f}' if parameters.len() < SEQUENCE_MAX => {
                parameters.push(character);
                FilterState::Sequence(parameters)
            }
            '\u{40}'..='\u{7e}' => {
                self.control_sequence(&parameters, character, out);
                FilterState::Text
            }
            _ => FilterState::Ignored,
        }
    }

    fn control_sequence(&mut self, parameters: &str, last: char, out: &mut String) {
        let plain = |text: &str| {
            text.split([';', ':'])
                .all(|number| number.len() <= DIGITS_MAX && number.bytes().all(|byte| byte.is_ascii_digit()))
        };
        let whole = || format!("\x1b[{parameters}{last}");
        match last {
            'm' if plain(parameters) => {
                self.colored = true;
                out.push_str(&whole());
            }
            'H' | 'f' if self.allow == Allow::Lines && self.open => {
                self.open = false;
                out.push_str("\r\n");
            }
            // Erasing what was scrolled away (3) is not the guest's.
            'J' if !matches!(parameters, "" | "0" | "1" | "2") => {}
            'A'..='H' | 'J'..='M' | '@' | 'P' | 'S' | 'T' | 'X' | 'Z' | 'I' | 'd' | 'f' | 'r' | 's' | 'u'
                if plain(parameters) =>
            {
                self.control(&whole(), out);
            }
            'h' | 'l' if matches!(parameters, "4" | "?7" | "?25") => self.control(&whole(), out),
            'h' | 'l' if parameters == "?1049" && self.allow == Allow::Screen => {
                self.alternate = last == 'h';
                self.control(&whole(), out);
            }
            _ => {}
        }
    }

    /// Passes on what changes the screen, where that is allowed.
    fn control(&mut self, sequence: &str, out: &mut String) {
        if self.allow == Allow::Screen {
            self.screen = true;
            out.push_str(sequence);
        }
    }
}
