//! The form for WebAssembly: files of a bundle in, a report in JSON out, through memory of the module.
//!
//! A host calls `begin()`; for each file `file(name_len, len)`, which gives the address of `name_len + len` bytes that it
//! fills with name and contents; then `finish(flags)` (1: no file systems), which gives the length of the report, and
//! `report()`, its address. A file of the name `policy` is the policy and no part of the bundle. `outcome()` is the exit
//! code that the program would have. One bundle at a time.
#![expect(unsafe_code, reason = "names that a host calls; none of them takes an address")]

use std::sync::{Mutex, PoisonError};

use amiforge_verify::files::MemoryBundle;
use amiforge_verify::policy::Policy;
use amiforge_verify::{verify, Choices};

struct Module {
    /// Lengths of the names, and names with contents.
    files: Vec<(usize, Vec<u8>)>,
    report: String,
    outcome: u8,
}

static MODULE: Mutex<Module> = Mutex::new(Module { files: Vec::new(), report: String::new(), outcome: 2 });

fn with<T>(action: impl FnOnce(&mut Module) -> T) -> T {
    action(&mut MODULE.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Forgets the bundle before.
#[no_mangle]
pub extern "C" fn begin() {
    with(|module| *module = Module { files: Vec::new(), report: String::new(), outcome: 2 });
}

/// Makes room for a file; gives the address of its name and contents.
#[no_mangle]
pub extern "C" fn file(name_len: usize, len: usize) -> *mut u8 {
    with(|module| {
        module.files.push((name_len, vec![0; name_len.saturating_add(len)]));
        module.files.last_mut().map_or(std::ptr::null_mut(), |file| file.1.as_mut_ptr())
    })
}

/// Checks the bundle; gives the length of the report.
#[no_mangle]
pub extern "C" fn finish(flags: u32) -> usize {
    with(|module| {
        let mut bundle = MemoryBundle::default();
        let mut policy = Ok(None);
        for (name_len, mut bytes) in module.files.drain(..) {
            let contents = bytes.split_off(name_len.min(bytes.len()));
            match String::from_utf8_lossy(&bytes).into_owned() {
                name if name == "policy" => policy = Policy::parse(&contents).map(Some),
                name => _ = bundle.files.insert(name, contents),
            }
        }
        (module.report, module.outcome) = match policy {
            Err(reason) => (format!("{{\"outcome\":\"usage\",\"policy\":{reason:?}}}\n"), 2),
            Ok(policy) => {
                let report = verify(&bundle, &Choices { policy, quick: flags & 1 == 1 });
                (report.to_json(), report.outcome().exit_code())
            }
        };
        module.report.len()
    })
}

/// The address of the report.
#[no_mangle]
pub extern "C" fn report() -> *const u8 {
    with(|module| module.report.as_ptr())
}

/// The exit code of the program for the bundle.
#[no_mangle]
pub extern "C" fn outcome() -> u32 {
    with(|module| u32::from(module.outcome))
}
