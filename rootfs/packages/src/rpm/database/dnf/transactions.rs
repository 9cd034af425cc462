//! The history of dnf 4 as a system has it, and a further transaction in it.
//!
//! libdnf, `libdnf/transaction/Types.hpp` (`TransactionItemAction`, `TransactionItemReason`).

use std::collections::BTreeMap;

use amiforge_formats::sqlite::{SqliteError, SqliteFile, SqliteValue, SqliteWriteError, write};
use amiforge_formats::time::Time;

use super::history::{self, SCHEMA};
use super::package::{DnfChange, DnfPackage};
use crate::rpm::database::identity::HeaderIdentity;

/// What became of a package.
mod action {
    pub(super) const INSTALL: i64 = 1;
    pub(super) const OBSOLETED: i64 = 5;
    pub(super) const UPGRADE: i64 = 6;
    pub(super) const UPGRADED: i64 = 7;
    pub(super) const REMOVE: i64 = 8;
    pub(super) const REASON_CHANGE: i64 = 11;
    /// Those of packages that others take the place of: not what the package is there for.
    pub(super) const REPLACED: [i64; 4] = [3, OBSOLETED, UPGRADED, 10];
}

/// Nobody knows why it is there.
const UNKNOWN: i64 = 0;
/// Another package recommends it.
const WEAK: i64 = 4;
/// The repository of what is installed.
const SYSTEM: &str = "@System";

/// A value of a row that is kept.
#[derive(Debug, Clone, PartialEq)]
enum DnfCell {
    Null,
    Integer(i64),
    Real(f64),
    Text(Vec<u8>),
    Blob(Vec<u8>),
}

impl DnfCell {
    fn of(value: SqliteValue<'_>) -> Self {
        match value {
            SqliteValue::Null => Self::Null,
            SqliteValue::Integer(number) => Self::Integer(number),
            SqliteValue::Real(number) => Self::Real(number),
            SqliteValue::Text(text) => Self::Text(text.to_vec()),
            SqliteValue::Blob(bytes) => Self::Blob(bytes.to_vec()),
        }
    }

    fn value(&self) -> SqliteValue<'_> {
        match self {
            Self::Null => SqliteValue::Null,
            Self::Integer(number) => SqliteValue::Integer(*number),
            Self::Real(number) => SqliteValue::Real(*number),
            Self::Text(text) => SqliteValue::Text(text),
            Self::Blob(bytes) => SqliteValue::Blob(bytes),
        }
    }

    fn text(text: &str) -> Self {
        Self::Text(text.as_bytes().to_vec())
    }

    fn number(&self) -> Option<i64> {
        match self {
            Self::Integer(number) => Some(*number),
            _ => None,
        }
    }
}

/// Rows by their numbers.
type DnfRows = BTreeMap<i64, Vec<DnfCell>>;

/// A history: rows by table.
#[derive(Debug)]
pub(super) struct DnfHistory {
    tables: BTreeMap<String, DnfRows>,
}

/// Why a package is there, and its item.
#[derive(Debug, Clone, Copy)]
struct KnownReason {
    item: i64,
    reason: i64,
}

impl DnfHistory {
    /// Reads a history; none where its schema is another one than is written.
    pub(super) fn read(bytes: &[u8]) -> Result<Option<Self>, SqliteError> {
        let file = SqliteFile::open(bytes, 0, 0)?;
        let mut tables = BTreeMap::new();
        let found = file.tables()?;
        let known = history::schema();
        if found.iter().any(|table| !known.iter().any(|one| one.name == table.name)) {
            return Ok(None);
        }
        for table in found {
            let mut rows = DnfRows::new();
            for row in file.rows(table.root) {
                let row = row?;
                rows.insert(row.row, (0..row.len()).map(|column| DnfCell::of(row.value(column))).collect());
            }
            tables.insert(table.name, rows);
        }
        let history = Self { tables };
        let mut settings = history.rows("config");
        let is_known = settings.any(|(_, row)| {
            row.first() == Some(&DnfCell::text("version"))
                && row.get(1) == Some(&DnfCell::Text(SCHEMA.to_vec()))
        });
        drop(settings);
        Ok(is_known.then_some(history))
    }

    /// The bytes of its file.
    pub(super) fn bytes(&self) -> Result<Vec<u8>, SqliteWriteError> {
        let mut tables = history::schema();
        for table in &mut tables {
            let rows = self.rows(table.name);
            table.rows =
                rows.map(|(number, row)| (*number, row.iter().map(DnfCell::value).collect())).collect();
        }
        write(&tables)
    }

    fn rows(&self, table: &str) -> impl Iterator<Item = (&i64, &Vec<DnfCell>)> {
        self.tables.get(table).into_iter().flatten()
    }

    /// Adds a row; gives its number.
    fn push(&mut self, table: &str, row: Vec<DnfCell>) -> i64 {
        let counted =
            self.rows("sqlite_sequence").find(|(_, row)| row.first() == Some(&DnfCell::text(table)));
        let counted = counted.map(|(number, row)| (*number, row.get(1).and_then(DnfCell::number)));
        let last = self.tables.get(table).and_then(|rows| rows.keys().next_back()).copied().unwrap_or(0);
        let number = last.max(counted.and_then(|(_, highest)| highest).unwrap_or(0)).saturating_add(1);
        self.tables.entry(table.to_owned()).or_default().insert(number, row);
        if matches!(table, "trans" | "trans_item") {
            let sequence = self.tables.entry("sqlite_sequence".to_owned()).or_default();
            let next = sequence.keys().next_back().map_or(1, |last| last.saturating_add(1));
            let at = counted.map_or(next, |(at, _)| at);
            sequence.insert(at, vec![DnfCell::text(table), DnfCell::Integer(number)]);
        }
        number
    }

    /// Adds a transaction; whether there was anything to add.
    pub(super) fn add(&mut self, change: &DnfChange, at: Time) -> bool {
        let reasons = self.reasons();
        let depends = |known: &KnownReason| matches!(known.reason, history::DEPENDENCY | WEAK);
        let wished =
            reasons.iter().filter(|((name, _), known)| change.wished.contains(name) && depends(known));
        let wished: Vec<i64> = wished.map(|(_, known)| known.item).collect();
        let DnfChange { added, erased, replaced, .. } = change;
        if added.is_empty() && erased.is_empty() && replaced.is_empty() && wished.is_empty() {
            return false;
        }
        let transaction = self.transaction(at);
        let reason = |one: &HeaderIdentity| {
            reasons.get(&(one.name.clone(), one.arch.clone())).map_or(UNKNOWN, |known| known.reason)
        };
        let mut upgrades = BTreeMap::new();
        for DnfPackage { identity, is_wished, repository } in added {
            let is_upgrade = replaced.iter().any(|old| old.name == identity.name);
            let why = match (is_wished, is_upgrade) {
                (true, _) => history::USER,
                (false, true) => reason(identity),
                (false, false) => history::DEPENDENCY,
            };
            let what = if is_upgrade { action::UPGRADE } else { action::INSTALL };
            let item = self.item(identity);
            let row = self.transaction_item(transaction, item, repository, (what, why));
            upgrades.insert(identity.name.as_str(), row);
        }
        for old in replaced {
            let by = upgrades.get(old.name.as_str()).copied();
            let what = if by.is_some() { action::UPGRADED } else { action::OBSOLETED };
            let item = self.item(old);
            let row = self.transaction_item(transaction, item, SYSTEM, (what, reason(old)));
            if let Some(by) = by {
                self.push("item_replaced_by", vec![DnfCell::Integer(row), DnfCell::Integer(by)]);
            }
        }
        for old in erased {
            let item = self.item(old);
            self.transaction_item(transaction, item, SYSTEM, (action::REMOVE, reason(old)));
        }
        for item in wished {
            self.transaction_item(transaction, item, SYSTEM, (action::REASON_CHANGE, history::USER));
        }
        true
    }

    fn transaction(&mut self, at: Time) -> i64 {
        let (time, nothing) = (DnfCell::Integer(at.secs), DnfCell::text(""));
        let of_nothing = || nothing.clone();
        let row = vec![
            DnfCell::Null,
            time.clone(),
            time,
            of_nothing(),
            of_nothing(),
            of_nothing(),
            DnfCell::Integer(0),
            of_nothing(),
            DnfCell::Integer(1),
            of_nothing(),
        ];
        self.push("trans", row)
    }

    /// The number of a package's item, which is made where there is none.
    fn item(&mut self, package: &HeaderIdentity) -> i64 {
        let evr = &package.evr;
        let identity = [
            DnfCell::text(&package.name),
            DnfCell::Integer(evr.epoch.unwrap_or(0).into()),
            DnfCell::text(&evr.version),
            DnfCell::text(evr.release.as_deref().unwrap_or_default()),
            DnfCell::text(&package.arch),
        ];
        let known = self.rows("rpm").find(|(_, row)| row.get(1..) == Some(&identity[..]));
        if let Some(item) = known.and_then(|(_, row)| row.first()?.number()) {
            return item;
        }
        let item = self.push("item", vec![DnfCell::Null, DnfCell::Integer(0)]);
        let row = [DnfCell::Integer(item)].into_iter().chain(identity).collect();
        self.push("rpm", row);
        item
    }

    fn transaction_item(&mut self, transaction: i64, item: i64, repository: &str, why: (i64, i64)) -> i64 {
        let name = DnfCell::text(repository);
        let known = self.rows("repo").find(|(_, row)| row.get(1) == Some(&name)).map(|(number, _)| *number);
        let repository = match known {
            Some(number) => number,
            None => self.push("repo", vec![DnfCell::Null, name]),
        };
        let numbers = [transaction, item, repository, why.0, why.1, 1];
        let row = [DnfCell::Null].into_iter().chain(numbers.map(DnfCell::Integer)).collect();
        self.push("trans_item", row)
    }

    /// Why each package, by name and architecture, is or was there: what the last transaction says.
    fn reasons(&self) -> BTreeMap<(String, String), KnownReason> {
        let text = |cell: &DnfCell| match cell {
            DnfCell::Text(text) => String::from_utf8_lossy(text).into_owned(),
            _ => String::new(),
        };
        let names: BTreeMap<i64, (String, String)> = self
            .rows("rpm")
            .filter_map(|(_, row)| Some((row.first()?.number()?, (text(row.get(1)?), text(row.get(5)?)))))
            .collect();
        let mut reasons = BTreeMap::new();
        for (_, row) in self.rows("trans_item") {
            let number = |column: usize| row.get(column).and_then(DnfCell::number);
            let (Some(item), Some(what), Some(reason)) = (number(2), number(4), number(5)) else { continue };
            if let Some(name) = names.get(&item).filter(|_| !action::REPLACED.contains(&what)) {
                reasons.insert(name.clone(), KnownReason { item, reason });
            }
        }
        reasons
    }
}
