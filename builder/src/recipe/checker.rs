//! Collects the mistakes in the values of a recipe. Knows no key.

use std::path::{Path, PathBuf};

use super::diagnostic::{KeyPart, KeyPath, UnlocatedDiagnostic};

/// Collects mistakes while values are turned into specs.
#[derive(Debug)]
pub(super) struct Checker<'a> {
    findings: Vec<UnlocatedDiagnostic>,
    folder: &'a Path,
}

impl<'a> Checker<'a> {
    /// No mistakes yet. Paths of the recipe are relative to `folder`.
    pub(super) fn new(folder: &'a Path) -> Self {
        Self { findings: Vec::new(), folder }
    }

    /// All mistakes, not yet located.
    pub(super) fn into_findings(self) -> Vec<UnlocatedDiagnostic> {
        self.findings
    }

    /// Records an invalid value at `at`.
    pub(super) fn reject(&mut self, at: KeyPath, message: impl Into<String>) {
        self.findings.push((at, KeyPart::Value, message.into()));
    }

    /// Records a key at `at` that is not allowed there.
    pub(super) fn reject_key(&mut self, at: KeyPath, message: impl Into<String>) {
        self.findings.push((at, KeyPart::Key, message.into()));
    }

    /// The value, or `None` and a recorded mistake.
    pub(super) fn accept<T>(&mut self, at: KeyPath, value: Result<T, String>) -> Option<T> {
        value.map_err(|message| self.reject(at, message)).ok()
    }

    /// Parses an optional value.
    pub(super) fn accept_optional<T>(
        &mut self,
        at: KeyPath,
        text: Option<&String>,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        text.and_then(|text| self.accept(at, parse(text)))
    }

    /// Joins a path to the recipe's folder.
    pub(super) fn host_path(&mut self, at: KeyPath, text: &str) -> PathBuf {
        if text.is_empty() || text.contains('\0') {
            self.reject(at, "an empty path names no file");
        }
        self.folder.join(text)
    }
}
