//! Which ids of the host stand for the ids 0..65536 of a sandbox, and setting them. Root takes a range that no user
//! has; an ordinary user needs one of his own in `/etc/subuid` and `/etc/subgid` (`subuid(5)`, `newuidmap(1)`,
//! `user_namespaces(7)`). What lies in the sandbox's files is the same in every case.

use std::fs;
use std::process::Command;

use super::SandboxError;

/// Ids that a sandbox has, from 0 on.
pub(super) const IDS: u32 = 65_536;

/// Where root's range begins: above what distributions give to users, below the numbers that some programs take for
/// negative ones.
const ROOTS: u64 = 1_610_612_736;

/// How a sandbox gets its ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ids {
    /// As the host's, without a user namespace; for root where there are none.
    Plain,
    /// Root writes the maps itself.
    Own(u64),
    /// The programs of `uidmap` do.
    Delegated { uids: u64, gids: u64 },
}

impl Ids {
    /// What may be tried, the best first; nothing where too few ids are there.
    pub(super) fn choices() -> Result<Vec<Self>, SandboxError> {
        let uid = rustix::process::geteuid().as_raw();
        if uid != 0 {
            return Self::delegated(uid).map(|ids| vec![ids]);
        }
        let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
        let own = [ROOTS, 0].into_iter().find(|&start| covers(&map, start)).map(Self::Own);
        // Without a map of its own the sandbox has the ids that there are here, which must be as many.
        let plain = covers(&map, 0).then_some(Self::Plain);
        Ok(own.into_iter().chain(plain).collect())
    }

    fn delegated(uid: u32) -> Result<Self, SandboxError> {
        let user = name_of(uid);
        let range = |file: &'static str, kind| {
            let text = fs::read_to_string(file).unwrap_or_default();
            subordinate(&text, &user, uid).map_err(|found| SandboxError::Subordinate {
                user: user.clone(),
                kind,
                found,
                needed: IDS.into(),
                file,
            })
        };
        Ok(Self::Delegated { uids: range("/etc/subuid", "uids")?, gids: range("/etc/subgid", "gids")? })
    }

    /// Gives a process in a new user namespace its ids.
    pub(super) fn give(&self, pid: u32) -> Result<(), SandboxError> {
        match self {
            Self::Plain => Ok(()),
            Self::Own(start) => {
                for map in ["uid_map", "gid_map"] {
                    let written = fs::write(format!("/proc/{pid}/{map}"), format!("0 {start} {IDS}\n"));
                    written.map_err(|error| forbidden("mapping ids", &error))?;
                }
                Ok(())
            }
            Self::Delegated { uids, gids } => {
                delegate("newuidmap", pid, *uids)?;
                delegate("newgidmap", pid, *gids)
            }
        }
    }
}

/// The error for what the system does not allow.
pub(super) fn forbidden(what: &str, reason: &std::io::Error) -> SandboxError {
    SandboxError::Forbidden { what: what.to_owned(), reason: reason.to_string() }
}

/// Whether all ids from `start` on can be mapped from here.
fn covers(map: &str, start: u64) -> bool {
    map.lines().any(|line| {
        let mut fields = line.split_ascii_whitespace().map(|field| field.parse::<u64>().unwrap_or(0));
        let (inside, _, count) = (fields.next(), fields.next(), fields.next());
        let (Some(inside), Some(count)) = (inside, count) else { return false };
        inside <= start && start.saturating_add(IDS.into()) <= inside.saturating_add(count)
    })
}

/// The first range that is long enough, or how long the longest is.
fn subordinate(text: &str, user: &str, uid: u32) -> Result<u64, u64> {
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

/// The user's name, or the number where `/etc/passwd` has none.
fn name_of(uid: u32) -> String {
    let accounts = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let found = accounts.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == uid.to_string()).then(|| name.to_owned())
    });
    found.unwrap_or_else(|| uid.to_string())
}

fn delegate(program: &'static str, pid: u32, start: u64) -> Result<(), SandboxError> {
    let arguments = [pid.to_string(), "0".to_owned(), start.to_string(), IDS.to_string()];
    let run = Command::new(program).args(arguments).output();
    let said = match run {
        Ok(run) if run.status.success() => return Ok(()),
        Ok(run) => String::from_utf8_lossy(&run.stderr).trim().to_owned(),
        Err(error) => error.to_string(),
    };
    Err(SandboxError::Mapper { program, said })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_found_by_name_or_number_and_must_be_long_enough() {
        let text = "other:100000:65536\nme:200000:1000\n1000:300000:65536\n";
        assert_eq!(subordinate(text, "me", 1000), Ok(300_000));
        assert_eq!(subordinate(text, "me", 7), Err(1000));
        assert_eq!(subordinate("broken\nme:x:y\n", "me", 7), Err(0));
    }

    #[test]
    fn a_range_must_lie_in_the_map_of_the_namespace_that_we_are_in() {
        assert!(covers("         0          0 4294967295\n", ROOTS));
        assert!(!covers("0 100000 65536\n", ROOTS));
        assert!(covers("0 100000 65536\n", 0));
        assert!(!covers("0 1000 1\n", 0));
    }
}
