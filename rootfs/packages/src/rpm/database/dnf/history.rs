//! The history of dnf 4, `history.sqlite`: one transaction that installed everything, and why each package was.
//!
//! libdnf, `libdnf/transaction`; the tables and columns are those of its schema 1.2. A table that nothing is in is written
//! too: libdnf makes missing files, but not missing tables.

use amiforge_formats::sqlite::{SqliteIndex, SqliteTable, SqliteValue, SqliteWriteError, write};
use amiforge_formats::time::Time;

use super::package::{DnfPackage, repositories};

/// The version of the schema.
pub(super) const SCHEMA: &[u8] = b"1.2";
/// A transaction, or a part of it, that is done.
const DONE: SqliteValue<'static> = SqliteValue::Integer(1);
/// The action that installs.
const INSTALL: SqliteValue<'static> = SqliteValue::Integer(1);
/// Installed because another package needs it.
pub(super) const DEPENDENCY: i64 = 1;
/// Installed because the recipe names it.
pub(super) const USER: i64 = 2;
/// An item that is an rpm package.
const RPM: SqliteValue<'static> = SqliteValue::Integer(0);

/// Tables that stay empty: name, columns, and the columns of what their constraints keep apart.
const EMPTY: [(&str, &str, &[&[usize]]); 7] = [
    (
        "console_output",
        "id INTEGER PRIMARY KEY, trans_id INTEGER REFERENCES trans(id), file_descriptor INTEGER NOT NULL, line TEXT NOT NULL",
        &[],
    ),
    (
        "item_replaced_by",
        "trans_item_id INTEGER REFERENCES trans_item(id), by_trans_item_id INTEGER REFERENCES trans_item(id), \
         PRIMARY KEY (trans_item_id, by_trans_item_id)",
        &[&[0, 1]],
    ),
    (
        "trans_with",
        "id INTEGER PRIMARY KEY AUTOINCREMENT, trans_id INTEGER REFERENCES trans(id), item_id INTEGER REFERENCES item(id), \
         CONSTRAINT trans_with_unique_trans_item UNIQUE (trans_id, item_id)",
        &[&[1, 2]],
    ),
    (
        "comps_group",
        "item_id INTEGER UNIQUE NOT NULL, groupid TEXT NOT NULL, name TEXT NOT NULL, translated_name TEXT NOT NULL, \
         pkg_types INTEGER NOT NULL, FOREIGN KEY(item_id) REFERENCES item(id)",
        &[&[0]],
    ),
    (
        "comps_group_package",
        "id INTEGER PRIMARY KEY AUTOINCREMENT, group_id INTEGER NOT NULL, name TEXT NOT NULL, installed INTEGER NOT NULL, \
         pkg_type INTEGER NOT NULL, FOREIGN KEY(group_id) REFERENCES comps_group(item_id), \
         CONSTRAINT comps_group_package_unique_name UNIQUE (group_id, name)",
        &[&[1, 2]],
    ),
    (
        "comps_environment",
        "item_id INTEGER UNIQUE NOT NULL, environmentid TEXT NOT NULL, name TEXT NOT NULL, translated_name TEXT NOT NULL, \
         pkg_types INTEGER NOT NULL, FOREIGN KEY(item_id) REFERENCES item(id)",
        &[&[0]],
    ),
    (
        "comps_environment_group",
        "id INTEGER PRIMARY KEY AUTOINCREMENT, environment_id INTEGER NOT NULL, groupid TEXT NOT NULL, installed INTEGER NOT NULL, \
         group_type INTEGER NOT NULL, FOREIGN KEY(environment_id) REFERENCES comps_environment(item_id), \
         CONSTRAINT comps_environment_group_unique_groupid UNIQUE (environment_id, groupid)",
        &[&[1, 2]],
    ),
];

/// Writes the history of packages that were all installed at a time.
pub(super) fn bytes_of(packages: &[DnfPackage], at: Time) -> Result<Vec<u8>, SqliteWriteError> {
    let mut tables = vec![transactions(at), sequence(packages.len()), origins(packages)];
    tables.extend(EMPTY.iter().take(1).map(empty));
    tables.extend([items(packages.len()), transaction_items(packages), rpms(packages)]);
    tables.extend(EMPTY.iter().skip(1).map(empty));
    tables.push(config());
    write(&tables)
}

/// Every table, without rows, in the order in which dnf makes them.
pub(super) fn schema() -> Vec<SqliteTable<'static>> {
    let mut tables = vec![transactions(Time::EPOCH), sequence(0), origins(&[])];
    tables.extend(EMPTY.iter().take(1).map(empty));
    tables.extend([items(0), transaction_items(&[]), rpms(&[])]);
    tables.extend(EMPTY.iter().skip(1).map(empty));
    tables.push(config());
    for table in &mut tables {
        table.rows.clear();
    }
    tables
}

fn integer(value: impl Into<i64>) -> SqliteValue<'static> {
    SqliteValue::Integer(value.into())
}

fn text(text: &str) -> SqliteValue<'_> {
    SqliteValue::Text(text.as_bytes())
}

fn table<'a>(name: &'a str, columns: &str, constraints: &[&[usize]]) -> SqliteTable<'a> {
    let index = |(number, columns): (usize, &&[usize])| SqliteIndex {
        name: format!("sqlite_autoindex_{name}_{}", number + 1),
        sql: None,
        columns: columns.to_vec(),
    };
    SqliteTable {
        name,
        sql: format!("CREATE TABLE {name}({columns})"),
        rows: Vec::new(),
        indexes: constraints.iter().enumerate().map(index).collect(),
    }
}

fn empty<'a>(row: &(&'static str, &'static str, &'static [&'static [usize]])) -> SqliteTable<'a> {
    table(row.0, row.1, row.2)
}

/// An index that dnf makes by a statement.
fn index(table: &str, column: &str, at: usize) -> SqliteIndex {
    let name = format!("{table}_{column}");
    SqliteIndex { sql: Some(format!("CREATE INDEX {name} ON {table}({column})")), name, columns: vec![at] }
}

fn numbered<'a>(rows: impl Iterator<Item = Vec<SqliteValue<'a>>>) -> Vec<(i64, Vec<SqliteValue<'a>>)> {
    (1..).zip(rows).collect()
}

fn transactions(at: Time) -> SqliteTable<'static> {
    let columns = "id INTEGER PRIMARY KEY AUTOINCREMENT, dt_begin INTEGER NOT NULL, dt_end INTEGER, rpmdb_version_begin TEXT, \
                   rpmdb_version_end TEXT, releasever TEXT NOT NULL, user_id INTEGER NOT NULL, cmdline TEXT, \
                   state INTEGER NOT NULL, comment TEXT DEFAULT ''";
    let time = integer(at.secs);
    let nothing = SqliteValue::Text(b"");
    // Versions of the database, release and command line are not known; the user is root.
    let row =
        vec![SqliteValue::Null, time, time, nothing, nothing, nothing, integer(0), nothing, DONE, nothing];
    SqliteTable { rows: vec![(1, row)], ..table("trans", columns, &[]) }
}

/// The highest numbers that were given to rows.
fn sequence(packages: usize) -> SqliteTable<'static> {
    let rows = [("trans", 1), ("trans_item", packages as i64)];
    let rows = numbered(rows.into_iter().map(|(name, highest)| vec![text(name), integer(highest)]));
    let sql = "CREATE TABLE sqlite_sequence(name,seq)".to_owned();
    SqliteTable { name: "sqlite_sequence", sql, rows, indexes: Vec::new() }
}

fn origins(packages: &[DnfPackage]) -> SqliteTable<'_> {
    let columns = "id INTEGER PRIMARY KEY, repoid TEXT NOT NULL";
    let rows = repositories(packages).into_keys().map(|name| vec![SqliteValue::Null, text(name)]);
    SqliteTable { rows: numbered(rows), ..table("repo", columns, &[]) }
}

fn items(count: usize) -> SqliteTable<'static> {
    let columns = "id INTEGER PRIMARY KEY, item_type INTEGER NOT NULL";
    let rows = (0..count).map(|_| vec![SqliteValue::Null, RPM]);
    SqliteTable { rows: numbered(rows), ..table("item", columns, &[]) }
}

fn transaction_items(packages: &[DnfPackage]) -> SqliteTable<'_> {
    let columns = "id INTEGER PRIMARY KEY AUTOINCREMENT, trans_id INTEGER REFERENCES trans(id), \
                   item_id INTEGER REFERENCES item(id), repo_id INTEGER REFERENCES repo(id), action INTEGER NOT NULL, \
                   reason INTEGER NOT NULL, state INTEGER NOT NULL";
    let repositories = repositories(packages);
    let rows = packages.iter().zip(1_i64..).map(|(package, item)| {
        let repository = repositories.get(package.repository.as_str()).copied().unwrap_or(0);
        let reason = integer(if package.is_wished { USER } else { DEPENDENCY });
        vec![SqliteValue::Null, integer(1), integer(item), integer(repository), INSTALL, reason, DONE]
    });
    SqliteTable {
        rows: numbered(rows),
        indexes: vec![index("trans_item", "trans_id", 1), index("trans_item", "item_id", 2)],
        ..table("trans_item", columns, &[])
    }
}

fn rpms(packages: &[DnfPackage]) -> SqliteTable<'_> {
    let columns = "item_id INTEGER UNIQUE NOT NULL, name TEXT NOT NULL, epoch INTEGER NOT NULL, version TEXT NOT NULL, \
                   release TEXT NOT NULL, arch TEXT NOT NULL, FOREIGN KEY(item_id) REFERENCES item(id), \
                   CONSTRAINT rpm_unique_nevra UNIQUE (name, epoch, version, release, arch)";
    let rows = packages.iter().zip(1_i64..).map(|(package, item)| {
        let identity = &package.identity;
        let release = identity.evr.release.as_deref().unwrap_or_default();
        vec![
            integer(item),
            text(&identity.name),
            integer(identity.evr.epoch.unwrap_or(0)),
            text(&identity.evr.version),
            text(release),
            text(&identity.arch),
        ]
    });
    let mut table = table("rpm", columns, &[&[0], &[1, 2, 3, 4, 5]]);
    table.rows = numbered(rows);
    table.indexes.push(index("rpm", "name", 1));
    table
}

fn config() -> SqliteTable<'static> {
    let row = vec![text("version"), SqliteValue::Text(SCHEMA)];
    SqliteTable {
        rows: vec![(1, row)],
        ..table("config", "key TEXT PRIMARY KEY, value TEXT NOT NULL", &[&[0]])
    }
}
