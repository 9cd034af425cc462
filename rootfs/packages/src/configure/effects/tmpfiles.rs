//! tmpfiles.d(5): what has to exist in the image. What is on file systems that a running system makes itself (`/run`,
//! `/dev`, `/proc`, `/sys`, `/tmp`) is left to it, as are ACLs, attributes and cleaning.

use amiforge_formats::time::Time;
use amiforge_formats::tree::{Content, Meta, NodeKind};

use super::mode::mode_of;
use super::system::TargetSystem;
use amiforge_formats::path::Last;

const TRANSIENT: [&str; 5] = ["/run", "/dev", "/proc", "/sys", "/tmp"];

/// Makes what the lines of a file ask for.
pub(crate) fn create(system: &mut TargetSystem<'_>, text: &str) {
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        apply_line(system, line);
    }
}

/// The first field of a line, quotes taken off, and the rest.
fn field(line: &str) -> (String, &str) {
    let line = line.trim_start();
    if let Some(rest) = line.strip_prefix('"')
        && let Some((word, rest)) = rest.split_once('"')
    {
        return (word.to_owned(), rest);
    }
    let end = line.find(char::is_whitespace).unwrap_or(line.len());
    let (word, rest) = line.split_at(end);
    (word.to_owned(), rest)
}

/// A line of a file, with owners that are known and a mode.
struct TmpfilesLine {
    kind: String,
    path: String,
    mode: String,
    uid: Option<u32>,
    gid: Option<u32>,
    argument: String,
}

impl TmpfilesLine {
    /// Reads a line; `None` for those that an image has nothing to do with.
    fn read(system: &mut TargetSystem<'_>, line: &str) -> Option<Self> {
        let (kind, rest) = field(line);
        let (path, rest) = field(rest);
        let (mode, rest) = field(rest);
        let (user, rest) = field(rest);
        let (group, rest) = field(rest);
        let (_age, argument) = field(rest);
        let argument = argument.trim();
        let below =
            |root: &str| path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        // `!` lines are for booting only, `^` ones for credentials; specifiers speak of a running machine.
        if TRANSIENT.into_iter().any(below)
            || kind.contains(['!', '^', '$'])
            || path.replace("%%", "").contains('%')
            || argument.replace("%%", "").contains('%')
        {
            return None;
        }
        let given = |text: &str| {
            (text != "-" && !text.is_empty()).then(|| text.trim_start_matches(['~', ':']).to_owned())
        };
        Some(Self {
            kind,
            path: path.replace("%%", "%"),
            mode: given(&mode).unwrap_or_default(),
            uid: given(&user).and_then(|user| system.uid(&user)),
            gid: given(&group).and_then(|group| system.gid(&group)),
            argument: argument.replace("%%", "%"),
        })
    }

    /// The metadata of something that is made.
    fn meta(&self, default: u16, time: Time) -> Meta {
        let mode = mode_of(&self.mode, default).unwrap_or(default);
        Meta { uid: self.uid.unwrap_or(0), gid: self.gid.unwrap_or(0), ..Meta::root_owned(mode, time) }
    }
}

fn apply_line(system: &mut TargetSystem<'_>, line: &str) {
    let Some(line) = TmpfilesLine::read(system, line) else { return };
    let letter = line.kind.chars().next().unwrap_or('x');
    let there = system.entry(&line.path).is_some();
    if there && !(line.kind.contains('+') && matches!(letter, 'f' | 'L')) && letter != 'F' {
        return adjust(system, &line, letter);
    }
    let parent = line.path.trim_end_matches('/').rsplit_once('/').map_or("", |(folder, _)| folder);
    if !parent.is_empty() && "dDvqQfFLCp".contains(letter) {
        system.make_dirs(parent, 0o755);
    }
    let factory = || match line.argument.as_str() {
        "" | "-" => format!("/usr/share/factory{}", line.path),
        argument => argument.to_owned(),
    };
    match letter {
        'd' | 'D' | 'v' | 'q' | 'Q' => {
            let meta = line.meta(0o755, system.time);
            system.put(&line.path, Last::Keep, meta, NodeKind::dir());
        }
        'f' | 'F' => {
            let meta = line.meta(0o644, system.time);
            let text = line.argument.replace("\\n", "\n");
            let content = Content::Inline(text.as_bytes().into());
            system.put(&line.path, Last::Follow, meta, NodeKind::File(content));
        }
        // `L?` wants the target to be there; `L+` replaces a link only.
        'L' if (!there || system.target(&line.path).is_some())
            && (!line.kind.contains('?') || system.node(&factory()).is_some()) =>
        {
            system.link(&line.path, &factory());
        }
        'C' => copy(system, &line.path, &factory()),
        'p' => {
            let meta = line.meta(0o644, system.time);
            system.put(&line.path, Last::Keep, meta, NodeKind::Fifo);
        }
        _ => {}
    }
}

/// Gives what is there the mode and owner of its line.
fn adjust(system: &mut TargetSystem<'_>, line: &TmpfilesLine, letter: char) {
    let Some(id) = system.node(&line.path).filter(|_| "dDvqQfezZ".contains(letter)) else { return };
    let meta = &mut system.tree.node_mut(id).meta;
    if !line.mode.is_empty() {
        meta.mode = mode_of(&line.mode, meta.mode).unwrap_or(meta.mode);
    }
    (meta.uid, meta.gid) = (line.uid.unwrap_or(meta.uid), line.gid.unwrap_or(meta.gid));
}

/// Copies a file; folders are left out.
fn copy(system: &mut TargetSystem<'_>, path: &str, from: &str) {
    let Some(id) = system.node(from) else { return };
    let node = system.tree.node(id).clone();
    if matches!(node.kind, NodeKind::File(_)) {
        system.put(path, Last::Keep, node.meta, node.kind);
    }
}
