//! sysusers.d(5): users and groups that packages declare. Groups come first, then users, then memberships.
//!
//! As systemd-sysusers does it: numbers from 999 downwards, a user and its group with one number, `!*` as password.

use super::accounts::{NewUser, Search};
use super::system::TargetSystem;

/// One line: kind, name, id, gecos, home and shell.
struct SysusersLine {
    kind: char,
    name: String,
    id: String,
    gecos: String,
    home: String,
    shell: String,
}

/// The fields of a line without their quotes.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote, mut open) = (Vec::new(), String::new(), None, false);
    for letter in line.chars() {
        match (letter, quote) {
            (letter, Some(mark)) if letter == mark => quote = None,
            (letter, Some(_)) => word.push(letter),
            ('"' | '\'', None) => {
                quote = Some(letter);
                open = true;
            }
            (letter, None) if letter.is_whitespace() => {
                if open || !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                open = false;
            }
            (letter, None) => word.push(letter),
        }
    }
    if open || !word.is_empty() {
        words.push(word);
    }
    words
}

fn parse(text: &str) -> Vec<SysusersLine> {
    let mut lines = Vec::new();
    for line in text.lines().filter(|line| !line.trim_start().starts_with(['#', ';'])) {
        let mut words = words(line).into_iter().map(|word| if word == "-" { String::new() } else { word });
        // `u!` locks the account, which it is anyway.
        let Some(kind) = words.next().and_then(|kind| kind.chars().next()) else { continue };
        let mut next = || words.next().unwrap_or_default();
        let name = next();
        if matches!(kind, 'u' | 'g' | 'm') && !name.is_empty() && !name.contains('%') {
            lines.push(SysusersLine { kind, name, id: next(), gecos: next(), home: next(), shell: next() });
        }
    }
    lines
}

/// The highest free id, for a user and its group.
fn free(system: &mut TargetSystem<'_>) -> Option<u32> {
    system.free_pair(Search::Down)
}

/// Makes what the lines declare and is not there.
pub(crate) fn apply(system: &mut TargetSystem<'_>, text: &str) {
    let lines = parse(text);
    for line in lines.iter().filter(|line| line.kind == 'g' && !line.name.is_empty()) {
        if !system.has_group(&line.name)
            && let Some(gid) =
                system.ids.group(&line.name).or_else(|| line.id.parse().ok()).or_else(|| free(system))
        {
            system.add_group(&line.name, gid, "!*");
        }
    }
    for line in lines.iter().filter(|line| line.kind == 'u') {
        user(system, line);
    }
    for line in lines.iter().filter(|line| line.kind == 'm') {
        if system.has_user(&line.name) {
            if !system.has_group(&line.id)
                && let Some(gid) = system.ids.group(&line.id).or_else(|| free(system))
            {
                system.add_group(&line.id, gid, "!*");
            }
            system.join(&line.name, &line.id);
        }
    }
}

fn user(system: &mut TargetSystem<'_>, line: &SysusersLine) {
    if system.has_user(&line.name) {
        return;
    }
    let (uid, group) =
        line.id.split_once(':').map_or((line.id.as_str(), None), |(uid, group)| (uid, Some(group)));
    let named = group.and_then(|group| system.gid(group));
    let own = system.has_group(&line.name).then(|| system.gid(&line.name)).flatten();
    let pinned = system.ids.user(&line.name).or_else(|| uid.parse().ok()).or(own);
    let Some(uid) = pinned.or_else(|| free(system)) else { return };
    let gid = named.or(own).unwrap_or_else(|| {
        let gid = system.ids.group(&line.name).unwrap_or(uid);
        system.add_group(&line.name, gid, "!*");
        gid
    });
    let shell = if !line.shell.is_empty() {
        line.shell.clone()
    } else if uid == 0 {
        "/bin/sh".to_owned()
    } else {
        "/usr/sbin/nologin".to_owned()
    };
    let home = if line.home.is_empty() { "/" } else { &line.home };
    system.add_user(&NewUser {
        name: line.name.clone(),
        uid,
        gid,
        gecos: line.gecos.clone(),
        home: home.to_owned(),
        shell,
        locked: "!*",
    });
}
