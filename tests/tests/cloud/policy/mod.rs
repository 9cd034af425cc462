//! The IAM policies that commands print: each is sufficient, and each of its actions is needed. One file for each
//! command.

mod channels;
mod fleet;
mod life;
mod publish;
