//! An account file: lines of fields separated by colons. Lines that are not changed are kept byte for byte, valid or not.
//! Knows no meaning of the fields, except that the first is a name.

use amiforge_formats::plan::Sources;
use amiforge_formats::time::Time;
use amiforge_formats::tree::Tree;

use amiforge_formats::path::{self, PathError};

/// An account file of a tree.
#[derive(Debug, Clone)]
pub(super) struct AccountTable {
    path: &'static str,
    lines: Vec<Vec<u8>>,
    /// Whether the tree has the file.
    pub(super) present: bool,
    changed: bool,
}

impl AccountTable {
    /// Reads the file; if it does not exist, the table is empty.
    pub(super) fn load(tree: &Tree, sources: &dyn Sources, path: &'static str) -> Result<Self, PathError> {
        let bytes = path::read(tree, sources, path.as_bytes())?;
        let present = bytes.is_some();
        let bytes = bytes.unwrap_or_default();
        let text = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
        let lines = if bytes.is_empty() {
            Vec::new()
        } else {
            text.split(|&byte| byte == b'\n').map(<[u8]>::to_vec).collect()
        };
        Ok(Self { path, lines, present, changed: false })
    }

    /// Whether [`Self::save`] will create the file.
    pub(super) fn is_new(&self) -> bool {
        !self.present && self.changed
    }

    /// All names, sorted.
    pub(super) fn names(&self) -> std::collections::BTreeSet<String> {
        self.rows().map(|row| self.text(row, 0).to_owned()).collect()
    }

    /// Path of the file.
    pub(super) fn path(&self) -> &'static str {
        self.path
    }

    /// The row of a name; the first if there are several, as in the C library.
    pub(super) fn find(&self, name: &str) -> Option<usize> {
        self.lines.iter().position(|line| line.split(|&byte| byte == b':').next() == Some(name.as_bytes()))
    }

    /// The first row whose field is this number.
    pub(super) fn find_number(&self, field: usize, number: u32) -> Option<usize> {
        (0..self.lines.len()).find(|&row| self.number(row, field) == Some(number))
    }

    /// All rows.
    pub(super) fn rows(&self) -> std::ops::Range<usize> {
        0..self.lines.len()
    }

    /// A field as text; empty if it does not exist or is not UTF-8.
    pub(super) fn text(&self, row: usize, field: usize) -> &str {
        let line = self.lines.get(row).and_then(|line| line.split(|&byte| byte == b':').nth(field));
        line.and_then(|field| std::str::from_utf8(field).ok()).unwrap_or_default()
    }

    /// A field as a number.
    pub(super) fn number(&self, row: usize, field: usize) -> Option<u32> {
        let text = self.text(row, field);
        // Unlike parse(), the programs that read these files accept no sign.
        text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
    }

    /// All numbers of a field, sorted.
    pub(super) fn numbers(&self, field: usize) -> std::collections::BTreeSet<u32> {
        self.rows().filter_map(|row| self.number(row, field)).collect()
    }

    /// Changes one field; a line with fewer fields is extended.
    pub(super) fn set(&mut self, row: usize, field: usize, value: &str) {
        let Some(line) = self.lines.get_mut(row) else { return };
        let mut fields: Vec<&[u8]> = line.split(|&byte| byte == b':').collect();
        if fields.len() <= field {
            fields.resize(field + 1, b"");
        }
        if let Some(slot) = fields.get_mut(field).filter(|slot| **slot != value.as_bytes()) {
            *slot = value.as_bytes();
            *line = fields.join(&b':');
            self.changed = true;
        }
    }

    /// Appends a line, before the lines that refer to a directory service (`+`).
    pub(super) fn push(&mut self, fields: &[&str]) {
        let at = self.lines.iter().position(|line| line.starts_with(b"+")).unwrap_or(self.lines.len());
        self.lines.insert(at, fields.join(":").into_bytes());
        self.changed = true;
    }

    /// Adds a name to a field that is a list separated by commas.
    pub(super) fn join(&mut self, row: usize, field: usize, name: &str) {
        let list = self.text(row, field);
        if list.split(',').any(|member| member == name) {
            return;
        }
        let list = if list.is_empty() { name.to_owned() } else { format!("{list},{name}") };
        self.set(row, field, &list);
    }

    /// Writes the file if a line changed.
    pub(super) fn save(&self, tree: &mut Tree, mode: u16, time: Time) -> Result<(), PathError> {
        if !self.changed {
            return Ok(());
        }
        let mut bytes = self.lines.join(&b'\n');
        bytes.push(b'\n');
        path::write(tree, self.path.as_bytes(), &bytes, mode, time)
    }
}
