//! Sharing of an AMI after its publication, and the reasons why an account cannot use it.
