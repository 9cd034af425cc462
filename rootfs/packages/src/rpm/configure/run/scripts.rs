//! The texts of scripts as files of the tree, for their interpreters to read. rpm writes each into `/var/tmp` while it runs; here
//! all are in a folder of their own, which is removed when they are done.

use amiforge_formats::time::Time;
use amiforge_formats::tree::{Content, Meta, Name, Node, NodeId, NodeKind, Tree};

use super::error::RpmRunError;
use crate::rpm::configure::plan::{RpmAction, ScriptCall};
use crate::rpm::package::UnpackedRpm;

/// The folder, in the root.
pub(in crate::rpm) const FOLDER: &str = ".amiforge-scripts";

/// The folder of scripts in a tree.
pub(super) struct ScriptFolder {
    /// The program that runs Lua, where there is one.
    rpm: Option<&'static str>,
}

impl ScriptFolder {
    /// Writes the text of every script, named by the number of its action.
    pub(super) fn prepare(
        tree: &mut Tree,
        packages: &[UnpackedRpm],
        actions: &[RpmAction],
        epoch: Time,
    ) -> Result<Self, RpmRunError> {
        let is_there =
            |path: &&str| amiforge_formats::path::find(tree, path.as_bytes()).ok().flatten().is_some();
        let rpm = ["/usr/bin/rpm", "/bin/rpm"].into_iter().find(is_there);
        let folder = add(tree, None, FOLDER, NodeKind::dir(), epoch);
        for (number, action) in actions.iter().enumerate() {
            let RpmAction::Run(call) = action else { continue };
            if call.script.is_lua() && rpm.is_none() {
                let package = packages.get(call.package).map(|one| one.locked.name.clone());
                return Err(RpmRunError::NoLua { package: package.unwrap_or_default(), slot: call.slot });
            }
            let Some(text) = text(call) else { continue };
            add(tree, folder, &number.to_string(), NodeKind::File(Content::Inline(text.into())), epoch);
        }
        Ok(Self { rpm })
    }

    /// The program and arguments of a script.
    pub(super) fn argv(&self, number: usize, call: &ScriptCall) -> Vec<String> {
        let file = format!("/{FOLDER}/{number}");
        if let (true, Some(rpm)) = (call.script.is_lua(), self.rpm) {
            return vec![rpm.to_owned(), "--eval".to_owned(), format!("%{{lua:dofile(\"{file}\")}}")];
        }
        let words = call.script.program.iter();
        let mut argv: Vec<String> = words.map(|word| String::from_utf8_lossy(word).into_owned()).collect();
        // A program without a text gets no arguments.
        if call.script.body.is_some() {
            argv.push(file);
            argv.extend(call.arguments.iter().map(u32::to_string));
        }
        argv
    }

    /// Removes the folder.
    pub(super) fn remove(tree: &mut Tree) {
        let root = tree.root();
        tree.unlink(root, FOLDER.as_bytes());
    }
}

/// The text of a script as its interpreter gets it. One in Lua has its arguments in `arg`, behind the name of the interpreter,
/// and reads paths with `rpm.next_file` (rpm, `docs/man/rpm-lua.7`); they are put on its first line, so that errors name the right one.
fn text(call: &ScriptCall) -> Option<Vec<u8>> {
    let body = call.script.body.clone()?;
    if !call.script.is_lua() {
        return Some(body);
    }
    let arguments: Vec<String> = call.arguments.iter().map(u32::to_string).collect();
    let files = if call.input.is_some() { "rpm.next_file = function() return io.read() end " } else { "" };
    let head = format!("opt = {{}} arg = {{\"<lua>\", {}}} {files}", arguments.join(", "));
    Some([head.as_bytes(), &body].concat())
}

fn add(tree: &mut Tree, dir: Option<NodeId>, name: &str, kind: NodeKind, epoch: Time) -> Option<NodeId> {
    let dir = dir.unwrap_or_else(|| tree.root());
    let name = Name::new(name.as_bytes()).ok()?;
    tree.add(dir, name, Node { meta: Meta::root_owned(0o700, epoch), kind }).ok()
}
