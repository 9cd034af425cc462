//! The IAM policies that commands print: each is sufficient, and each of its actions is needed. `every` has the commands with
//! the tests of their policies.

mod channels;
mod every;
mod fleet;
mod life;
mod publish;
mod published;
mod reading;
mod signing;
mod sources;
mod update;
mod upload;
