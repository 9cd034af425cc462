//! What is below the tree: volumes of our writers have nothing there, what is planted by computed offsets and by the tools
//! of others is found with its kind and owner, and no damage makes a survey panic.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests are outside test functions")]

mod disk;
mod erofs;
mod ext4;
mod fat;
mod fixture;
mod hostile;
