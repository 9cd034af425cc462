//! `amiforge follow` against a local region; everything is read back by boto3.

mod ends;
mod faults;
mod fixture;
mod groups;
