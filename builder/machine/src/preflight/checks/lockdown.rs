//! Whether modules that are not the distribution's will load: a kernel that was started by Secure Boot locks itself down, and
//! then takes signed modules only (`kernel_lockdown(7)`).

use std::path::Path;

use super::{Findings, System};

/// What a signed module ends with (`MODULE_SIG_STRING` of Linux).
const SIGNED: &[u8] = b"~Module signature appended~\n";

/// The most modules that a finding names.
const NAMED: usize = 3;

pub(super) fn check(system: &System<'_>, findings: &mut Findings) {
    let Some(kernel) = system.kernel.as_ref().ok().filter(|_| system.chain.for_secure_boot) else { return };
    let usr = !system.files.names("/usr/lib/modules").is_empty();
    let folder = format!("{}/lib/modules/{}", if usr { "/usr" } else { "" }, kernel.release);
    let listed = system.files.text(&format!("{folder}/modules.dep")).unwrap_or_default();
    let paths = listed.lines().filter_map(|line| line.split_once(':')).map(|(path, _)| path);
    // Modules of the kernel's own package are below `kernel`, and signed by the builder of the kernel.
    let others = paths.filter(|path| !path.starts_with("kernel/"));
    let unsigned: Vec<_> = others
        .filter(|path| {
            let module = system.files.read(&format!("{folder}/{path}"));
            module.is_some_and(|bytes| {
                Path::new(path).extension().is_some_and(|extension| extension == "ko")
                    && !bytes.ends_with(SIGNED)
            })
        })
        .collect();
    if unsigned.is_empty() {
        return;
    }
    let named = unsigned.iter().take(NAMED).map(|path| format!("`{path}`")).collect::<Vec<_>>().join(", ");
    let more =
        if unsigned.len() > NAMED { format!(" and {} more", unsigned.len() - NAMED) } else { String::new() };
    let what = format!(
        "a kernel that Secure Boot started loads signed modules only, and {named}{more} in `{folder}` have no signature"
    );
    findings.warning("secure-boot", what, "take modules that are signed with a key that the kernel trusts");
}
