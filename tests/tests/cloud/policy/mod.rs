//! The IAM policies that commands print: each is sufficient, and each of its actions is needed. One file for each
//! command.

mod life;
mod publish;
