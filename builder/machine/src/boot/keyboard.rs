//! The keyboard of a launch on a terminal: keys go to the guest as they are pressed, all but Ctrl-C, which ends it.

use std::io::{self, IsTerminal as _, Read as _, Write};

use rustix::termios::{InputModes, LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

/// The terminal, passing on every key until dropped.
#[derive(Debug)]
pub struct Keyboard {
    original: Termios,
}

impl Keyboard {
    /// Takes the terminal on standard input, if there is one.
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

    /// Passes every key on, in a thread that lives as long as the program.
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
        // The terminal may be gone.
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.original);
    }
}
