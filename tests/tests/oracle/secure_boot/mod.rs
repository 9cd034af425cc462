//! Secure Boot: signatures that openssl and a token made, judged by sbverify, osslsigncode and pesign; the variables judged
//! by python-uefivars and virt-firmware.

mod policies;
mod refusals;
mod signers;
mod variables;
mod verifiers;
