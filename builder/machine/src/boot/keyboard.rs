//! The keyboard of a launch on a terminal: each key is sent to the guest immediately, except Ctrl-C, which ends the
//! launch.

use std::io::{self, IsTerminal as _, Read as _, Write};

use rustix::termios::{InputModes, LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

/// A terminal in raw mode, restored on drop.
#[derive(Debug)]
pub struct Keyboard {
    original: Termios,
}

impl Keyboard {
    /// Sets the terminal on standard input to raw mode, if it is a terminal.
    pub fn open() -> Option<Self> {
        let stdin = io::stdin();
        if !stdin.is_terminal() {
            return None;
        }
        let original = tcgetattr(&stdin).ok()?;
        let mut raw = original.clone();
        raw.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO | LocalModes::IEXTEN);
        raw.input_modes.remove(InputModes::ICRNL | InputModes::IXON);
        tcsetattr(&stdin, OptionalActions::Now, &raw).ok()?;
        Some(Self { original })
    }

    /// Forwards all keys in a thread that ends with the program.
    pub fn forward_to(&self, mut guest: impl Write + Send + 'static) {
        std::thread::spawn(move || {
            let mut keys = [0; 256];
            while let Ok(count) = io::stdin().read(&mut keys) {
                let sent =
                    guest.write_all(keys.get(..count).unwrap_or_default()).and_then(|()| guest.flush());
                if count == 0 || sent.is_err() {
                    return;
                }
            }
        });
    }
}

impl Drop for Keyboard {
    fn drop(&mut self) {
        // The terminal may no longer exist.
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.original);
    }
}
