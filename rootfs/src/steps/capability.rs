//! Encodes file capabilities: from the text of setcap(8) to the bytes of `security.capability`, version 2. Knows no files.
//!
//! Follows the *Textual representation* of `cap_from_text(3)` and `struct vfs_cap_data` of `linux/capability.h`.

/// The capabilities of Linux 6.x, by number. `all` means these, whichever the kernel of the build host has.
const NAMES: [&str; 41] = [
    "chown",
    "dac_override",
    "dac_read_search",
    "fowner",
    "fsetid",
    "kill",
    "setgid",
    "setuid",
    "setpcap",
    "linux_immutable",
    "net_bind_service",
    "net_broadcast",
    "net_admin",
    "net_raw",
    "ipc_lock",
    "ipc_owner",
    "sys_module",
    "sys_rawio",
    "sys_chroot",
    "sys_ptrace",
    "sys_pacct",
    "sys_admin",
    "sys_boot",
    "sys_nice",
    "sys_resource",
    "sys_time",
    "sys_tty_config",
    "mknod",
    "lease",
    "audit_write",
    "audit_control",
    "setfcap",
    "mac_override",
    "mac_admin",
    "syslog",
    "wake_alarm",
    "block_suspend",
    "audit_read",
    "perfmon",
    "bpf",
    "checkpoint_restore",
];

/// `VFS_CAP_REVISION_2`
const REVISION_2: u32 = 0x0200_0000;

/// `VFS_CAP_FLAGS_EFFECTIVE`
const EFFECTIVE: u32 = 1;

/// Why a text is not valid file capabilities.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CapabilityError {
    /// A clause is not names followed by `=`, `+` or `-` with flags.
    #[error("`{}` is not a clause such as `cap_net_raw+ep`", clause.escape_debug())]
    Clause {
        /// The clause.
        clause: String,
    },
    /// Linux has no capability of that name.
    #[error("`{}` is not a capability of Linux", name.escape_debug())]
    Name {
        /// The name.
        name: String,
    },
    /// A file has a single effective flag for all its capabilities.
    #[error("a file makes all its capabilities effective or none: `e` on some of those with `p` or `i` only")]
    Effective,
    /// The text is empty.
    #[error("no capability is given")]
    Empty,
}

/// The three sets, a bit for each capability.
#[derive(Debug, Clone, Copy, Default)]
struct Sets {
    effective: u64,
    permitted: u64,
    inheritable: u64,
}

/// The value of `security.capability` for a text.
///
/// # Errors
/// [`CapabilityError`].
pub fn from_text(text: &str) -> Result<Vec<u8>, CapabilityError> {
    let mut sets = Sets::default();
    let mut clauses = text.split_ascii_whitespace().peekable();
    if clauses.peek().is_none() {
        return Err(CapabilityError::Empty);
    }
    clauses.try_for_each(|text| apply_clause(&mut sets, text))?;
    let held = sets.permitted | sets.inheritable;
    if sets.effective != 0 && sets.effective != held {
        return Err(CapabilityError::Effective);
    }
    let flag = if sets.effective == 0 { 0 } else { EFFECTIVE };
    let halves = |shift: u32| [(sets.permitted >> shift) as u32, (sets.inheritable >> shift) as u32];
    let fields = std::iter::once(REVISION_2 | flag).chain(halves(0)).chain(halves(32));
    Ok(fields.flat_map(u32::to_le_bytes).collect())
}

/// Applies one clause: names, then one or more pairs of an operator and flags.
fn apply_clause(sets: &mut Sets, text: &str) -> Result<(), CapabilityError> {
    let bad = || CapabilityError::Clause { clause: text.to_owned() };
    let operators = ['=', '+', '-'];
    let at = text.find(operators).ok_or_else(bad)?;
    let (names, mut rest) = text.split_at(at);
    // Without names, `=` means all capabilities.
    let bits = match names {
        "" if rest.starts_with('=') => all_bits(),
        "" => return Err(bad()),
        _ => names.split(',').try_fold(0, |bits, name| Ok(bits | bits_of(name)?))?,
    };
    let mut first = true;
    while let Some(operator) = rest.chars().next() {
        let tail = rest.get(1..).unwrap_or_default();
        let (flags, next) = tail.split_at(tail.find(operators).unwrap_or(tail.len()));
        if flags.chars().any(|flag| !"eip".contains(flag)) || (operator == '=' && !first) {
            return Err(bad());
        }
        if operator != '=' && flags.is_empty() {
            return Err(bad());
        }
        for (set, flag) in
            [(&mut sets.effective, 'e'), (&mut sets.permitted, 'p'), (&mut sets.inheritable, 'i')]
        {
            match (operator, flags.contains(flag)) {
                ('=' | '+', true) => *set |= bits,
                ('=', false) | ('-', true) => *set &= !bits,
                _ => {}
            }
        }
        rest = next;
        first = false;
    }
    Ok(())
}

fn all_bits() -> u64 {
    (1 << NAMES.len()) - 1
}

fn bits_of(name: &str) -> Result<u64, CapabilityError> {
    let lower = name.to_ascii_lowercase();
    if lower == "all" {
        return Ok(all_bits());
    }
    let number = lower.strip_prefix("cap_").and_then(|stem| NAMES.iter().position(|known| *known == stem));
    number.map(|number| 1 << number).ok_or_else(|| CapabilityError::Name { name: name.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::steps::testing::{oracle, skip};

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat()
    }

    #[test]
    fn texts_are_encoded_as_the_kernel_stores_them() {
        assert_eq!(hex(&from_text("cap_net_raw+ep").unwrap()), "0100000200200000000000000000000000000000");
        assert_eq!(
            hex(&from_text("cap_checkpoint_restore=p").unwrap()),
            "0000000200000000000000000001000000000000"
        );
        assert_eq!(from_text("CAP_NET_RAW=ep"), from_text("cap_net_raw+e cap_net_raw+p"));
    }

    #[test]
    fn invalid_texts_are_refused() {
        for text in [
            "",
            " ",
            "cap_net_raw",
            "cap_nothing+ep",
            "+ep",
            "cap_net_raw+",
            "cap_net_raw+x",
            "cap_net_raw,+p",
            "cap_chown+p cap_kill+ep",
            "cap_chown=p=e",
            "net_raw+p",
            "cap_net_raw+e",
        ] {
            assert!(from_text(text).is_err(), "{text}");
        }
    }

    #[test]
    fn setcap_writes_the_same() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().display().to_string();
        for text in [
            "cap_net_raw+ep",
            "cap_net_raw,cap_net_admin=eip",
            "cap_setuid=p cap_setgid+i",
            "cap_sys_admin+ep cap_kill+ep cap_sys_admin-ep",
            "cap_chown=p+e",
            "cap_chown,cap_kill=ep cap_kill-ep cap_bpf+ep",
        ] {
            let Some(output) = oracle("setcap", &[text, &path]) else { return };
            if !output.status.success() {
                return skip("setcap needs CAP_SETFCAP and a file system with attributes");
            }
            let mut value = [0; 64];
            let len = rustix::fs::getxattr(file.path(), "security.capability", &mut value).unwrap();
            assert_eq!(hex(&from_text(text).unwrap()), hex(&value[..len]), "{text}");
        }
    }
}
