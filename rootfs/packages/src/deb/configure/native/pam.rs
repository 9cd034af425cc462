//! `/etc/pam.d/common-*`: the modules that packages offer in `/usr/share/pam-configs`, put into the templates of
//! `/usr/share/pam`, as pam-auth-update(8) does on a first installation.

use crate::configure::effects::system::TargetSystem;

const PROFILES: &str = "/usr/share/pam-configs";
const TEMPLATES: &str = "/usr/share/pam";
const STATE: &str = "/var/lib/pam";

/// A profile: its name and fields, lines of modules joined by newlines.
struct Profile {
    name: String,
    priority: i64,
    fields: Vec<(String, String)>,
}

impl Profile {
    fn parse(name: &str, text: &str) -> Self {
        let mut fields: Vec<(String, String)> = Vec::new();
        for line in text.lines() {
            match (line.strip_prefix(['\t', ' ']), line.split_once(':'), fields.last_mut()) {
                (Some(module), _, Some((_, value))) => {
                    if !value.is_empty() {
                        value.push('\n');
                    }
                    value.push_str(module.trim_start());
                }
                (None, Some((key, value)), _) => {
                    fields.push((key.to_ascii_lowercase(), value.trim().to_owned()));
                }
                _ => {}
            }
        }
        let mut profile = Self { name: name.to_owned(), priority: 0, fields };
        profile.priority = profile.field("priority").and_then(|value| value.parse().ok()).unwrap_or(0);
        profile
    }

    fn field(&self, key: &str) -> Option<&str> {
        self.fields.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    /// The modules of a kind, if the profile has them in this block; the `-Initial` ones where it is the first of the block.
    fn modules(&self, kind: &str, block: &str, first: bool) -> Option<&str> {
        if self.field(&format!("{kind}-type")) != Some(block) {
            return None;
        }
        let initial = self.field(&format!("{kind}-initial")).filter(|_| first);
        initial.or_else(|| self.field(kind))
    }
}

/// Writes all five files and what is remembered of them.
pub(super) fn update(system: &mut TargetSystem<'_>) -> bool {
    let mut profiles: Vec<Profile> = Vec::new();
    for name in system.names(PROFILES) {
        let text = system.text(&format!("{PROFILES}/{name}"));
        profiles.push(Profile::parse(&name, &text));
    }
    profiles.sort_by(|a, b| b.priority.cmp(&a.priority).then_with(|| a.name.cmp(&b.name)));
    let seen: String = profiles.iter().map(|profile| format!("{}\n", profile.name)).collect();
    profiles.retain(|profile| profile.field("default") == Some("yes"));
    let mut well = system.write_deep(&format!("{STATE}/seen"), seen.as_bytes());
    for (file, word, kind) in [
        ("auth", "auth", "auth"),
        ("account", "account", "account"),
        ("password", "password", "password"),
        ("session", "session", "session"),
        ("session-noninteractive", "session", "session"),
    ] {
        let interactive_only = |profile: &&Profile| profile.field("session-interactive-only") == Some("yes");
        let chosen: Vec<&Profile> = profiles
            .iter()
            .filter(|profile| file != "session-noninteractive" || !interactive_only(profile))
            .collect();
        well &= one(system, file, word, kind, &chosen);
    }
    well
}

fn one(system: &mut TargetSystem<'_>, file: &str, word: &str, kind: &str, profiles: &[&Profile]) -> bool {
    let Some(template) = system.read(&format!("{TEMPLATES}/common-{file}")) else { return true };
    let template = String::from_utf8_lossy(&template).into_owned();
    let mut state = String::new();
    let mut lines: Vec<&str> = Vec::new();
    for profile in profiles {
        if let Some(modules) = profile.modules(kind, "Primary", lines.is_empty()) {
            state.push_str(&format!("Module: {}\n{modules}\n", profile.name));
            lines.extend(modules.lines());
        }
    }
    let mut primary = String::new();
    for (at, line) in lines.iter().enumerate() {
        // Success jumps behind the module that denies.
        let jump = (lines.len() - at).to_string();
        let line = line.replace("=end", &format!("={jump}"));
        primary.push_str(&format!("{word}\t{line}{}\n", gap(&line)));
    }
    if primary.is_empty() {
        const NOBODY: &str = "[default=1]\t\t\tpam_permit.so";
        primary = format!("{word}\t{NOBODY}\n");
        state.push_str(&format!("Module: null\n{NOBODY}\n"));
    }
    let mut additional = String::new();
    for profile in profiles {
        if let Some(modules) = profile.modules(kind, "Additional", additional.is_empty()) {
            state.push_str(&format!("Module: {}\n{modules}\n", profile.name));
            modules.lines().for_each(|line| {
                additional.push_str(&format!("{word}\t{line}{}\n", gap(line)));
            });
        }
    }
    let variable = if file == "session-noninteractive" { "session_nonint" } else { kind };
    let text: String = template
        .lines()
        .map(|line| match line.strip_prefix('$').and_then(|name| name.strip_prefix(variable)) {
            Some("_primary") => primary.clone(),
            Some("_additional") => additional.clone(),
            _ => format!("{line}\n"),
        })
        .collect();
    system.write_deep(&format!("/etc/pam.d/common-{file}"), text.as_bytes())
        && system.write_deep(&format!("{STATE}/{file}"), state.as_bytes())
}

/// Options follow a space, which is written without options too.
fn gap(line: &str) -> &'static str {
    let module = match line.split_once(']') {
        Some((_, rest)) if line.starts_with('[') => rest.trim_start(),
        _ => line.split_once(char::is_whitespace).map_or("", |(_, rest)| rest.trim_start()),
    };
    if module.contains(char::is_whitespace) { "" } else { " " }
}
