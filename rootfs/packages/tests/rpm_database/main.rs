//! rpm's database as written here, judged by rpm, dnf and SQLite.

mod built;
mod distribution;
mod fixture;
mod real;
