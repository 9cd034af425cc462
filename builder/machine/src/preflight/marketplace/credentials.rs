//! Credentials in the homes of users: authorized keys, and the files in which programs keep passwords and tokens.

use super::{Findings, System};
use crate::preflight::files::SystemFiles;

/// Files with keys that let their owners in (sshd(8), `AUTHORIZED_KEYS` FILE FORMAT).
const AUTHORIZED: [&str; 2] = [".ssh/authorized_keys", ".ssh/authorized_keys2"];

/// Files with credentials, below a home.
const CREDENTIALS: [(&str, &str); 8] = [
    (".aws/credentials", "access keys of AWS"),
    (".docker/config.json", "credentials of registries"),
    (".git-credentials", "credentials of git servers"),
    (".kube/config", "credentials of a Kubernetes cluster"),
    (".my.cnf", "a password of MySQL"),
    (".netrc", "passwords of servers"),
    (".pgpass", "passwords of PostgreSQL"),
    (".vault-token", "a token of Vault"),
];

pub(super) fn check(system: &System<'_>, findings: &mut Findings) {
    let files = &system.files;
    for home in homes(files) {
        for name in AUTHORIZED {
            let path = format!("{home}/{name}");
            let text = files.text(&path).unwrap_or_default();
            let keys = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
            let count = keys.count();
            if count > 0 {
                let what =
                    format!("{}: {count} keys let their owners into every machine", path.escape_debug());
                findings.failure(
                    "authorized-keys",
                    what,
                    "remove the file: the first boot installs the key of the launch",
                );
            }
        }
        for (name, kind) in CREDENTIALS {
            let path = format!("{home}/{name}");
            if files.is_file(&path) {
                let what = format!("{}: {kind} would be those of every machine", path.escape_debug());
                findings.failure(
                    "credentials",
                    what,
                    "remove the file; machines get rights by an instance profile",
                );
            }
        }
    }
}

/// The homes of passwd(5), each once, and that of root.
fn homes(files: &SystemFiles<'_>) -> Vec<String> {
    let passwd = files.text("/etc/passwd").unwrap_or_default();
    let of_users = passwd.lines().filter_map(|line| line.split(':').nth(5));
    let mut homes: Vec<String> = of_users
        .filter(|home| home.starts_with('/') && *home != "/")
        .map(|home| home.trim_end_matches('/').to_owned())
        .chain(["/root".to_owned()])
        .collect();
    homes.sort();
    homes.dedup();
    homes
}
