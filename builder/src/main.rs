//! The `amiforge` program.
fn main() {}
