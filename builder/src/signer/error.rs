//! Why a key does not sign. No error holds a byte of a key or a PIN.

use std::io;
use std::path::PathBuf;

/// Why a key does not sign.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignerError {
    /// The location of the key cannot be read as one.
    #[error("{reason}")]
    Uri {
        /// What is wrong.
        reason: String,
    },
    /// A file cannot be read.
    #[error("reading `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is no key.
    #[error("`{}` holds no RSA private key of 2048 to 4096 bits in PEM or DER", path.display())]
    NotAKey {
        /// The file.
        path: PathBuf,
    },
    /// The key is protected by a passphrase.
    #[error("the key in `{}` is encrypted", path.display())]
    Encrypted {
        /// The file.
        path: PathBuf,
    },
    /// The key refused.
    #[error("the key in `{}` does not sign", path.display())]
    Sign {
        /// The file.
        path: PathBuf,
    },
    /// There is no PIN for the token.
    #[error("the token needs a PIN, and none is given")]
    NoPin,
    /// A program is not installed.
    #[error("`{program}`, which talks to tokens, is not installed")]
    NoTool {
        /// The program.
        program: &'static str,
    },
    /// A program failed.
    #[error("`{program}` ended with {status}: {message}")]
    Tool {
        /// The program.
        program: &'static str,
        /// Its exit status.
        status: String,
        /// The last line that it wrote, printable.
        message: String,
    },
    /// Files for a program cannot be written or read.
    #[error("handing a request to `{program}`")]
    Exchange {
        /// The program.
        program: &'static str,
        /// Why.
        source: io::Error,
    },
}
