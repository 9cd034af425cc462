//! `/etc/shells`: which programs are login shells, as update-shells(8) and add-shell(8) keep it.

use crate::configure::effects::system::TargetSystem;

const LIST: &str = "/etc/shells";
const STATE: &str = "/var/lib/shells.state";
const TEMPLATE: &str = "/usr/share/debianutils/shells";

/// Adds the shells that packages declare in `shells.d`, each also by its path without links.
pub(super) fn update(system: &mut TargetSystem<'_>) -> bool {
    let mut shells: Vec<String> = Vec::new();
    let mut files = vec![TEMPLATE.to_owned()];
    files.extend(system.names(&format!("{TEMPLATE}.d")).iter().map(|name| format!("{TEMPLATE}.d/{name}")));
    for file in files {
        for line in system.text(&file).lines().filter(|line| line.starts_with('/')) {
            shells.push(line.to_owned());
        }
    }
    let mut all = Vec::new();
    for shell in shells {
        let real = real(system, &shell);
        for path in [shell, real] {
            if !all.contains(&path) {
                all.push(path);
            }
        }
    }
    let state: String = all.iter().map(|shell| format!("{shell}\n")).collect();
    let names: Vec<&str> = all.iter().map(String::as_str).collect();
    add_missing(system, &names) && system.write_deep(STATE, state.as_bytes())
}

/// Adds shells by name, each also by its path without links.
pub(super) fn add(system: &mut TargetSystem<'_>, names: &[&str]) -> bool {
    let mut all = Vec::new();
    for name in names {
        all.push((*name).to_owned());
        all.push(real(system, name));
    }
    let names: Vec<&str> = all.iter().map(String::as_str).collect();
    add_missing(system, &names)
}

fn add_missing(system: &mut TargetSystem<'_>, names: &[&str]) -> bool {
    let from = if system.is_file(LIST) { LIST } else { TEMPLATE };
    let mut text = system.text(from);
    for name in names {
        if !text.lines().any(|line| line == *name) {
            text.push_str(name);
            text.push('\n');
        }
    }
    system.write(LIST, text.as_bytes())
}

/// The path with the links of its folder followed, not the one that the shell itself may be.
fn real(system: &TargetSystem<'_>, path: &str) -> String {
    let location = system.locate(path, amiforge_formats::path::Last::Keep);
    location.map_or_else(|| path.to_owned(), |location| String::from_utf8_lossy(&location.path).into_owned())
}
