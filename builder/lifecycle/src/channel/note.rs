//! The description of a version of a channel: what put it there, from which a later run learns the channel's regions
//! and to which earlier version a roll back went. So nothing about a channel is known to one machine alone.
//!
//! One line, `amiforge` and `key=value` after spaces; a space or `%` in a value is written `%20`, `%25`. A description
//! of another form is that of another program: a plain promotion.

use super::entry::ChangeKind;

/// Maximum number of characters of a description (SSM `PutParameter`).
const MAX_LEN: usize = 1024;

/// What a description says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// The kind of change.
    pub kind: NoteKind,
    /// Name of the image, if it has one.
    pub image: Option<String>,
    /// Version of the image, if it has one.
    pub version: Option<String>,
    /// The regions of the change.
    pub regions: Vec<String>,
}

/// The kind of change that made a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoteKind {
    /// A promotion.
    Promote,
    /// A roll back to an earlier version of the parameter.
    Rollback {
        /// Its number.
        to: u64,
    },
    /// A change that was set back to an earlier version of the parameter.
    SetBack {
        /// Its number.
        to: u64,
    },
}

impl NoteKind {
    /// The kind of a version that a change sets. `to` is the version of the parameter whose image it takes.
    pub(super) fn of(change: ChangeKind, to: Option<u64>) -> Self {
        match (change, to) {
            (ChangeKind::Rollback, Some(to)) => Self::Rollback { to },
            _ => Self::Promote,
        }
    }

    /// The version that was gone back to.
    pub fn went_back_to(self) -> Option<u64> {
        match self {
            Self::Promote => None,
            Self::Rollback { to } | Self::SetBack { to } => Some(to),
        }
    }
}

impl Note {
    /// The text. Regions are left out where it would be too long.
    pub fn text(&self) -> String {
        let (action, to) = match self.kind {
            NoteKind::Promote => ("promote", None),
            NoteKind::Rollback { to } => ("rollback", Some(to)),
            NoteKind::SetBack { to } => ("set-back", Some(to)),
        };
        let mut text = format!("amiforge action={action}");
        let mut add = |key: &str, value: Option<&str>| {
            if let Some(value) =
                value.map(escape).filter(|value| text.len() + key.len() + value.len() + 2 <= MAX_LEN)
            {
                text.extend([" ", key, "=", &value]);
            }
        };
        add("to", to.map(|to| to.to_string()).as_deref());
        add("image", self.image.as_deref());
        add("version", self.version.as_deref());
        add("regions", (!self.regions.is_empty()).then(|| self.regions.join(",")).as_deref());
        text
    }

    /// Reads a text; `None` if this program did not write it.
    pub fn read(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        if words.next() != Some("amiforge") {
            return None;
        }
        let fields: Vec<(&str, String)> = words
            .filter_map(|word| word.split_once('='))
            .map(|(key, value)| (key, unescape(value)))
            .collect();
        let field =
            |key: &str| fields.iter().find(|(known, _)| *known == key).map(|(_, value)| value.clone());
        let to = field("to").and_then(|to| to.parse().ok());
        let kind = match (field("action")?.as_str(), to) {
            ("promote", _) => NoteKind::Promote,
            ("rollback", Some(to)) => NoteKind::Rollback { to },
            ("set-back", Some(to)) => NoteKind::SetBack { to },
            _ => return None,
        };
        let regions = field("regions").unwrap_or_default();
        let is_region = |name: &&str| {
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        };
        Some(Self {
            kind,
            image: field("image"),
            version: field("version"),
            regions: regions.split(',').filter(is_region).map(str::to_owned).collect(),
        })
    }
}

fn escape(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    for character in value.chars() {
        match character {
            '%' => escaped.push_str("%25"),
            ' ' => escaped.push_str("%20"),
            // Names and versions are ASCII; anything else is foreign.
            character if character.is_ascii_graphic() => escaped.push(character),
            _ => escaped.push('?'),
        }
    }
    escaped
}

fn unescape(value: &str) -> String {
    value.replace("%20", " ").replace("%25", "%")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_reads_back() {
        for kind in [NoteKind::Promote, NoteKind::Rollback { to: 3 }, NoteKind::SetBack { to: 12 }] {
            let note = Note {
                kind,
                image: Some("web 2".to_owned()),
                version: Some("1%20".to_owned()),
                regions: vec!["eu-west-1".to_owned(), "local-2".to_owned()],
            };
            assert_eq!(Note::read(&note.text()), Some(note.clone()), "{}", note.text());
        }
        let bare = Note { kind: NoteKind::Promote, image: None, version: None, regions: Vec::new() };
        assert_eq!(bare.text(), "amiforge action=promote");
        assert_eq!(Note::read(&bare.text()), Some(bare));
    }

    #[test]
    fn descriptions_of_others_are_no_notes_and_a_long_one_has_no_regions() {
        for text in ["", "amiforge", "golden image", "amiforge action=rollback", "amiforge action=other to=1"]
        {
            assert_eq!(Note::read(text), None, "{text}");
        }
        let regions = (0..100).map(|n| format!("region-{n:010}")).collect();
        let note = Note { kind: NoteKind::Promote, image: None, version: None, regions };
        assert_eq!(note.text(), "amiforge action=promote");
        let hostile = Note::read("amiforge action=promote regions=a/../b,eu-west-1,,x\u{1b}").unwrap();
        assert_eq!(hostile.regions, ["eu-west-1"]);
    }
}
