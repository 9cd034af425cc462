//! Id mappings: the ids of the host that the ids 0..65536 of a sandbox are mapped to. Root takes a range that no user
//! has; other users need a subordinate range in `/etc/subuid` and `/etc/subgid` (`subuid(5)`, `newuidmap(1)`,
//! `user_namespaces(7)`). The ids in the sandbox's files are the same in every case.

use std::fs;
use std::process::Command;

use super::SandboxError;

/// Ids that a sandbox has, from 0 on.
pub(super) const IDS: u32 = 65_536;

/// First id of the range that root uses: above those that distributions give to users, below those that some programs
/// treat as negative.
const ROOT_RANGE: u64 = 1_610_612_736;

/// How the ids of a sandbox are mapped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ids {
    /// Not at all, without a user namespace: for root where user namespaces are not allowed.
    Unmapped,
    /// By root, which writes the maps itself; the first id.
    Root(u64),
    /// By the programs of `uidmap`; the first ids.
    Subordinate { uids: u64, gids: u64 },
}

impl Ids {
    /// The mappings to try, the best first; none where too few ids are available.
    ///
    /// # Errors
    /// [`SandboxError::Subordinate`].
    pub(super) fn candidates() -> Result<Vec<Self>, SandboxError> {
        let uid = rustix::process::geteuid().as_raw();
        if uid != 0 {
            return Self::subordinate(uid).map(|ids| vec![ids]);
        }
        let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
        let root = [ROOT_RANGE, 0].into_iter().find(|&start| covers(&map, start)).map(Self::Root);
        // Unmapped, the sandbox has the ids of this namespace, which must have all of 0..65536.
        let unmapped = covers(&map, 0).then_some(Self::Unmapped);
        Ok(root.into_iter().chain(unmapped).collect())
    }

    fn subordinate(uid: u32) -> Result<Self, SandboxError> {
        let user = user_name(uid);
        let range = |file: &'static str, kind| {
            let text = fs::read_to_string(file).unwrap_or_default();
            find_range(&text, &user, uid).map_err(|found| SandboxError::Subordinate {
                user: user.clone(),
                kind,
                found,
                needed: IDS.into(),
                file,
            })
        };
        Ok(Self::Subordinate { uids: range("/etc/subuid", "uids")?, gids: range("/etc/subgid", "gids")? })
    }

    /// Writes the id maps of a process in a new user namespace.
    pub(super) fn map(&self, pid: u32) -> Result<(), SandboxError> {
        match self {
            Self::Unmapped => Ok(()),
            Self::Root(start) => {
                for map in ["uid_map", "gid_map"] {
                    let written = fs::write(format!("/proc/{pid}/{map}"), format!("0 {start} {IDS}\n"));
                    written.map_err(|error| forbidden("mapping ids", &error))?;
                }
                Ok(())
            }
            Self::Subordinate { uids, gids } => {
                run_mapper("newuidmap", pid, *uids)?;
                run_mapper("newgidmap", pid, *gids)
            }
        }
    }
}

/// The error for an operation that the system does not allow.
pub(super) fn forbidden(what: &str, reason: &std::io::Error) -> SandboxError {
    SandboxError::Forbidden { what: what.to_owned(), reason: reason.to_string() }
}

/// Whether a map (`uid_map`) has all ids of a sandbox from `start` on, so that they can be mapped from this namespace.
fn covers(map: &str, start: u64) -> bool {
    map.lines().any(|line| {
        let mut fields = line.split_ascii_whitespace().map(|field| field.parse::<u64>().unwrap_or(0));
        let (inside, _, count) = (fields.next(), fields.next(), fields.next());
        let (Some(inside), Some(count)) = (inside, count) else { return false };
        inside <= start && start.saturating_add(IDS.into()) <= inside.saturating_add(count)
    })
}

/// The first id of the first range that is long enough, or else the length of the longest range.
fn find_range(text: &str, user: &str, uid: u32) -> Result<u64, u64> {
    let number = uid.to_string();
    let mut longest = 0;
    for line in text.lines() {
        let mut fields = line.split(':');
        let owner = fields.next().unwrap_or_default();
        if owner != user && owner != number {
            continue;
        }
        let mut range = fields.map(|field| field.trim().parse::<u64>().ok());
        if let (Some(Some(start)), Some(Some(count))) = (range.next(), range.next()) {
            if count >= IDS.into() {
                return Ok(start);
            }
            longest = longest.max(count);
        }
    }
    Err(longest)
}

/// The user's name, or the uid where `/etc/passwd` has none.
fn user_name(uid: u32) -> String {
    let accounts = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let found = accounts.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == uid.to_string()).then(|| name.to_owned())
    });
    found.unwrap_or_else(|| uid.to_string())
}

fn run_mapper(program: &'static str, pid: u32, start: u64) -> Result<(), SandboxError> {
    let arguments = [pid.to_string(), "0".to_owned(), start.to_string(), IDS.to_string()];
    let run = Command::new(program).args(arguments).output();
    let message = match run {
        Ok(run) if run.status.success() => return Ok(()),
        Ok(run) => String::from_utf8_lossy(&run.stderr).trim().to_owned(),
        Err(error) => error.to_string(),
    };
    Err(SandboxError::Mapper { program, message })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_found_by_name_or_number_and_must_be_long_enough() {
        let text = "other:100000:65536\nme:200000:1000\n1000:300000:65536\n";
        assert_eq!(find_range(text, "me", 1000), Ok(300_000));
        assert_eq!(find_range(text, "me", 7), Err(1000));
        assert_eq!(find_range("broken\nme:x:y\n", "me", 7), Err(0));
    }

    #[test]
    fn a_range_must_be_in_the_map_of_the_current_namespace() {
        assert!(covers("         0          0 4294967295\n", ROOT_RANGE));
        assert!(!covers("0 100000 65536\n", ROOT_RANGE));
        assert!(covers("0 100000 65536\n", 0));
        assert!(!covers("0 1000 1\n", 0));
    }
}
