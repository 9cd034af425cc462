//! Keys and signatures, judged by ssh-keygen, ssh-agent and openssl.

#![allow(missing_docs, reason = "a test")]

mod agent;
mod forms;
mod mutations;
mod oracle;
mod policies;
mod signatures;
mod token;
