//! `amiforge explain`: what every byte of an image is, and where it comes from.

use std::ops::Range;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use amiforge_formats::tree::Printable;
use amiforge_image::explain::{Explanation, RangeReport, parse_offsets};
use amiforge_image::inspect::Medium;
use amiforge_progress::Monitor;
use anyhow::Context as _;

use crate::outcome::{CommandResult, Failure, Outcome};
use crate::signals::interrupt_on_signals;
use crate::ui::Ui;

/// Say of bytes of an image what they are and where they come from
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  amiforge explain out/web --block 412\n  \
    amiforge explain out/web --offset 0x100000..0x100200\n  amiforge explain out/web /etc/motd\n  \
    amiforge explain out/web esp:/EFI/BOOT/BOOTX64.EFI\n  amiforge explain out/web --coverage\n\n\
    Files come from where origins.txt of the bundle says; of an image without one, only what the bytes are is known.\n\
    Free space and padding are explained where they are zero.\n\
    Exit codes: 0 everything asked for is explained, 3 something is not.")]
#[command(group(clap::ArgGroup::new("what").required(true)))]
pub(crate) struct Args {
    /// Bundle or image
    image: PathBuf,

    /// A path in the image: /PATH where it is mounted, or <PARTITION:/PATH> from the root of that file system
    #[arg(value_name = "[PARTITION:]/PATH", group = "what")]
    path: Option<std::ffi::OsString>,

    /// A block of 512 KiB by its number, from 0
    #[arg(long, value_name = "N", group = "what")]
    block: Option<u64>,

    /// One byte, or the bytes from N up to and without M; 0x begins a hexadecimal number
    #[arg(long, value_name = "N[..M]", group = "what", value_parser = parse_offsets)]
    offset: Option<Range<u64>>,

    /// Explain the whole image: bytes by kind and origin, and what is not explained
    #[arg(long, group = "what")]
    coverage: bool,
}

/// Runs the command.
pub(crate) fn run(args: &Args, ui: &Ui) -> CommandResult {
    let cancel = interrupt_on_signals()?;
    let shown = Printable(args.image.as_os_str().as_encoded_bytes()).to_string();
    let cannot = || format!("cannot explain `{shown}`");
    let medium = Medium::open(&args.image).with_context(cannot)?;
    let explanation = Explanation::open(&medium).with_context(cannot)?;
    if let Some(path) = &args.path {
        let (partition, path) = split(path.as_bytes()).with_context(cannot).map_err(Failure::usage)?;
        let report = explanation.path(&partition, path).with_context(cannot)?;
        if ui.json() {
            ui.object(&report)?;
        } else {
            ui.line(report.text().trim_end())?;
        }
        return Ok(Outcome::Success);
    }
    if let Some(number) = args.block {
        return ranges(&explanation.block(number).with_context(cannot)?, ui);
    }
    if let Some(bytes) = &args.offset {
        return ranges(&explanation.bytes(bytes.clone()).with_context(cannot)?, ui);
    }
    let coverage = explanation.coverage(Monitor::new(ui, &cancel)).with_context(cannot)?;
    if ui.json() {
        ui.object(&coverage)?;
    } else {
        ui.line(coverage.text().trim_end())?;
    }
    Ok(if coverage.complete { Outcome::Success } else { Outcome::Difference })
}

/// Shows ranges.
fn ranges(report: &RangeReport, ui: &Ui) -> CommandResult {
    if ui.json() {
        ui.object(report)?;
    } else {
        ui.line(report.text().trim_end())?;
    }
    Ok(if report.explained { Outcome::Success } else { Outcome::Difference })
}

/// The partition, empty for none, and the path.
fn split(text: &[u8]) -> anyhow::Result<(String, &[u8])> {
    let at = text.iter().position(|byte| *byte == b'/').unwrap_or(text.len());
    let (before, path) = text.split_at(at);
    let partition = match before {
        b"" => Some(b"".as_slice()),
        before => before.strip_suffix(b":"),
    };
    let partition = partition.and_then(|partition| std::str::from_utf8(partition).ok());
    let partition = partition
        .filter(|_| !path.is_empty())
        .with_context(|| format!("`{}` is neither /PATH nor PARTITION:/PATH", Printable(text)))?;
    Ok((partition.to_owned(), path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_may_name_its_partition() {
        assert_eq!(split(b"/etc/a:b").unwrap(), (String::new(), b"/etc/a:b".as_slice()));
        assert_eq!(split(b"esp:/EFI").unwrap(), ("esp".to_owned(), b"/EFI".as_slice()));
        for wrong in ["", "esp", "esp:", "etc/motd", ":/"] {
            assert_eq!(split(wrong.as_bytes()).is_ok(), wrong == ":/", "{wrong}");
        }
    }
}
