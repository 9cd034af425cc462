//! Words for events. Everything quoted is from the log, so it is limited in length and has no control characters.

use std::fmt::Write as _;

use super::{Event, EventType};
use crate::fields;
use crate::guid::Guid;

/// The most characters that are quoted from an event.
const QUOTED_MAX: usize = 160;
/// Fixed part of a `UEFI_VARIABLE_DATA` (section 10.4.2.6): GUID, length of the name, length of the data.
const VARIABLE: usize = 32;
/// Fixed part of a `UEFI_IMAGE_LOAD_EVENT` (section 10.4.2.3): address, lengths, length of the device path.
const IMAGE_LOAD: usize = 32;
/// Type and subtype of a device path's node with a file's path (UEFI 2.10, section 10.3.5.4).
const FILE_PATH: [u8; 2] = [4, 4];
/// Type of the node that ends a device path.
const END_OF_PATH: u8 = 0x7f;

impl Event {
    /// What the event means, in words.
    pub fn describe(&self) -> String {
        let data = &self.data;
        match self.kind {
            EventType::SEPARATOR if data.iter().all(|byte| *byte == 0) => {
                "the separator before the boot".to_owned()
            }
            EventType::SEPARATOR => "a separator that reports an error of the firmware".to_owned(),
            EventType::ACTION => quote("the firmware's action", &ascii(data)),
            EventType::VARIABLE_DRIVER_CONFIG => self.describe_variable("the variable"),
            EventType::VARIABLE_BOOT => self.describe_variable("the boot variable"),
            EventType::VARIABLE_AUTHORITY => self.describe_variable("the entry that verified an image, of"),
            EventType::APPLICATION => self.describe_image("the application"),
            EventType::BOOT_SERVICES_DRIVER | EventType::RUNTIME_SERVICES_DRIVER => {
                self.describe_image("the UEFI driver")
            }
            EventType::GPT => "the partition table".to_owned(),
            EventType::IPL if self.pcr == 11 => quote("the part of the UKI", &text(data)),
            EventType::IPL => quote("what the loader passed on", &text(data)),
            EventType::EVENT_TAG => {
                quote("what the loader passed on", &text(data.get(8..).unwrap_or_default()))
            }
            other => other.to_string(),
        }
    }

    /// The name of the variable of an event about one.
    pub fn variable_name(&self) -> Option<String> {
        let is_variable = matches!(
            self.kind,
            EventType::VARIABLE_DRIVER_CONFIG | EventType::VARIABLE_BOOT | EventType::VARIABLE_AUTHORITY
        );
        let units = usize::try_from(fields::u64(&self.data, 16)).ok()?;
        let end = units.checked_mul(2)?.checked_add(VARIABLE)?;
        let name = self.data.get(VARIABLE..end)?;
        is_variable.then(|| utf16(name))
    }

    /// The path of the file of an event about a loaded image, with `\` between its parts.
    pub fn file_path(&self) -> Option<String> {
        let is_image = matches!(
            self.kind,
            EventType::APPLICATION | EventType::BOOT_SERVICES_DRIVER | EventType::RUNTIME_SERVICES_DRIVER
        );
        let mut rest = self.data.get(IMAGE_LOAD..).filter(|_| is_image)?;
        let mut path = String::new();
        while let [kind, subtype, low, high, ..] = rest {
            let len = usize::from(u16::from_le_bytes([*low, *high])).max(4);
            let (node, after) = rest.split_at_checked(len)?;
            if *kind == END_OF_PATH {
                break;
            }
            if [*kind, *subtype] == FILE_PATH {
                path.push_str(&utf16(node.get(4..).unwrap_or_default()));
            }
            rest = after;
        }
        (!path.is_empty()).then_some(path)
    }

    fn describe_variable(&self, what: &str) -> String {
        let guid = Guid::from_bytes_le(fields::array(&self.data, 0));
        let len = fields::u64(&self.data, 24);
        match self.variable_name() {
            Some(name) if len == 0 => format!("{what} `{name}` ({guid}), empty or absent"),
            Some(name) => format!("{what} `{name}` ({guid}), {len} bytes"),
            None => format!("{what} whose name cannot be read"),
        }
    }

    fn describe_image(&self, what: &str) -> String {
        match self.file_path() {
            Some(path) => quote(what, &path),
            None => format!("{what} without a file, which another one loaded from memory or a device holds"),
        }
    }
}

/// Words with a quotation, or without if there is none.
fn quote(what: &str, quoted: &str) -> String {
    if quoted.is_empty() { what.to_owned() } else { format!("{what} `{quoted}`") }
}

/// Text in ASCII, or in UTF-16 if every second byte of its start is zero.
fn text(bytes: &[u8]) -> String {
    let wide = bytes.len() >= 2 && bytes.iter().skip(1).step_by(2).take(8).all(|byte| *byte == 0);
    if wide { utf16(bytes) } else { ascii(bytes) }
}

fn ascii(bytes: &[u8]) -> String {
    limited(String::from_utf8_lossy(bytes).chars())
}

fn utf16(bytes: &[u8]) -> String {
    let units = bytes.chunks_exact(2).map(|unit| u16::from_le_bytes(fields::array(unit, 0)));
    let chars = char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER));
    limited(chars)
}

/// Characters up to a NUL, control characters escaped.
fn limited(chars: impl Iterator<Item = char>) -> String {
    let mut limited = String::new();
    for (index, character) in chars.take_while(|character| *character != '\0').enumerate() {
        if index >= QUOTED_MAX {
            limited.push('…');
            break;
        }
        match character {
            character if character.is_control() || character == '`' => {
                // Writing to a String cannot fail.
                let _ = write!(limited, "{}", character.escape_unicode());
            }
            character => limited.push(character),
        }
    }
    limited
}
