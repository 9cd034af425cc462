//! Channels: a named channel is an SSM parameter per region whose value is the id of an AMI.
