//! The services of a region. Each parses its requests, changes the state, and writes its responses and errors
//! in its own format. They know the state and the transport, but not the router.

pub(crate) mod autoscaling;
pub(crate) mod ebs;
pub(crate) mod ec2;
pub(crate) mod failure;
pub(crate) mod form;
pub(crate) mod json;
pub(crate) mod kms;
mod query_errors;
pub(crate) mod rbin;
pub(crate) mod s3;
pub(crate) mod ssm;
pub(crate) mod sts;
pub(crate) mod xml;
