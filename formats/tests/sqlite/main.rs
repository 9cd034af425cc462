//! SQLite databases: what the writer writes is judged by SQLite itself, what SQLite writes is read, and bytes that lie are
//! refused.

mod fixture;
mod hostile;
mod oracle;
