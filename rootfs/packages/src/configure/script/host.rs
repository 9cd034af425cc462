//! The interface between the interpreter of a script and the effects of its commands.

/// Whether something holds, as far as can be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Truth {
    /// It does: exit status 0.
    Yes,
    /// It does not: another exit status.
    No,
    /// That cannot be known.
    Unknown,
}

impl Truth {
    /// From a certain value.
    pub(crate) fn of(holds: bool) -> Self {
        if holds { Self::Yes } else { Self::No }
    }

    /// The opposite.
    pub(crate) fn not(self) -> Self {
        match self {
            Self::Yes => Self::No,
            Self::No => Self::Yes,
            Self::Unknown => Self::Unknown,
        }
    }
}

/// Bytes, or none where they cannot be known.
pub(crate) type Value = Option<Vec<u8>>;

/// Why a command was not followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StopReason {
    /// It is not among the commands whose effects are known.
    Unknown,
    /// It is known, but not with these arguments.
    Argument,
    /// Whether it runs depends on what cannot be known: this condition.
    Undecided(String),
    /// It is known and left out.
    LeftOut(&'static str),
}

/// The effect of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CommandEffect {
    /// Its exit status.
    pub(crate) status: Truth,
    /// Its output.
    pub(crate) output: Value,
    /// Why it was not done, if it was not.
    pub(crate) skipped: Option<StopReason>,
}

impl CommandEffect {
    /// Done, or a question answered, without output.
    pub(crate) fn status(status: Truth) -> Self {
        Self { status, output: Some(Vec::new()), skipped: None }
    }

    /// Done.
    pub(crate) fn done() -> Self {
        Self::status(Truth::Yes)
    }

    /// Succeeds and prints a text.
    pub(crate) fn prints(output: impl Into<Vec<u8>>) -> Self {
        Self { status: Truth::Yes, output: Some(output.into()), skipped: None }
    }

    /// A question whose answer is not known; nothing is missed by not asking it.
    pub(crate) fn unknown() -> Self {
        Self { status: Truth::Unknown, output: None, skipped: None }
    }

    /// Not done.
    pub(crate) fn skipped(why: StopReason) -> Self {
        Self { status: Truth::Unknown, output: None, skipped: Some(why) }
    }

    /// Known and left out, but taken to have succeeded without output.
    pub(crate) fn left_out(why: &'static str) -> Self {
        Self { status: Truth::Yes, output: Some(Vec::new()), skipped: Some(StopReason::LeftOut(why)) }
    }
}

/// Does what commands do.
pub(crate) trait Host {
    /// A command with its arguments, and what it reads from its input where that is known.
    fn call(&mut self, name: &[u8], args: &[Value], input: Option<&[u8]>) -> CommandEffect;

    /// Whether a command changes nothing, whatever its arguments.
    fn is_inert(&self, name: &[u8]) -> bool;

    /// The paths that a pattern matches, sorted.
    fn glob(&self, pattern: &[u8]) -> Vec<Vec<u8>>;

    /// Writes what a command printed to a file, or adds it to the file.
    fn redirect(&mut self, path: &[u8], bytes: &[u8], append: Append) -> CommandEffect;
}

/// Whether a redirection keeps what is in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Append {
    /// `>>`
    Keep,
    /// `>`
    Replace,
}
