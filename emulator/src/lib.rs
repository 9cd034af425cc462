//! The local region: an AWS-compatible region on this machine. Empty until publishing is built.
