//! Parameters of SSM that hold the id of an AMI (API version 2014-11-06).
