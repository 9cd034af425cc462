//! Numbers of users and groups and ranges of subordinate ids: which are free, and which one comes next. Knows the columns
//! of the account files, not what a recipe sets.
//!
//! Follows passwd(5), group(5), subuid(5) and the allocation of useradd(8).

use super::error::AccountError;
use super::spec::AccountClass;
use super::table::AccountTable;

/// Column of the user or group number in passwd(5) and group(5), counted from zero.
pub(super) const ID: usize = 2;

/// Column of the primary group in passwd(5).
pub(super) const PRIMARY_GROUP: usize = 3;

/// The user or group number of a name.
pub(super) fn number_of(table: &AccountTable, name: &str) -> Result<u32, AccountError> {
    let number = table.find(name).and_then(|row| table.number(row, ID));
    number.ok_or_else(|| AccountError::NoAccount { path: table.path(), name: name.to_owned() })
}

/// The number itself, if no account of the file has it; `id` is `uid` or `gid`.
pub(super) fn require_free(table: &AccountTable, id: &'static str, number: u32) -> Result<u32, AccountError> {
    // The highest one means "no change" to chown(2).
    if number == u32::MAX {
        return Err(AccountError::BadId { id, number });
    }
    match table.find_number(ID, number) {
        Some(row) => Err(AccountError::Taken { id, number, owner: table.text(row, 0).to_owned() }),
        None => Ok(number),
    }
}

/// The next free number of an inclusive range: the lowest for regular users, the highest for system users.
pub(super) fn allocate(
    table: &AccountTable,
    id: &'static str,
    (first, last): (u32, u32),
    class: AccountClass,
) -> Result<u32, AccountError> {
    let taken = table.numbers(ID);
    let free = match class {
        AccountClass::Regular => (first..=last).find(|number| !taken.contains(number)),
        AccountClass::System => (first..=last).rev().find(|number| !taken.contains(number)),
    };
    free.ok_or(AccountError::Full { id, first, last })
}

/// Adds a range of subordinate ids that overlaps no other; nothing happens where the user has exactly this range.
pub(super) fn add_range(
    table: &mut AccountTable,
    name: &str,
    start: u32,
    count: u32,
) -> Result<(), AccountError> {
    if count == 0 || start.checked_add(count - 1).is_none() {
        return Err(AccountError::BadRange { path: table.path(), start, count });
    }
    let last = start + (count - 1);
    for row in table.rows() {
        let Some((other, size)) = table.number(row, 1).zip(table.number(row, 2)) else { continue };
        if table.text(row, 0) == name && (other, size) == (start, count) {
            return Ok(());
        }
        if other <= last && u64::from(start) < u64::from(other) + u64::from(size) {
            let owner = table.text(row, 0).to_owned();
            return Err(AccountError::RangeTaken { path: table.path(), start, last, owner, other });
        }
    }
    table.push(&[name, &start.to_string(), &count.to_string()]);
    Ok(())
}

/// The lowest free range of `count` ids between `first` and `last`: its first id, and `count`.
pub(super) fn next_range(
    table: &AccountTable,
    (first, last, count): (u32, u32, u32),
) -> Result<(u32, u32), AccountError> {
    let ranges = table.rows().filter_map(|row| table.number(row, 1).zip(table.number(row, 2)));
    let mut taken: Vec<(u64, u64)> = ranges.map(|(start, size)| (start.into(), size.into())).collect();
    taken.sort_unstable();
    let mut start = u64::from(first);
    for (other, size) in taken {
        if other < start + u64::from(count) {
            start = start.max(other + size);
        }
    }
    match u32::try_from(start) {
        Ok(start) if u64::from(start) + u64::from(count) <= u64::from(last) + 1 => Ok((start, count)),
        _ => Err(AccountError::Full { id: table.path(), first, last }),
    }
}
