//! The program: one bundle, an answer in lines or as JSON, and an exit code.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use amiforge_verify::folder::{Folder, OpenFile};
use amiforge_verify::policy::Policy;
use amiforge_verify::source::ByteSource as _;
use amiforge_verify::{verify, Choices, Report};

const USAGE: &str = "\
Check every byte of a bundle of amiforge, without amiforge

Usage: amiforge-verify [OPTIONS] BUNDLE

Options:
  --signed-by POLICY  Demand the signatures that this policy asks for
  --json              Print the result as JSON
  --quick             Digests, partition table and signatures only: no file systems
  --help, --version

Exit codes: 0 good, 1 something could not be checked, 2 usage, 3 something differs
";

/// What the command line asks for.
struct Request {
    bundle: String,
    policy: Option<String>,
    json: bool,
    quick: bool,
}

fn main() -> ExitCode {
    let arguments: Option<Vec<String>> =
        std::env::args_os().skip(1).map(|word| word.into_string().ok()).collect();
    let arguments = arguments.unwrap_or_default();
    match arguments.first().map(String::as_str) {
        Some("--help" | "-h") => return print(USAGE, 0),
        Some("--version" | "-V") => {
            return print(concat!("amiforge-verify ", env!("CARGO_PKG_VERSION"), "\n"), 0)
        }
        _ => {}
    }
    let request = match request(arguments) {
        Ok(request) => request,
        Err(reason) => return complain(&format!("{reason}\n\n{USAGE}"), 2),
    };
    if !Path::new(&request.bundle).is_dir() {
        return complain(&format!("cannot verify `{}`: it is no folder", request.bundle.escape_debug()), 1);
    }
    let policy = match request.policy.as_deref().map(policy).transpose() {
        Ok(policy) => policy,
        Err(reason) => return complain(&reason, 1),
    };
    let choices = Choices { policy, quick: request.quick };
    let report = verify(&Folder::new(&request.bundle), &choices);
    let text = if request.json { report.to_json() } else { lines(&report) };
    print(&text, report.outcome().exit_code())
}

fn request(arguments: Vec<String>) -> Result<Request, String> {
    let (mut bundle, mut policy, mut json, mut quick) = (None, None, false, false);
    let mut words = arguments.into_iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--json" => json = true,
            "--quick" => quick = true,
            "--signed-by" => policy = Some(words.next().ok_or("--signed-by names no policy")?),
            _ if word.starts_with("--signed-by=") => {
                policy = word.split_once('=').map(|(_, path)| path.to_owned());
            }
            _ if word.starts_with('-') && word.len() > 1 => {
                return Err(format!("the option {} is unknown", word.escape_debug()));
            }
            _ if bundle.is_none() => bundle = Some(word),
            _ => return Err("one bundle is checked at a time".to_owned()),
        }
    }
    let bundle = bundle.ok_or("no bundle is named")?;
    Ok(Request { bundle, policy, json, quick })
}

fn policy(path: &str) -> Result<Policy, String> {
    let failed = |reason: String| format!("cannot read the policy `{}`: {reason}", path.escape_debug());
    let file = OpenFile::open(Path::new(path)).map_err(|failure| failed(failure.reason))?;
    let len = usize::try_from(file.size()).ok().filter(|len| *len <= 1 << 20);
    let mut bytes = vec![0; len.ok_or_else(|| failed("it is longer than 1 MiB".to_owned()))?];
    file.read(0, &mut bytes).map_err(|failure| failed(failure.reason))?;
    Policy::parse(&bytes).map_err(failed)
}

/// The report for a person.
fn lines(report: &Report) -> String {
    // Writing to a String cannot fail.
    let mut text = String::new();
    for what in &report.checked {
        _ = writeln!(text, "checked      {what}");
    }
    for one in &report.unchecked {
        let word = if one.required { "NOT CHECKED" } else { "not checked" };
        _ = writeln!(text, "{word}  {}: {}", one.part, one.reason);
    }
    for mismatch in &report.mismatches {
        _ = writeln!(text, "DIFFERENT    {mismatch}");
    }
    if report.further > 0 {
        _ = writeln!(text, "DIFFERENT    and {} more", report.further);
    }
    for signer in &report.signers {
        _ = writeln!(text, "signed by    {signer}");
    }
    let name = report.image.as_deref().unwrap_or("the bundle").escape_debug().to_string();
    text + &format!("{name}: {}\n", report.outcome().word())
}

fn print(text: &str, code: u8) -> ExitCode {
    // A reader that went away does not change what the bundle is.
    let _ = std::io::stdout().write_all(text.as_bytes());
    ExitCode::from(code)
}

fn complain(text: &str, code: u8) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "error: {text}");
    ExitCode::from(code)
}
